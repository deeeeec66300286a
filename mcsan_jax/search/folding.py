"""This module finds near-duplicates among the answers of a search: the same clip twice, or cut or encoded again."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

NEAR_DUPLICATE = 0.995
"""The cosine of the vectors of two videos from which on they are near-duplicates."""


def fold_duplicates(
    vectors: Float[np.ndarray, "v w"], ranked: Sequence[int], most: int, same: float = NEAR_DUPLICATE
) -> list[tuple[int, list[int]]]:
    """Returns the best answers that are no near-duplicates of a better one, each with those that are its own.

    Args:
        vectors: of all videos; their lengths do not count.
        ranked: rows of the vectors, the best first.
        most: how many answers are returned at most. Near-duplicates of the last one are looked for among as many
            rows after it as it took to find them all.
        same: the cosine from which on two are near-duplicates.

    Returns:
        The row of each answer, and the rows that were folded into it, in the order of their ranks.
    """
    found: list[tuple[int, list[int]]] = []
    kept = np.zeros((min(most, len(ranked)), vectors.shape[1]), np.float32)
    last = len(ranked)
    for rank, row in enumerate(ranked):
        if rank >= last:
            break
        vector = np.asarray(vectors[row], np.float32)
        vector = vector / np.maximum(np.linalg.norm(vector), np.finfo(np.float32).tiny)
        cosines = kept[: len(found)] @ vector
        nearest = int(np.argmax(cosines)) if found else 0
        if found and cosines[nearest] >= same:
            found[nearest][1].append(row)
        elif len(found) < most:
            kept[len(found)] = vector
            found.append((row, []))
            if len(found) == most:
                last = min(len(ranked), 2 * (rank + 1))
    return found
