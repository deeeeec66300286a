"""Precomputed features in one HDF5 file, or in all HDF5 files of a folder."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_pipeline.annotations.reading import first_few
from data_pipeline.errors import InputError, shown
from data_pipeline.features.foreign_files import foreign_file
from data_pipeline.features.frames import RATE, TIMES, resolve_times
from data_pipeline.features.provenance import PROVENANCE, Provenance, SourceClip
from data_pipeline.features.source import FEATURES, FeatureSource, no_features

ENDINGS = (".h5", ".hdf5")
CLIP = "clip"
"""Attribute of a data set: the absolute path of the clip."""
PARTS = "parts"
"""Attribute of a data set, or a data set beside it: start and end of the clip's parts, in seconds ``[parts, 2]``."""


class Hdf5Features(FeatureSource):
    """One HDF5 file, ``{video_id: [frames, dim]}``, or with groups of videos ``{group: {video_id: [frames, dim]}}``.

    A group that holds a data set ``features`` is itself a video. Attributes ``times`` (seconds of the frames) or
    ``fps`` (frames per second) of a data set, of its group or of the file tell the times of the frames, as do data
    sets of these names beside ``features``. An attribute ``provenance`` of the file tells what made the features (see
    `Provenance`), and attributes `CLIP` and `PARTS` of a data set tell of which clip.
    """

    def __init__(self, path: pathlib.Path, frame_rate: float | None = None) -> None:
        """Opens the file for reading; ``frame_rate`` is in frames per second.

        Raises:
            InputError: it is missing, empty or not an HDF5 file, its groups hold groups, or two hold the same video.
        """
        self.path = path
        self.description = f"HDF5 file {path.name}"
        self._frame_rate = frame_rate
        self._opened: Any = None
        with _refuse_damage(str(path)):
            self._places = _places(self._file(), path)
        if not self._places:
            raise InputError(
                f"{path}: this HDF5 file is empty; expected an array per video id, write it again or remove it"
            )

    def __getstate__(self) -> dict[str, Any]:
        # A handle belongs to its process.
        return self.__dict__ | {"_opened": None}

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return set(self._places)

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
            if "/" in self._places[video_id]:
                group = entry.parent
                stored["the group"] = _time_attributes(group)
                if self._places[video_id].endswith(f"/{FEATURES}"):
                    beside = {name: group[name][()] for name in (TIMES, RATE) if name in group}
                    stored["the group's data sets"] = beside
        return resolve_times(frames, stored, self._frame_rate, where)

    def provenance(self) -> Provenance | None:
        """What made the features; see `FeatureSource.provenance`."""
        with _refuse_damage(str(self.path)):
            text = self._file().attrs.get(PROVENANCE)
        return None if text is None else Provenance.from_text(text, str(self.path))

    def clip(self, video_id: str) -> SourceClip | None:
        """The clip of a video; see `FeatureSource.clip`."""
        where = f"{self.path}, {video_id!r}"
        with _refuse_damage(where):
            entry = self._entry(video_id)
            attributes = dict(entry.attrs)
            if self._places[video_id].endswith(f"/{FEATURES}") and PARTS in entry.parent:
                attributes[PARTS] = entry.parent[PARTS][()]
        path, parts = clip_path(attributes.get(CLIP)), np.asarray(attributes.get(PARTS, np.zeros((0, 2))))
        if path is None:
            return None
        if not isinstance(path, str) or parts.dtype.kind not in "fiu" or parts.shape[1:] != (2,):
            raise InputError(
                f"{where}: expected {CLIP!r}, the path of a file, and {PARTS!r}, start and end of each part; found "
                f"{shown(path)} and shape {list(parts.shape)}; extract the features again"
            )
        return SourceClip(path, tuple((float(start), float(end)) for start, end in parts))

    def _file(self) -> Any:
        if self._opened is None:
            import h5py

            try:
                self._opened = h5py.File(self.path, "r")
            except OSError as error:
                raise foreign_file(self.path, "HDF5", error) from error
            # MATLAB 7.3 writes HDF5 behind a header of its own, with the axes in reverse order.
            if self._opened.userblock_size and _begins_with(self.path, b"MATLAB"):
                raise foreign_file(self.path, "HDF5", "written by MATLAB")
        return self._opened

    def _entry(self, video_id: str) -> Any:
        import h5py

        if video_id not in self._places:
            raise no_features(self.path, video_id)
        entry = self._file()[self._places[video_id]]
        if isinstance(entry, h5py.Dataset):
            return entry
        raise InputError(
            f"{self.path}, {video_id!r}: expected a data set [frames, dim], found a {type(entry).__name__.lower()}; "
            "store each video's array under its id"
        )


def _places(file: Any, path: pathlib.Path) -> dict[str, str]:
    """Where in the file each video's array is, by the video's id."""
    import h5py

    places: dict[str, str] = {}
    for name in file:
        found = {name: name}
        if file.get(name, getclass=True) is h5py.Group:
            group = file[name]
            inner = {each: group.get(each, getclass=True) for each in group}
            found = {each: f"{name}/{each}" for each in inner}
            if inner.get(FEATURES) is h5py.Dataset:
                found = {name: f"{name}/{FEATURES}"}
            elif deeper := [each for each, kind in inner.items() if kind is h5py.Group]:
                raise InputError(
                    f"{path}: group {name!r} holds groups ({first_few(deeper)}); expected {{video_id: array}} or "
                    "{group: {video_id: array}}, copy the arrays to the top level, each under its video's id"
                )
        for video_id, place in found.items():
            if video_id in places:
                raise InputError(
                    f"{path}: the id {video_id!r} occurs twice, at {places[video_id]!r} and at {place!r}; keep one of "
                    f"them, or, if the groups are the videos, name the array in each of them {FEATURES!r}"
                )
            places[video_id] = place
    return places


class Hdf5FolderFeatures(FeatureSource):
    """A folder of HDF5 files, such as one per split; each holds other videos."""

    def __init__(self, folder: pathlib.Path, frame_rate: float | None = None) -> None:
        """Opens all files for reading; ``frame_rate`` is in frames per second.

        Raises:
            InputError: there is none, one cannot be opened, two hold the same video, or two say that different encoders
                made them.
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
        self.description = f"folder {folder.name} of HDF5 files {first_few([path.name for path in paths])}"
        self._folder = folder
        self._file_of: dict[str, Hdf5Features] = {}
        self._provenance: Provenance | None = None
        first = folder
        for path in paths:
            file = Hdf5Features(path, frame_rate)
            if (found := file.provenance()) and self._provenance is None:
                first, self._provenance = path, found
            if found and self._provenance and (difference := self._provenance.difference(found)):
                raise InputError(
                    f"{folder}: {first.name} was made by {self._provenance}, {path.name} by {found}: {difference}; "
                    "extract both with the same encoder (mcsan extract --encoder), or give them as streams of their own"
                )
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

    def provenance(self) -> Provenance | None:
        """What made the features; see `FeatureSource.provenance`."""
        return self._provenance

    def clip(self, video_id: str) -> SourceClip | None:
        """The clip of a video; see `FeatureSource.clip`."""
        return self._file(video_id).clip(video_id)

    def _file(self, video_id: str) -> Hdf5Features:
        if video_id not in self._file_of:
            raise no_features(self._folder, video_id)
        return self._file_of[video_id]


def clip_path(stored: Any) -> Any:
    """Returns the value of the attribute `CLIP` as text; bytes hold a path whose name is no Unicode."""
    return os.fsdecode(stored) if isinstance(stored, bytes) else stored


def _begins_with(path: pathlib.Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


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
