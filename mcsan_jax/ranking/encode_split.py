"""This module encodes each video and each caption of a split once, and keeps what comparisons need on the host."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.batches.batch import TextBatch, VideoBatch
from data_pipeline.errors import InputError
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.ranking.collection import TextCollection, VideoCollection
from mcsan_jax.ranking.readable_split import FoilRows, Split, Videos
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos, normalise_texts, normalise_videos
from mcsan_jax.scoring.vectors import product_dtype
from mcsan_jax.sharding import make_mesh, put_whole_batch, replicated, split_rows

Variables = Any
Logits = dict[str, Float[Array, "item _"]]
"""Of each level's attributes."""
Info = TypeVar("Info")
Batch = TypeVar("Batch", VideoBatch, TextBatch)
Normalised = TypeVar("Normalised", NormalisedVideos, NormalisedTexts)


@dataclasses.dataclass(frozen=True)
class Encoders:
    """They are the compiled encoders of a model on a mesh: from batches on the host they make normalised encodings.

    Attributes:
        videos: normalised videos, and the logits of their attributes.
        texts: normalised captions, and the logits of their attributes.
        linear_tokens: what each token adds to the coordinates of words and of sentences in the linear branch.
        scoring_parameters: level weights, temperature and linear share.
        local_mesh: the devices of this process, which compare what was encoded.
        network: the network that they compute.
    """

    videos: Callable[[Variables, VideoBatch], tuple[NormalisedVideos, Logits]]
    texts: Callable[[Variables, TextBatch], tuple[NormalisedTexts, Logits]]
    linear_tokens: Callable[[Variables, TextBatch], tuple[Float[Array, "t w r"], Float[Array, "t w q"]]]
    scoring_parameters: Callable[[Variables], ScoringParameters]
    local_mesh: Mesh
    network: MCSAN


def make_encoders(model: MCSAN, mesh: Mesh) -> Encoders:
    """Compiles both encoders once for a batch size; the rows of a batch must divide by the mesh."""
    dtype = product_dtype(model.config.model.compute_dtype)

    def videos(variables: Variables, batch: VideoBatch) -> tuple[NormalisedVideos, Logits]:
        encoded: Any = model.apply(variables, batch, method=model.encode_videos)
        return normalise_videos(encoded, dtype), encoded.attribute_logits

    def texts(variables: Variables, batch: TextBatch) -> tuple[NormalisedTexts, Logits]:
        encoded: Any = model.apply(variables, batch, method=model.encode_texts)
        return normalise_texts(encoded), encoded.attribute_logits

    def compiled(encode: Callable[..., Any]) -> Callable[[Variables, Any], Any]:
        everywhere, rows = replicated(mesh), split_rows(mesh)
        program = jax.jit(encode, in_shardings=(everywhere, rows), out_shardings=everywhere)
        return lambda variables, batch: program(variables, put_whole_batch(batch, mesh))

    def parameters(variables: Variables) -> ScoringParameters:
        return jax.device_get(model.apply(variables, method=model.scoring_parameters))

    tokens = compiled(lambda variables, batch: model.apply(variables, batch, method=model.linear_tokens))
    own = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
    return Encoders(compiled(videos), compiled(texts), tokens, parameters, make_mesh(own), model)


@dataclasses.dataclass(frozen=True)
class EncodedVideos:
    """They are the videos of a split.

    Attributes:
        ids: in the order of the records.
        collection: their encodings.
        logits, labels: of each level's attributes.
    """

    ids: list[str]
    collection: VideoCollection
    logits: dict[str, Float[np.ndarray, "v _"]]
    labels: dict[str, Bool[np.ndarray, "v _"]]


@dataclasses.dataclass(frozen=True)
class EncodedCaptions:
    """They are the captions of a split.

    Attributes:
        ids, texts: in the order of the records.
        video_of_text: index of each caption's video.
        collection: their encodings.
        logits: of each level's attributes, where they were asked for.
    """

    ids: list[str]
    texts: list[str]
    video_of_text: Int[np.ndarray, " t"]
    collection: TextCollection
    logits: dict[str, Float[np.ndarray, "t _"]] = dataclasses.field(default_factory=dict)

    def rows(self, rows: Int[np.ndarray, " some"]) -> "EncodedCaptions":
        """Returns some of the captions."""
        return EncodedCaptions(
            [self.ids[row] for row in rows],
            [self.texts[row] for row in rows],
            self.video_of_text[rows],
            self.collection.rows(rows),
            {level: logits[rows] for level, logits in self.logits.items()},
        )


