"""Features as hybrid_space stores them: all frames of all videos in one binary file."""

import ast
import collections
import pathlib
import re
from typing import Any

import numpy as np

from data_pipeline.annotations.reading import read_text
from data_pipeline.errors import InputError, first_few, shown
from data_pipeline.features.frames import resolve_times
from data_pipeline.features.source import FeatureSource, no_features

FEATURES = "feature.bin"
_IDS, _SHAPE, _FRAMES = "id.txt", "shape.txt", "video2frames.txt"
_FRAME = re.compile(r"(?P<video_id>.+)_(?P<number>\d+)")


class BigFileFeatures(FeatureSource):
    """A folder with ``feature.bin`` (float32, little-endian), ``id.txt`` (the rows' ids), ``shape.txt`` (``ROWS DIM``).

    A row is a frame. Which frames a video has, and in which order, is said by ``video2frames.txt``, a dictionary
    ``{video id: [frame id, ...]}`` in Python's spelling; without it, a frame's id is ``VIDEO_NUMBER``.
    """

    def __init__(self, folder: pathlib.Path, frame_rate: float | None = None) -> None:
        """Reads the lists and opens the features; ``frame_rate`` is in frames per second.

        Raises:
            InputError: a file is missing, or the files contradict each other.
        """
        self.description = f"folder {folder.name} of {FEATURES}"
        self._path = folder / FEATURES
        self._frame_rate = frame_rate
        self._shape = _read_shape(folder / _SHAPE)
        ids = read_text(folder / _IDS).split()
        _check_sizes(folder, self._shape, ids)
        frames = folder / _FRAMES
        self._rows_of = _listed_rows(frames, ids) if frames.is_file() else _numbered_rows(folder / _IDS, ids)
        self._mapped: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Another process maps the file anew; its content would be copied.
        return self.__dict__ | {"_mapped": None}

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""
        return set(self._rows_of)

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, as stored; see `FeatureSource.read`."""
        rows = self._rows(video_id)
        if self._mapped is None:
            try:
                self._mapped = np.memmap(self._path, "<f4", "r", shape=self._shape)
            except (OSError, ValueError) as error:
                raise InputError(f"{self._path}: cannot be read ({error}); copy it again") from error
        return np.asarray(self._mapped[rows])

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        self._rows(video_id)
        return resolve_times(frames, {}, self._frame_rate, f"{self._path}, {video_id!r}")

    def _rows(self, video_id: str) -> np.ndarray:
        if video_id not in self._rows_of:
            raise no_features(self._path, video_id)
        return self._rows_of[video_id]


def _read_shape(path: pathlib.Path) -> tuple[int, int]:
    text = read_text(path)
    match = re.fullmatch(r"\s*(\d+)\s+(\d+)\s*", text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise InputError(f"{path}: expected the numbers of rows and columns, found {shown(text)}; correct it")
    return int(match[1]), int(match[2])


def _check_sizes(folder: pathlib.Path, shape: tuple[int, int], ids: list[str]) -> None:
    rows, dim = shape
    if not (folder / FEATURES).is_file():
        raise InputError(f"{folder}: no {FEATURES} in this folder; check the path of the features")
    found = (folder / FEATURES).stat().st_size
    if found != 4 * rows * dim:
        raise InputError(
            f"{folder / FEATURES}: {found:,} bytes; {_SHAPE} says {rows:,} rows of {dim:,} float32 values, which take "
            f"{4 * rows * dim:,}: copy both files again"
        )
    if len(ids) != rows:
        raise InputError(
            f"{folder / _IDS}: {len(ids):,} ids; {_SHAPE} says {rows:,} rows: copy both files again"
        )
    if len(set(ids)) != rows:
        twice = [each for each, count in collections.Counter(ids).items() if count > 1]
        raise InputError(
            f"{folder / _IDS}: ids occur twice: {first_few(twice)}; give each row an id of its own"
        )


def _numbered_rows(path: pathlib.Path, ids: list[str]) -> dict[str, np.ndarray]:
    """Rows of each video by the numbers of its frames."""
    numbered: dict[str, list[tuple[int, int]]] = {}
    other = []
    for row, frame_id in enumerate(ids):
        if match := _FRAME.fullmatch(frame_id):
            numbered.setdefault(match["video_id"], []).append((int(match["number"]), row))
        else:
            other.append(frame_id)
    if other:
        raise InputError(
            f"{path}: expected ids VIDEO_NUMBER of frames, found {first_few(other)}; list the frames of each "
            f"video in {_FRAMES}: {{'VIDEO': ['FRAME', ...]}}"
        )
    return {video_id: np.array([row for _, row in sorted(rows)]) for video_id, rows in numbered.items()}


def _listed_rows(path: pathlib.Path, ids: list[str]) -> dict[str, np.ndarray]:
    """Rows of each video by the list of its frames."""
    try:
        frames_of = ast.literal_eval(read_text(path))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{path}: no dictionary as Python writes it ({str(error)[:60]}); write it again"
        ) from error
    is_right = isinstance(frames_of, dict) and all(
        isinstance(video_id, str)
        and isinstance(frames, list)
        and frames
        and all(isinstance(frame, str) for frame in frames)
        for video_id, frames in frames_of.items()
    )
    if not is_right or not frames_of:
        raise InputError(
            f"{path}: expected {{'VIDEO': ['FRAME', ...]}} with a frame or more each; write it again"
        )
    row_of = {frame_id: row for row, frame_id in enumerate(ids)}
    unknown = [frame for frames in frames_of.values() for frame in frames if frame not in row_of]
    if unknown:
        raise InputError(
            f"{path}: frames that {_IDS} does not have: {first_few(unknown)}; correct one of the files"
        )
    return {video_id: np.array([row_of[frame] for frame in frames]) for video_id, frames in frames_of.items()}
