"""This module brings an engine in step with an index: it has the stage-1 vectors of the live videos and no others."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.on_disk.segments import OpenSegment
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE

_ROW_BITS, _SEGMENT_BITS = 16, 47


def numbers_of(segment: OpenSegment) -> Int[np.ndarray, " n"]:
    """Returns the numbers under which an engine has the rows of a segment, live or removed; they rise.

    They are made of the hash of the segment's vectors, which never change, and of the row: an engine that is older than
    the index, or was filled from another one, has other numbers and not others' vectors under the same ones.

    Raises:
        ValueError: the segment has more rows than numbers.
    """
    rows = segment.stored.rows
    if rows > 1 << _ROW_BITS:
        raise ValueError(f"a segment of {rows} rows; an engine numbers {1 << _ROW_BITS}")
    first = int(segment.stored.vectors.sha256, 16) >> (256 - _SEGMENT_BITS) << _ROW_BITS
    return first + np.arange(rows, dtype=np.int64)


def live_numbers(segments: Sequence[OpenSegment]) -> Int[np.ndarray, " v"]:
    """Returns the number of each live video, in the order of the rows of an index."""
    parts = [numbers_of(segment)[segment.live] for segment in segments]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def synchronise(engine: Engine, segments: Sequence[OpenSegment]) -> None:
    """Removes from an engine what an index does not have, and inserts what it lacks.

    Args:
        engine: any.
        segments: of the index.

    Raises:
        InputError: the engine cannot be reached, or has vectors of another width.
    """
    known = engine.numbers()
    engine.delete(np.setdiff1d(known, live_numbers(segments)))
    for segment in segments:
        numbers, vectors = numbers_of(segment), segment.arrays[STAGE_ONE]
        missing = segment.live[~np.isin(numbers[segment.live], known)]
        if len(missing) == len(numbers):
            # The whole array is the mapped file, which the flat engine does not copy.
            engine.insert(numbers, vectors)
        elif len(missing):
            engine.insert(numbers[missing], vectors[missing])
