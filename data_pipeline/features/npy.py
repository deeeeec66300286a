"""Precomputed features in a folder of ``.npy`` files."""

import pathlib
import tokenize

import numpy as np

from data_pipeline.features.frame_times import resolve_times
from data_pipeline.features.source import VideoFiles
from mcsan_jax.errors import InputError

ENDING = ".npy"

BROKEN = (OSError, ValueError, EOFError, tokenize.TokenError)
"""The errors with which `numpy.load` meets damaged arrays."""


class NpyFolderFeatures:
    """A folder with one ``<video_id>.npy`` per video."""

    def __init__(self, folder: pathlib.Path, frame_rate: float | None = None) -> None:
        """Lists the folder; ``frame_rate`` is in frames per second.

        Raises:
            InputError: it holds no .npy file.
        """
        self.description = f"folder {folder.name} of .npy files"
        self._frame_rate = frame_rate
        self._files = VideoFiles(folder, ENDING)

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return self._files.ids()

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        path = self._files.path(video_id)
        try:
            array = np.load(path, allow_pickle=False)
        except BROKEN as error:
            raise InputError(f"{path}: cannot be read as a plain array ({error}); write it again") from error
        if not isinstance(array, np.ndarray):
            array.close()
            raise InputError(f"{path}: expected one array, found an archive of arrays; save it with np.save")
        return array

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        return resolve_times(frames, {}, self._frame_rate, str(self._files.path(video_id)))
