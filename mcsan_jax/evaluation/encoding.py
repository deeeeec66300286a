"""Encodes whole splits, each video and each caption once, and makes them ready to be compared."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh

from data_pipeline.batches.batch import TextBatch, VideoBatch
from data_pipeline.errors import InputError
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos, prepare_texts, prepare_videos
from mcsan_jax.scoring.vectors import product_dtype
from mcsan_jax.sharding import put_whole_batch, replicated, split_rows

Variables = Any
Info = TypeVar("Info")
Batch = TypeVar("Batch", VideoBatch, TextBatch)
EncodedVideos = tuple[PreparedVideos, dict[str, jax.Array]]
Encoded = TypeVar("Encoded", EncodedVideos, PreparedTexts)


@dataclasses.dataclass(frozen=True)
class Encoders:
    """The compiled encoders of a model on a mesh: batches go in from the host, prepared encodings come out.

    Attributes:
        videos: also returns the probabilities of each level's attributes, [v, a].
        texts: of captions.
        scoring_parameters: level weights and temperature.
    """

    videos: Callable[[Variables, VideoBatch], EncodedVideos]
    texts: Callable[[Variables, TextBatch], PreparedTexts]
    scoring_parameters: Callable[[Variables], ScoringParameters]


def make_encoders(model: MCSAN, mesh: Mesh) -> Encoders:
    """Compiles both encoders once for a batch size; the rows of a batch must divide by the mesh."""
    dtype = product_dtype(model.config.model.compute_dtype)

    def videos(variables: Variables, batch: VideoBatch) -> EncodedVideos:
        encoded: Any = model.apply(variables, batch, method=model.encode_videos)
        return prepare_videos(encoded, dtype), jax.tree.map(jax.nn.sigmoid, encoded.attribute_logits)

    def texts(variables: Variables, batch: TextBatch) -> PreparedTexts:
        encoded: Any = model.apply(variables, batch, method=model.encode_texts)
        return prepare_texts(encoded)

    def compiled(encode: Callable[..., Any]) -> Callable[[Variables, Any], Any]:
        program = jax.jit(
            encode, in_shardings=(replicated(mesh), split_rows(mesh)), out_shardings=replicated(mesh)
        )
        return lambda variables, batch: program(variables, put_whole_batch(batch, mesh))

    def parameters(variables: Variables) -> ScoringParameters:
        learned: Any = model.apply(variables, method=model.scoring_parameters)
        return jax.device_get(learned)

    return Encoders(compiled(videos), compiled(texts), parameters)


def encoded_batches(
    encode: Callable[[Variables, Batch], Encoded],
    variables: Variables,
    batches: Iterable[tuple[Info, Batch]],
    source: str,
) -> Iterator[tuple[Info, Batch, Encoded]]:
    """Encodes padded batches, one at a time.

    Args:
        encode: one of `Encoders`.
        variables: parameters and statistics of the model.
        batches: pairs of information about the real rows and the padded batch.
        source: what is encoded, for the error, such as "videos in split 'val'".

    Yields:
        The information, the batch, and its encoding.

    Raises:
        InputError: there is no batch.
    """
    empty = True
    for info, batch in batches:
        empty = False
        yield info, batch, encode(variables, batch)
    if empty:
        raise InputError(f"there are no {source}; choose another split or prepare the data again")
