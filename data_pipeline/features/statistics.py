"""Mean and standard deviation of features, in one pass over videos that need not fit in memory."""

import math
from typing import Any

import numpy as np

RELATIVE_FLOOR = 1e-2
"""Smallest standard deviation, relative to the root mean square of those of all dimensions."""


class RunningStatistics:
    """Statistics per dimension over all frames seen, in float64.

    Sums of squared deviations are merged pair by pair (Chan, Golub and LeVeque, "Algorithms for computing the sample
    variance", The American Statistician, 1983, equation 2.1): squares of large values are never subtracted from each
    other. The same arrays, added and merged in the same order, give the same bits.
    """

    def __init__(self) -> None:
        self._count = 0
        self._sums = np.zeros(0)
        self._squares = np.zeros(0)
        """Squared deviations from the mean, summed up."""

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
        # One layout in memory, so that sums are in the same order.
        vectors = array.reshape(-1, array.shape[-1]).astype(np.float64, order="C")
        if not np.isfinite(vectors).all():
            raise ValueError("expected finite vectors, found NaN or infinite values")
        part = RunningStatistics()
        if len(vectors):
            part._count = len(vectors)
            part._sums = vectors.sum(axis=0)
            part._squares = np.square(vectors - part.mean).sum(axis=0)
        self.merge(part)

    def merge(self, other: "RunningStatistics") -> None:
        """Adds what another one has seen.

        Raises:
            ValueError: it has seen vectors of another dimension.
        """
        if not other._count:
            return
        if not self._count:
            self._count, self._sums, self._squares = other._count, other._sums, other._squares
            return
        if len(self._sums) != len(other._sums):
            raise ValueError(f"expected vectors of dimension {len(self._sums)}, found {len(other._sums)}")
        count = self._count + other._count
        between = np.square(other.mean - self.mean) * (self._count * (other._count / count))
        self._squares = self._squares + other._squares + between
        self._sums = self._sums + other._sums
        self._count = count

    @property
    def mean(self) -> np.ndarray:
        """Mean ``[dim]``, float64.

        Raises:
            ValueError: no vector was added.
        """
        self._check()
        return self._sums / self._count

    @property
    def std(self) -> np.ndarray:
        """Standard deviation ``[dim]``, float64, safe to divide by.

        A dimension that hardly varies in training gets a floor of `RELATIVE_FLOOR` times the typical
        deviation, else a small change in it would outweigh everything; 1 where nothing varies at all.

        Raises:
            ValueError: no vector was added.
        """
        self._check()
        variance = self._squares / self._count
        floor = RELATIVE_FLOOR * math.sqrt(variance.mean())
        return np.maximum(np.sqrt(variance), floor) if floor > 0 else np.ones(len(variance))

    def to_json(self) -> dict[str, Any]:
        """The state as plain values, which lose no bit as JSON."""
        return {"count": self._count, "sums": self._sums.tolist(), "squares": self._squares.tolist()}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "RunningStatistics":
        """Rebuilds statistics from `to_json`'s dictionary."""
        statistics = RunningStatistics()
        statistics._count = value["count"]
        statistics._sums, statistics._squares = np.array(value["sums"]), np.array(value["squares"])
        return statistics

    def _check(self) -> None:
        if not self._count:
            raise ValueError("no vectors were added, so that there are no statistics")
