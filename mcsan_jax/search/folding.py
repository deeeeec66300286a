"""This module finds near-duplicates among the answers of a search: the same clip twice, or cut or encoded again."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

NEAR_DUPLICATE = 0.995
"""The cosine of the vectors of two videos from which on they are near-duplicates."""

_READ_AT_ONCE = 128


def fold_duplicates(
    ranked: Sequence[int],
    most: int,
    vectors_of: Callable[[Sequence[int]], Float[np.ndarray, "v w"]],
    same: float = NEAR_DUPLICATE,
) -> list[list[int]]:
    """Returns the best answers that are no near-duplicates of a better one, each with those that are its own.

    Args:
        ranked: rows of videos, the best first.
        most: how many answers are returned at most. After the last one, near-duplicates are looked for among as many
            rows as were looked at before.
        vectors_of: reads the vectors of some rows; their lengths do not count.
        same: the cosine from which on two are near-duplicates.

    Returns:
        The rows of each answer, the best first, so that the others are those folded into it.
    """
    found: list[list[int]] = []
    kept, last = np.zeros((0, 0), np.float32), len(ranked)
    for start in range(0, len(ranked), _READ_AT_ONCE):
        rows = ranked[start : start + _READ_AT_ONCE]
        vectors = _unit(vectors_of(rows))
        if not start:
            kept = np.zeros((min(most, len(ranked)), vectors.shape[1]), np.float32)
        for rank, (row, vector) in enumerate(zip(rows, vectors, strict=True), start=start):
            if rank >= last:
                return found
            cosines = kept[: len(found)] @ vector
            if cosines.max(initial=-1.0) >= same:
                found[int(np.argmax(cosines))].append(row)
            elif len(found) < most:
                kept[len(found)] = vector
                found.append([row])
                last = 2 * (rank + 1) if len(found) == most else last
    return found


def _unit(vectors: Float[np.ndarray, "v w"]) -> Float[np.ndarray, "v w"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
