"""This module writes features of clips as an HDF5 file that `Hdf5Features` reads, and reads back what it wrote.

Equal features give equal bytes.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float16, Float64

from data_pipeline.features.frames import TIMES
from data_pipeline.features.hdf5 import CLIP, PARTS, clip_path
from data_pipeline.features.provenance import PROVENANCE, Provenance, SourceClip
from data_pipeline.features.source import FEATURES
from data_pipeline.host.files import replacing

_KEY, _LENGTH, _CUT_SHORT = "key", "seconds", "cut_short"
"""Attributes of a data set; see `StoredClip`."""
COMMAND = "command"
"""Attribute of the file: what decided the content of the whole."""

_MOST_IN_ATTRIBUTES = 60_000
"""HDF5 takes attributes of up to 64 KiB; more numbers lie beside the features of a clip, in a group of its own."""
_FRAMES_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True)
class StoredClip:
    """The features of a clip as the file holds them. Axes: f frames, k regions of a frame.

    Attributes:
        features: may lie in another file, of which little is read at a time.
        seconds: of each frame, from the start of the clip.
        clip: the file and its parts.
        length: of the clip, in seconds.
        cut_short: what of the clip could not be read; empty where all could.
        key: what decided the features, so that the same need not be computed again.
    """

    features: Float16[np.ndarray, "f width"] | Float16[np.ndarray, "f k width"]
    seconds: Float64[np.ndarray, " f"]
    clip: SourceClip
    length: float
    cut_short: str
    key: str


def write_features(
    path: pathlib.Path, provenance: Provenance, command: str, clips: Iterable[tuple[str, StoredClip]]
) -> None:
    """Writes a file in one step; nobody sees half of it.

    Args:
        path: of the file; its folder must exist.
        provenance: of all its features.
        command: what decided the content of the file.
        clips: by id, in the order of the file.
    """
    import h5py

    with replacing(path) as partial, h5py.File(partial, "w") as file:
        file.attrs[PROVENANCE] = provenance.to_text()
        file.attrs[COMMAND] = command
        for video_id, stored in clips:
            parts = np.asarray(stored.clip.parts, np.float64).reshape(-1, 2)
            numbers = {TIMES: stored.seconds} | ({PARTS: parts} if len(parts) else {})
            if sum(array.nbytes for array in numbers.values()) <= _MOST_IN_ATTRIBUTES:
                dataset = _written(file, video_id, stored.features)
                dataset.attrs.update(numbers)
            else:
                group = file.create_group(video_id)
                dataset = _written(group, FEATURES, stored.features)
                for name, array in numbers.items():
                    group[name] = array
            dataset.attrs[CLIP], dataset.attrs[_KEY] = _storable(stored.clip.path), stored.key
            dataset.attrs[_LENGTH], dataset.attrs[_CUT_SHORT] = stored.length, stored.cut_short


def _storable(path: str) -> str | np.bytes_:
    """Returns a path as text, or as bytes where its name is no Unicode."""
    return (
        path
        if path.isascii() or os.fsencode(path) == path.encode("utf-8", "replace")
        else np.bytes_(os.fsencode(path))
    )


def _written(holder: Any, name: str, features: np.ndarray) -> Any:
    dataset = holder.create_dataset(name, features.shape, np.float16)
    for start in range(0, len(features), _FRAMES_AT_ONCE):
        dataset[start : start + _FRAMES_AT_ONCE] = features[start : start + _FRAMES_AT_ONCE]
    return dataset


def stored_clips(path: pathlib.Path) -> Iterator[tuple[str, StoredClip]]:
    """Yields the clips of a file that `write_features` wrote, with their ids, up to where it is damaged."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            for video_id, entry in file.items():
                is_group = isinstance(entry, h5py.Group)
                dataset = entry[FEATURES] if is_group else entry
                said = dict(dataset.attrs)
                numbers = (
                    {name: entry[name][()] for name in (TIMES, PARTS) if name in entry} if is_group else said
                )
                parts = tuple((float(start), float(end)) for start, end in numbers.get(PARTS, ()))
                yield (
                    video_id,
                    StoredClip(
                        dataset[()],
                        np.asarray(numbers[TIMES], np.float64),
                        SourceClip(clip_path(said[CLIP]), parts),
                        float(said[_LENGTH]),
                        said[_CUT_SHORT],
                        said[_KEY],
                    ),
                )
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        # What cannot be read is extracted again.
        return


def command_of(path: pathlib.Path) -> str | None:
    """Returns what decided the content of a file that `write_features` wrote; None of any other file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            command = file.attrs.get(COMMAND)
    except OSError:
        return None
    return command if isinstance(command, str) else None
