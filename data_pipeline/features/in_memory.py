"""Features that a program holds as arrays: the source of those that come from no file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.features.frames import resolve_times
from data_pipeline.features.source import FeatureSource


class ArrayFeatures(FeatureSource):
    """Reads features from a mapping of arrays by video id; each is whatever `numpy.asarray` understands."""

    def __init__(self, arrays: Mapping[str, Any], frame_rate: float | None = None) -> None:
        """Takes the arrays as they are, without a copy.

        Raises:
            InputError: there is none, or an id is no text.
        """
        if not arrays:
            raise InputError("the features are an empty mapping; expected an array for each video id")
        if wrong := [key for key in arrays if not isinstance(key, str)]:
            raise InputError(
                f"the features have the id {wrong[0]!r} of type {type(wrong[0]).__name__}; expected ids that are "
                f"texts, such as {str(wrong[0])!r}"
            )
        self.description = "the features given"
        self._arrays, self._frame_rate = arrays, frame_rate

    @property
    def in_order(self) -> list[str]:
        """Ids of the videos, in the order in which they were given."""
        return list(self._arrays)

    def ids(self) -> set[str]:
        """Ids of the videos, all keys of the mapping."""
        return set(self._arrays)

    def read(self, video_id: str) -> np.ndarray:
        """The array of a video; see `FeatureSource.read`."""
        if video_id not in self._arrays:
            raise InputError(f"{self.description}: none of video {video_id!r}; give them, or leave it out")
        return np.asarray(self._arrays[video_id])

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Times at the frame rate, where one was given; see `FeatureSource.times`."""
        return resolve_times(frames, {}, self._frame_rate, f"{self.description}, video {video_id!r}")
