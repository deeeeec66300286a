"""Features in NumPy's files: a folder of ``<video_id>.npy`` or ``<video_id>.npz``, or one ``.npz`` for all videos."""

import pathlib
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.features.foreign_files import array_of_objects, foreign_file
from data_pipeline.features.frames import RATE, TIMES, resolve_times
from data_pipeline.features.source import FEATURES, FeatureSource, VideoFiles, no_features

NPY = ".npy"

_BROKEN_NPY = (OSError, ValueError, EOFError, tokenize.TokenError)
"""The errors with which `numpy.load` meets damaged arrays."""


class NpyFolderFeatures(FeatureSource):
    """A folder with one ``<video_id>.npy`` per video."""

    def __init__(self, folder: pathlib.Path, frame_rate: float | None = None) -> None:
        """Lists the folder; ``frame_rate`` is in frames per second.

        Raises:
            InputError: it holds no .npy file.
        """
        self.description = f"folder {folder.name} of .npy files"
        self._frame_rate = frame_rate
        self._files = VideoFiles(folder, NPY)

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return self._files.ids()

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        path = self._files.path(video_id)
        try:
            array = np.load(path, allow_pickle=False)
        except _BROKEN_NPY as error:
            raise array_of_objects(path, error) from error
        if not isinstance(array, np.ndarray):
            array.close()
            raise InputError(f"{path}: expected one array, found an archive of arrays; save it with np.save")
        return array

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        return resolve_times(frames, {}, self._frame_rate, str(self._files.path(video_id)))


NPZ = ".npz"

_BROKEN_NPZ = (*_BROKEN_NPY, RuntimeError, zipfile.BadZipFile, zlib.error)
"""`RuntimeError` and its kinds stand for compression and encryption that are not supported."""


class NpzFileFeatures(FeatureSource):
    """One ``.npz`` archive with an array per video id.

    A number ``fps`` (frames per second) among them tells the times of the frames of all videos; ``fps`` is thus no
    video id.
    """

    def __init__(self, path: pathlib.Path, frame_rate: float | None = None) -> None:
        """Opens the archive for reading; ``frame_rate`` is in frames per second.

        Raises:
            InputError: it is missing, not an archive, or holds no array.
        """
        self.description = f"archive {path.name}"
        self._path = path
        self._frame_rate = frame_rate
        self._opened: zipfile.ZipFile | None = None
        names = _names(self._archive())
        self._ids = names - {RATE}
        self._rated = RATE in names
        if not self._ids:
            raise InputError(f"{path}: no arrays in this archive; expected one per video id")

    def __getstate__(self) -> dict[str, Any]:
        # A handle belongs to its process.
        return self.__dict__ | {"_opened": None}

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return set(self._ids)

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        if video_id not in self._ids:
            raise no_features(self._path, video_id)
        return _member(self._archive(), video_id, self._path)

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        if video_id not in self._ids:
            raise no_features(self._path, video_id)
        stored = {RATE: _member(self._archive(), RATE, self._path)} if self._rated else {}
        where = f"{self._path}, {video_id!r}"
        return resolve_times(frames, {"the archive": stored}, self._frame_rate, where)

    def _archive(self) -> zipfile.ZipFile:
        if self._opened is None:
            self._opened = _open(self._path)
        return self._opened


class NpzFolderFeatures(FeatureSource):
    """A folder with one ``<video_id>.npz`` per video.

    Each holds the array ``features``, and may hold ``times`` (seconds of the frames) or ``fps`` (frames per second).
    """

    def __init__(self, folder: pathlib.Path, frame_rate: float | None = None) -> None:
        """Lists the folder; ``frame_rate`` is in frames per second.

        Raises:
            InputError: it holds no .npz file.
        """
        self.description = f"folder {folder.name} of .npz files"
        self._frame_rate = frame_rate
        self._files = VideoFiles(folder, NPZ)

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return self._files.ids()

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        path = self._files.path(video_id)
        with _open(path) as archive:
            return _features(archive, path)

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        path = self._files.path(video_id)
        with _open(path) as archive:
            stored = {
                name: _member(archive, name, path, in_folder=True) for name in {TIMES, RATE} & _names(archive)
            }
        return resolve_times(frames, {"the archive": stored}, self._frame_rate, str(path))


def _open(path: pathlib.Path) -> zipfile.ZipFile:
    # np.load would leave a broken file open.
    try:
        return zipfile.ZipFile(path)
    except _BROKEN_NPZ as error:
        raise foreign_file(path, "an archive of arrays", error) from error


def _features(archive: zipfile.ZipFile, path: pathlib.Path) -> np.ndarray:
    names = _names(archive)
    if FEATURES not in names:
        raise InputError(
            f"{path}: expected an array {FEATURES!r}, found {', '.join(sorted(names)[:5]) or 'nothing'}; in a "
            "folder of .npz files each holds one video, an archive of all videos is given by its own path"
        )
    return _member(archive, FEATURES, path, in_folder=True)


def _names(archive: zipfile.ZipFile) -> set[str]:
    return {name.removesuffix(NPY) for name in archive.namelist() if name.endswith(NPY)}


def _member(
    archive: zipfile.ZipFile, name: str, path: pathlib.Path, *, in_folder: bool = False
) -> np.ndarray:
    try:
        with archive.open(f"{name}{NPY}") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except _BROKEN_NPZ as error:
        raise array_of_objects(path, error, name=name, in_folder=in_folder) from error
