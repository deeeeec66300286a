"""What the values of a stream are like, and what float16, in which records hold them, makes of them."""

import collections
import hashlib
import math

import numpy as np

from data_pipeline.annotations.reading import first_few

_SMALLEST_NORMAL = float(np.finfo(np.float16).smallest_normal)
"""Of smaller values float16 keeps few digits."""

_LARGEST_LOST = float(np.finfo(np.float16).smallest_subnormal) / 2
"""Float16 rounds values up to this one to 0."""

_FEWEST_STEPS = 4
"""A dimension whose range has fewer steps of float16 is as good as constant."""


_COPIED_SHARE = 0.5
"""Where a larger part of the videos begins with the same frame, one array may have been stored under all ids."""


class StreamValues:
    """Sums up the values of a stream's videos, none of which is kept."""

    def __init__(self) -> None:
        self._low, self._high = np.zeros(0), np.zeros(0)
        """Extremes of each dimension ``[dim]``."""
        self._frames = 0
        self._nonzero = self._lost = 0
        """Values that are not 0, and those of them that float16 rounds to 0."""
        self._zero_videos: list[str] = []
        self._first_frames: collections.Counter[bytes] = collections.Counter()
        """How many videos begin with a frame, by its hash."""

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
        else:
            self._first_frames[hashlib.sha256(array[0].tobytes()).digest()] += 1

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
        videos = self._first_frames.total()
        ((_, alike),) = self._first_frames.most_common(1) or [(b"", 0)]
        if alike > 1 and alike > _COPIED_SHARE * videos:
            notes.append(
                f"the first frames of {alike} of {videos} videos are equal: each video needs features of its own, "
                "unless all begin with the same picture"
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
