"""Statistics of features in one pass over videos that need not fit in memory, and what float16 makes of values."""

import math
from typing import Any

import numpy as np

from data_pipeline.annotations.reading import first_few

RELATIVE_FLOOR = 1e-2
"""Smallest standard deviation, relative to the root mean square of those of all dimensions."""


_SMALLEST_NORMAL = float(np.finfo(np.float16).smallest_normal)
"""Of smaller values float16 keeps few digits."""

_LARGEST_LOST = float(np.finfo(np.float16).smallest_subnormal) / 2
"""Float16 rounds values up to this one to 0."""

_FEWEST_STEPS = 4
"""A dimension whose range has fewer steps of float16 is as good as constant."""


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


class StreamValues:
    """Sums up the values of a stream's videos, none of which is kept."""

    def __init__(self) -> None:
        self._low, self._high = np.zeros(0), np.zeros(0)
        """Extremes of each dimension ``[dim]``."""
        self._frames = 0
        self._nonzero = self._lost = 0
        """Values that are not 0, and those of them that float16 rounds to 0."""
        self._zero_videos: list[str] = []

    def update(self, video_id: str, array: np.ndarray) -> None:
        """Adds the finite values of a video, ``[frames, ..., dim]``; without effect if ``dim`` is another one."""
        vectors = array.reshape(-1, array.shape[-1])
        low, high = vectors.min(axis=0).astype(np.float64), vectors.max(axis=0).astype(np.float64)
        if not self._frames:
            self._low, self._high = low, high
        if len(low) != len(self._low):
            return
        self._low, self._high = np.minimum(low, self._low), np.maximum(high, self._high)
        self._frames += len(array)
        nonzero = int(np.count_nonzero(vectors))
        self._nonzero += nonzero
        self._lost += nonzero - int(np.count_nonzero(np.abs(vectors) > _LARGEST_LOST))
        if not nonzero:
            self._zero_videos.append(video_id)

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value; at least one video must have been added."""
        return float(self._low.min()), float(self._high.max())

    def faults(self) -> list[str]:
        """What makes the values useless; empty if nothing does."""
        if not self._frames:
            return []
        largest = self._largest()
        faint = np.count_nonzero(self._faint())
        if not largest.any():
            return ["all values are 0; extract the features again"]
        if 2 * faint > np.count_nonzero(largest):
            factor = 10.0 ** math.ceil(-math.log10(largest.max()))
            return [
                f"{faint} of {len(largest)} dimensions hold only values below {_SMALLEST_NORMAL:.1e} (the largest is "
                f"{largest.max():.1e}), of which float16, in which records hold them, keeps few digits or none; scale "
                f"the features up, such as by {factor:.0e}"
            ]
        if self._frames > 1 and self._constant().all():
            return [
                f"all frames of all videos have the same features, or differ by less than float16, in which records "
                f"hold them, can tell apart (at most by {(self._high - self._low).max():.1e}); extract them again, or "
                "subtract their mean and scale them up"
            ]
        return []

    def notes(self) -> list[str]:
        """What may be wrong with values that can be used, a sentence each."""
        notes = []
        dims = len(self._low)
        if self._zero_videos:
            notes.append(
                f"all values are 0 in {len(self._zero_videos)} videos: {first_few(self._zero_videos)}"
            )
        if self._lost:
            notes.append(
                f"{self._lost} of {self._nonzero} values that are not 0 are too small for float16, in which records "
                f"hold them, and become 0 (they are at most {_LARGEST_LOST:.1e})"
            )
        if faint := np.count_nonzero(self._faint()):
            notes.append(
                f"{faint} of {dims} dimensions hold only values below {_SMALLEST_NORMAL:.1e}, of which float16, in "
                "which records hold them, keeps few digits"
            )
        constant = np.count_nonzero(self._constant())
        if self._frames > 1 and 2 * constant > dims:
            notes.append(f"{constant} of {dims} dimensions are the same in all frames of all videos")
        return notes

    def _largest(self) -> np.ndarray:
        """Largest absolute value of each dimension ``[dim]``."""
        return np.maximum(np.abs(self._low), np.abs(self._high))

    def _faint(self) -> np.ndarray:
        """Whether a dimension has only zeros and values of which float16 keeps few digits, bool ``[dim]``."""
        largest = self._largest()
        return (largest > 0) & (largest < _SMALLEST_NORMAL)

    def _constant(self) -> np.ndarray:
        """Whether float16 hardly tells the values of a dimension apart, bool ``[dim]``."""
        step = np.spacing(self._largest().astype(np.float16)).astype(np.float64)
        return self._high - self._low < _FEWEST_STEPS * step
