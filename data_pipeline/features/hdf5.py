"""Precomputed features in one HDF5 file, or in all HDF5 files of a folder."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.features.frames import RATE, TIMES, resolve_times
from data_pipeline.features.source import no_features

ENDINGS = (".h5", ".hdf5")


class Hdf5Features:
    """One HDF5 file, ``{video_id: [frames, dim]}``.

    Attributes ``times`` (seconds of the frames) or ``fps`` (frames per second) of a data set or of the file tell
    the times of the frames.
    """

    def __init__(self, path: pathlib.Path, frame_rate: float | None = None) -> None:
        """Opens the file for reading; ``frame_rate`` is in frames per second.

        Raises:
            InputError: it is missing or not an HDF5 file.
        """
        self.path = path
        self.description = f"HDF5 file {path.name}"
        self._frame_rate = frame_rate
        self._opened: Any = None
        self._file()

    def __getstate__(self) -> dict[str, Any]:
        # A handle belongs to its process.
        return self.__dict__ | {"_opened": None}

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        with _refuse_damage(str(self.path)):
            return set(self._file())

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        with _refuse_damage(f"{self.path}, {video_id!r}"):
            return np.asarray(self._entry(video_id)[()])

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        where = f"{self.path}, {video_id!r}"
        with _refuse_damage(where):
            entry = self._entry(video_id)
            stored = {"the data set": _time_attributes(entry), "the file": _time_attributes(self._file())}
        return resolve_times(frames, stored, self._frame_rate, where)

    def _file(self) -> Any:
        if self._opened is None:
            import h5py

            try:
                self._opened = h5py.File(self.path, "r")
            except OSError as error:
                raise InputError(
                    f"{self.path}: cannot be opened as HDF5 ({error}); download or copy it again"
                ) from error
        return self._opened

    def _entry(self, video_id: str) -> Any:
        import h5py

        file = self._file()
        if video_id not in file:
            raise no_features(self.path, video_id)
        entry = file[video_id]
        if isinstance(entry, h5py.Dataset):
            return entry
        held = f", which holds {', '.join(sorted(entry)[:5])}" if isinstance(entry, h5py.Group) else ""
        raise InputError(
            f"{self.path}, {video_id!r}: expected a data set [frames, dim], found a "
            f"{type(entry).__name__.lower()}{held}; store each video's array under its id"
        )


class Hdf5FolderFeatures:
    """A folder of HDF5 files, such as one per split; each holds other videos."""

    def __init__(self, folder: pathlib.Path, frame_rate: float | None = None) -> None:
        """Opens all files for reading; ``frame_rate`` is in frames per second.

        Raises:
            InputError: there is none, one cannot be opened, or two hold the same video.
        """
        paths = [
            path
            for path in sorted(folder.iterdir())
            if path.suffix in ENDINGS and not path.name.startswith(".")
        ]
        if not paths:
            raise InputError(
                f"{folder}: no HDF5 files ({', '.join(ENDINGS)}) in this folder; check the path of the features"
            )
        self.description = f"folder {folder.name} of HDF5 files {', '.join(path.name for path in paths)}"
        self._folder = folder
        self._file_of: dict[str, Hdf5Features] = {}
        for path in paths:
            file = Hdf5Features(path, frame_rate)
            for video_id in sorted(file.ids()):
                other = self._file_of.setdefault(video_id, file)
                if other is not file:
                    raise InputError(
                        f"{folder}: video {video_id!r} is in {other.path.name} and in {path.name}; keep it in one "
                        "of them, or give the files as streams of their own"
                    )

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return set(self._file_of)

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        return self._file(video_id).read(video_id)

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        return self._file(video_id).times(video_id, frames)

    def _file(self, video_id: str) -> Hdf5Features:
        if video_id not in self._file_of:
            raise no_features(self._folder, video_id)
        return self._file_of[video_id]


@contextlib.contextmanager
def _refuse_damage(where: str) -> Iterator[None]:
    """Turns any of the errors with which h5py meets damaged data into one that names the place."""
    try:
        yield
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{where}: broken data ({error}); copy the file again") from error


def _time_attributes(holder: Any) -> dict[str, Any]:
    return {name: holder.attrs[name] for name in (TIMES, RATE) if name in holder.attrs}
