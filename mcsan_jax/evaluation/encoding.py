"""Encodes whole splits, each video and each caption once."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from mcsan_jax.batch import TextBatch, VideoBatch
from mcsan_jax.errors import InputError
from mcsan_jax.levels import Encoding, ScoringParameters
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.training.sharding import put_batch, replicated, split_rows

Variables = Any


@dataclasses.dataclass(frozen=True)
class Encoders:
    """The compiled encoders of a model on a mesh: batches go in from the host, encodings come out on the host."""

    videos: Callable[[Variables, VideoBatch], Encoding]
    texts: Callable[[Variables, TextBatch], Encoding]
    scoring_parameters: Callable[[Variables], ScoringParameters]


def make_encoders(model: MCSAN, mesh: Mesh) -> Encoders:
    """Compiles both encoders once for a batch size; the rows of a batch must divide by the mesh."""

    def compiled(method: Callable[..., Any]) -> Callable[[Variables, Any], Encoding]:
        encode = jax.jit(
            lambda variables, batch: model.apply(variables, batch, method=method),
            in_shardings=(replicated(mesh), split_rows(mesh)),
            out_shardings=replicated(mesh),
        )
        return lambda variables, batch: jax.device_get(encode(variables, put_batch(batch, mesh)))

    def parameters(variables: Variables) -> ScoringParameters:
        learned: Any = model.apply(variables, method=model.scoring_parameters)
        return jax.device_get(learned)

    return Encoders(compiled(model.encode_videos), compiled(model.encode_texts), parameters)


def encode_all(
    encode: Callable[[Variables, Any], Encoding],
    variables: Variables,
    batches: Iterable[tuple[Sequence[str], VideoBatch]] | Iterable[tuple[Any, TextBatch]],
    rows_of: Callable[[Any], int],
    source: str,
) -> tuple[list[Any], Encoding]:
    """Encodes padded batches and joins their real rows.

    Args:
        encode: one of `Encoders`.
        variables: parameters and statistics of the model.
        batches: pairs of information about the real rows and the padded batch.
        rows_of: number of real rows, from the information.
        source: what is encoded, for the error, such as "videos in split 'val'".

    Returns:
        The information of every batch, and the encoding of all real rows, as numpy arrays.

    Raises:
        InputError: there is no batch.
    """
    information, parts = [], []
    for info, batch in batches:
        rows = rows_of(info)
        encoded = encode(variables, batch)
        parts.append(jax.tree.map(lambda array, rows=rows: np.asarray(array)[:rows], encoded))
        information.append(info)
    if not parts:
        raise InputError(f"there are no {source}; choose another split or prepare the data again")
    return information, jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def take_rows(encoding: Encoding, rows: slice | np.ndarray, size: int) -> Encoding:
    """Some rows of an encoding, padded with masked zeros up to `size` rows."""

    def take(array: np.ndarray) -> np.ndarray:
        taken = array[rows]
        padding = [(0, size - taken.shape[0])] + [(0, 0)] * (taken.ndim - 1)
        return np.pad(taken, padding)

    return jax.tree.map(take, encoding)
