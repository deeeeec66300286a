"""Precomputed frame features by video id, from one HDF5 file or from a folder of .npy files."""

import pathlib
from typing import Protocol

import numpy as np

from mcsan_jax.errors import InputError


class FeatureSource(Protocol):
    """Features of many videos; any number of frames, any dimension.

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


class Hdf5Features:
    """One HDF5 file, ``{video_id: [frames, dim]}``."""

    def __init__(self, path: pathlib.Path):
        """Opens the file for reading.

        Raises:
            InputError: it is missing or not an HDF5 file.
        """
        import h5py

        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise InputError(
                f"{path}: cannot be opened as HDF5 ({error}); download or copy it again"
            ) from error
        self._dataset_type = h5py.Dataset
        self._path = path
        self.description = f"HDF5 file {path.name}"

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return set(self._file)

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        if video_id not in self._file:
            raise InputError(f"{self._path}: no features of video {video_id!r}; extract them or leave it out")
        entry = self._file[video_id]
        if not isinstance(entry, self._dataset_type):
            raise InputError(
                f"{self._path}, {video_id!r}: expected a dataset [frames, dim], found a group that holds "
                f"{', '.join(sorted(entry)[:5]) or 'nothing'}; store each video's array under its id"
            )
        try:
            return np.asarray(entry[()])
        except OSError as error:
            raise InputError(
                f"{self._path}, {video_id!r}: broken data ({error}); copy the file again"
            ) from error


class NpyFolderFeatures:
    """A folder with one ``<video_id>.npy`` per video."""

    def __init__(self, folder: pathlib.Path):
        """Lists the folder.

        Raises:
            InputError: it holds no .npy file.
        """
        self._paths = {path.name.removesuffix(".npy"): path for path in folder.glob("*.npy")}
        if not self._paths:
            raise InputError(f"{folder}: no .npy files in this folder; expected one <video_id>.npy per video")
        self._folder = folder
        self.description = f"folder {folder.name} of .npy files"

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return set(self._paths)

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        if video_id not in self._paths:
            raise InputError(
                f"{self._folder}: no features of video {video_id!r}; extract them or leave it out"
            )
        path = self._paths[video_id]
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path}: cannot be read as a plain array ({error}); write it again") from error
        if not isinstance(array, np.ndarray):
            array.close()
            raise InputError(f"{path}: expected one array, found an archive of arrays; save it with np.save")
        return array


def open_features(path: pathlib.Path) -> FeatureSource:
    """Opens a folder as `NpyFolderFeatures` and a file as `Hdf5Features`.

    Raises:
        InputError: there is no such path, or it holds no features.
    """
    if path.is_dir():
        return NpyFolderFeatures(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; give an HDF5 file or a folder of .npy files")
    return Hdf5Features(path)