@dataclasses.dataclass(frozen=True)
class EncodedSplit:
    """It is a split of which every video and every caption was encoded once.

    Attributes:
        videos, captions: their encodings.
        parameters: level weights and temperature of the same variables.
        foils: encodes the foils, one batch after the other; they are compared with their own captions alone.
        mesh: the devices of this process that compare videos and captions.
    """

    videos: EncodedVideos
    captions: EncodedCaptions
    parameters: ScoringParameters
    foils: Callable[[], Iterable[tuple[FoilRows, TextCollection]]]
    mesh: Mesh


def encode_split(
    encoders: Encoders,
    variables: Variables,
    split: Split,
    size: int,
    name: str,
    caption_logits: bool = False,
) -> EncodedSplit:
    """Encodes all videos and all captions of a split.

    Args:
        encoders: of the model.
        variables: its parameters and statistics.
        split: the videos and captions.
        size: how many are encoded at a time.
        name: of the split, for errors.
        caption_logits: whether the logits of the captions' attributes are kept, which only a loss needs.

    Raises:
        InputError: the split holds no video or no caption.
    """

    def foils() -> Iterator[tuple[FoilRows, TextCollection]]:
        for info, batch in split.foil_batches(size):
            normalised, _ = encoders.texts(variables, batch)
            yield info, TextCollection.gather([(len(info.kinds), normalised)])

    return EncodedSplit(
        encode_videos(encoders, variables, split, size, name),
        encode_captions(encoders, variables, split, size, name, caption_logits),
        encoders.scoring_parameters(variables),
        foils,
        encoders.local_mesh,
    )


def encode_videos(
    encoders: Encoders, variables: Variables, split: Videos, size: int, name: str
) -> EncodedVideos:
    """Encodes all videos of a split; the arguments are those of `encode_split`.

    Raises:
        InputError: the split holds no video.
    """
    ids: list[str] = []
    logits, labels = (collections.defaultdict[str, list[np.ndarray]](list) for _ in range(2))

    def normalised() -> Iterator[tuple[int, NormalisedVideos]]:
        batches = split.video_batches(size)
        source = f"videos in split {name!r}"
        for own_ids, batch, encoded, of_attributes in _encoded(encoders.videos, variables, batches, source):
            ids.extend(own_ids)
            for level, values in of_attributes.items():
                logits[level].append(np.array(np.asarray(values)[: len(own_ids)]))
                labels[level].append(np.asarray(batch.labels[level])[: len(own_ids)])
            yield len(own_ids), encoded

    collection = VideoCollection.gather(normalised())
    return EncodedVideos(ids, collection, _joined(logits), _joined(labels))


def encode_captions(
    encoders: Encoders,
    variables: Variables,
    split: Split,
    size: int,
    name: str,
    caption_logits: bool = False,
) -> EncodedCaptions:
    """Encodes all captions of a split; the arguments are those of `encode_split`.

    Raises:
        InputError: the split holds no caption.
    """
    ids: list[str] = []
    texts: list[str] = []
    owners: list[np.ndarray] = []
    logits = collections.defaultdict[str, list[np.ndarray]](list)

    def normalised() -> Iterator[tuple[int, NormalisedTexts]]:
        batches = split.caption_batches(size)
        source = f"captions in split {name!r}"
        for info, _, encoded, of_attributes in _encoded(encoders.texts, variables, batches, source):
            ids.extend(info.ids)
            texts.extend(info.texts)
            owners.append(info.videos)
            if caption_logits:
                for level, values in of_attributes.items():
                    logits[level].append(np.array(np.asarray(values)[: len(info.ids)]))
            yield len(info.videos), encoded

    collection = TextCollection.gather(normalised())
    return EncodedCaptions(ids, texts, np.concatenate(owners), collection, _joined(logits))


def _encoded(
    encode: Callable[[Variables, Batch], tuple[Normalised, Logits]],
    variables: Variables,
    batches: Iterable[tuple[Info, Batch]],
    source: str,
) -> Iterator[tuple[Info, Batch, Normalised, Logits]]:
    """Yields what stands beside each batch, the batch, and what was made of it; there must be a batch."""
    empty = True
    for info, batch in batches:
        empty = False
        normalised, logits = encode(variables, batch)
        yield info, batch, normalised, logits
    if empty:
        raise InputError(f"there are no {source}; choose another split or prepare the data again")


def _joined(of_levels: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    return {level: np.concatenate(arrays) for level, arrays in of_levels.items()}
