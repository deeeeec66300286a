"""The frames of a video: their times, those of a segment, those nearest in time, a uniform sample."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline.annotations.caption import Segment
from data_pipeline.errors import InputError

TIMES = "times"
RATE = "fps"

# Rates are rounded in different places (29.97, 30000/1001), and no frame is that short.
_TOLERANCE = 1e-3


def resolve_times(
    frames: int, stored: Mapping[str, Mapping[str, Any]], frame_rate: float | None, where: str
) -> np.ndarray | None:
    """Times of the frames from all that is known of them, which must agree to a millisecond.

    Args:
        frames: number of frames.
        stored: by the place (for messages), values named `TIMES` (seconds of the frames) or `RATE` (frames per
            second).
        frame_rate: frames per second that the user gave.
        where: source and video, for messages.

    Returns:
        Seconds, float32 ``[frames]``; at a rate, frame ``i`` is at ``(i + 0.5) / rate``. None if nothing is known.

    Raises:
        InputError: a value cannot be used, or two contradict each other.
    """
    claims: dict[str, np.ndarray] = {}
    for place, values in stored.items():
        if TIMES in values:
            claims[f"{TIMES!r} of {place}"] = check_times(
                values[TIMES], frames, f"{where}, {TIMES!r} of {place}"
            )
        if RATE in values:
            claims[f"{RATE!r} of {place}"] = _times_at(values[RATE], frames, f"{where}, {RATE!r} of {place}")
    if frame_rate is not None:
        claims["the given frame rate"] = _times_at(frame_rate, frames, f"{where}, the given frame rate")
    return _agreed(claims, where)


def check_times(values: Any, frames: int, where: str) -> np.ndarray:
    """Checks the times of a video's frames.

    Returns:
        The times as float32 ``[frames]``.

    Raises:
        InputError: they are not one finite number for each frame, from 0 on and strictly increasing.
    """
    array = np.asarray(values)
    if array.shape != (frames,) or array.dtype.kind not in "fiu":
        raise InputError(
            f"{where}: expected the seconds of {frames} frames, found dtype {array.dtype} with shape "
            f"{list(array.shape)}; store one number per frame"
        )
    seconds = array.astype(np.float32)
    wrong = ~np.isfinite(seconds) | (seconds < 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(
            f"{where}: frame {first} is at {array[first]} s; expected finite seconds from 0 on, correct it"
        )
    backwards = np.diff(seconds) <= 0
    if backwards.any():
        first = int(np.argmax(backwards))
        raise InputError(
            f"{where}: frame {first} is at {array[first]} s and the next one at {array[first + 1]} s; expected "
            "strictly increasing times, put the frames in order"
        )
    return seconds


def _times_at(rate: Any, frames: int, where: str) -> np.ndarray:
    value = np.asarray(rate)
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < value.item() < np.inf:
        raise InputError(
            f"{where}: expected a positive number of frames per second, found {rate!r}; correct it"
        )
    return check_times((np.arange(frames) + 0.5) / value.item(), frames, where)


def _agreed(claims: Mapping[str, np.ndarray], where: str) -> np.ndarray | None:
    if not claims:
        return None
    (first, times), *others = claims.items()
    for origin, other in others:
        apart = np.abs(times - other) > _TOLERANCE
        if apart.any():
            frame = int(np.argmax(apart))
            raise InputError(
                f"{where}: {first} and {origin} contradict each other: frame {frame} is at {times[frame]:.6g} s and "
                f"at {other[frame]:.6g} s (at a rate, frame i is at (i + 0.5) / rate); correct or remove one"
            )
    return times


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
