"""Which frames of a video are kept: those of a segment, those nearest in time, a uniform sample."""

import dataclasses

import numpy as np

from data_pipeline.annotations.caption import Segment
from mcsan_jax.errors import InputError

INDEX = "index"
TIME = "time"
ALIGNMENTS = (INDEX, TIME)
"""How the streams of a video are joined; see `FrameOptions`."""


@dataclasses.dataclass(frozen=True)
class FrameOptions:
    """How frames are chosen.

    Attributes:
        alignment: with `INDEX` each stream keeps its own number of frames, and whoever makes batches joins streams
            by relative position; `count` holds for each. With `TIME`, which needs the times of all streams, the
            stream with the most frames (the first of several) is the clock, and every other one gives, for each
            frame of the clock, its frame nearest in time (the earlier of two); then all are sampled alike.
        count: most frames of a video; 0 for all of them. Of a longer video those at
            ``round(linspace(0, frames - 1, count))`` are kept, a uniform sample.

    Raises:
        InputError: an unknown word, or a count that does not fit.
    """

    alignment: str = INDEX
    count: int = 0

    def __post_init__(self) -> None:
        if self.alignment not in ALIGNMENTS:
            raise InputError(
                f"alignment of frames: expected {' or '.join(ALIGNMENTS)}, found {self.alignment!r}"
            )
        if self.count < 0:
            raise InputError(f"count of frames: expected 0 (all) or more, found {self.count}")

    def sample(self, frames: int) -> np.ndarray:
        """Indices of the frames kept of ``frames``, int ``[kept]``."""
        if not self.count or frames <= self.count:
            return np.arange(frames)
        return np.round(np.linspace(0, frames - 1, self.count)).astype(np.intp)


def nearest_frames(clock: np.ndarray, times: np.ndarray) -> np.ndarray:
    """For each time of ``clock`` the index of the nearest of ``times``, the earlier of two.

    Args:
        clock: float32 ``[n]``.
        times: float32 ``[m]``, increasing, not empty.

    Returns:
        Indices, int ``[n]``.
    """
    # In float64 the differences of float32 values are exact.
    clock, times = clock.astype(np.float64), times.astype(np.float64)
    after = np.searchsorted(times, clock)
    left = np.maximum(after - 1, 0)
    right = np.minimum(after, len(times) - 1)
    return np.where(clock - times[left] <= times[right] - clock, left, right)


def frames_within(times: np.ndarray, segment: Segment) -> np.ndarray:
    """Indices of the frames with ``start <= time < end``, int ``[kept]``."""
    # Rounded as the times are, lest a frame at 0.7 s lies before a start of 0.7 s.
    start, end = np.float32(segment.start), np.float32(segment.end)
    return np.flatnonzero((times >= start) & (times < end))
