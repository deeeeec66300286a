"""Mean and standard deviation of features, in one pass over videos that need not fit in memory."""

import math
from typing import Any

import numpy as np

from data_pipeline.features.exact_sums import UNIT_BITS, ExactSums, add_vectors

RELATIVE_FLOOR = 1e-2
"""Smallest standard deviation, relative to the root mean square of those of all dimensions."""


class RunningStatistics:
    """Statistics per dimension over all frames seen.

    Sums are exact, so that parts counted in any order, grouping and number of processes give the same bits.
    """

    def __init__(self) -> None:
        self._count = 0
        self._sums = ExactSums.zeros(0)
        self._squares = ExactSums.zeros(0)
        self._dim: int | None = None

    @property
    def count(self) -> int:
        """Number of vectors seen."""
        return self._count

    def update(self, array: np.ndarray) -> None:
        """Adds vectors, float16 ``[..., dim]``, such as the frames of a video.

        Raises:
            ValueError: another type, values that are not finite, or ``dim`` differs from that of earlier calls.
        """
        if array.dtype != np.float16:
            raise ValueError(f"expected float16 vectors, in which records hold them, found {array.dtype}")
        vectors = array.reshape(-1, array.shape[-1])
        if not np.isfinite(vectors).all():
            raise ValueError("expected finite vectors, found NaN or infinite values")
        if len(vectors):
            self._expect(vectors.shape[1])
            add_vectors(vectors, self._sums, self._squares)
            self._count += len(vectors)

    def merge(self, other: "RunningStatistics") -> None:
        """Adds what another one has seen.

        Raises:
            ValueError: it has seen vectors of another dimension.
        """
        if other._dim is not None:
            self._expect(other._dim)
            self._sums.merge(other._sums)
            self._squares.merge(other._squares)
            self._count += other._count

    @property
    def mean(self) -> np.ndarray:
        """Mean ``[dim]``, float64, the exact one rounded once.

        Raises:
            ValueError: no vector was added.
        """
        self._check()
        # Python divides whole numbers of any size with a single rounding.
        return np.array([total / (self._count << UNIT_BITS) for total in self._sums.integers()])

    @property
    def std(self) -> np.ndarray:
        """Standard deviation ``[dim]``, float64, safe to divide by.

        A dimension that hardly varies in training gets a floor of `RELATIVE_FLOOR` times the typical
        deviation, else a small change in it would outweigh everything; 1 where nothing varies at all.

        Raises:
            ValueError: no vector was added.
        """
        self._check()
        scale = self._count**2 << (2 * UNIT_BITS)
        variance = [
            (self._count * squares - total**2) / scale
            for total, squares in zip(self._sums.integers(), self._squares.integers(), strict=True)
        ]
        floor = RELATIVE_FLOOR * math.sqrt(math.fsum(variance) / len(variance))
        return np.maximum(np.sqrt(variance), floor) if floor > 0 else np.ones(len(variance))

    def to_json(self) -> dict[str, Any]:
        """The exact state as plain values; whole numbers as decimal strings, for they outgrow JSON's numbers."""
        return {
            "count": str(self._count),
            "sums": [str(total) for total in self._sums.integers()],
            "squares": [str(total) for total in self._squares.integers()],
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> "RunningStatistics":
        """Rebuilds statistics from `to_json`'s dictionary.

        Raises:
            KeyError, TypeError, ValueError: the dictionary was not made by `to_json`.
        """
        statistics = RunningStatistics()
        sums, squares = ([int(text) for text in value[key]] for key in ("sums", "squares"))
        if len(sums) != len(squares):
            raise ValueError(f"expected as many squares as sums ({len(sums)}), found {len(squares)}")
        statistics._count = int(value["count"])
        if statistics._count:
            statistics._dim = len(sums)
            statistics._sums, statistics._squares = ExactSums.of(sums), ExactSums.of(squares)
        return statistics

    def _expect(self, dim: int) -> None:
        if self._dim is None:
            self._dim = dim
            self._sums, self._squares = ExactSums.zeros(dim), ExactSums.zeros(dim)
        if dim != self._dim:
            raise ValueError(f"expected vectors of dimension {self._dim}, found {dim}")

    def _check(self) -> None:
        if not self._count:
            raise ValueError("no vectors were added, so that there are no statistics")
