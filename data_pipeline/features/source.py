"""What every reader of precomputed features offers, and what their readers share."""

import pathlib
from typing import Protocol

import numpy as np

from data_pipeline.errors import InputError


class FeatureSource(Protocol):
    """Features of many videos; any number of frames, any dimension.

    A source can be pickled, so that worker processes open the files anew.

    Attributes:
        description: kind and name of the file or folder, for messages and manifests.
    """

    description: str

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video: ``[frames, dim]`` or ``[frames, regions, dim]``, as they are stored.

        `data_pipeline.features.checks` judges whether the values can be used.

        Raises:
            InputError: the video has no features, or they cannot be read.
        """

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames, float32 ``[frames]``, not negative and strictly increasing; None if unknown.

        ``frames`` is their number, as `read` gave them: times alone are no reason to read features again.

        Raises:
            InputError: the video has no features, or what is known of their times is wrong or contradictory.
        """


def no_features(path: pathlib.Path, video_id: str) -> InputError:
    """The error for a video that a file or folder does not have."""
    return InputError(f"{path}: no features of video {video_id!r}; extract them or leave it out")


class VideoFiles:
    """The files of a folder that holds one per video, named by its id; hidden ones are left out."""

    def __init__(self, folder: pathlib.Path, ending: str) -> None:
        """Lists the files with that ending.

        Raises:
            InputError: there is none.
        """
        self._folder = folder
        self._paths = {
            path.name.removesuffix(ending): path
            for path in sorted(folder.glob(f"*{ending}"))
            if not path.name.startswith(".")
        }
        if not self._paths:
            raise InputError(f"{folder}: no {ending} files in this folder; check the path of the features")

    def ids(self) -> set[str]:
        """Ids of the videos that have a file."""
        return set(self._paths)

    def path(self, video_id: str) -> pathlib.Path:
        """The file of a video.

        Raises:
            InputError: it has none.
        """
        if video_id not in self._paths:
            raise no_features(self._folder, video_id)
        return self._paths[video_id]
