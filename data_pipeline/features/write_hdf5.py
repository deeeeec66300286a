"""This module writes features of clips as an HDF5 file that `Hdf5Features` reads; equal features give equal bytes."""

import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float16, Float64

from data_pipeline.features.foreign_files import foreign_file
from data_pipeline.features.frames import TIMES
from data_pipeline.features.hdf5 import CLIP, PARTS
from data_pipeline.features.provenance import PROVENANCE, Provenance, SourceClip
from data_pipeline.features.source import FEATURES
from data_pipeline.host.files import replacing

KEY = "key"
"""Attribute of a data set: what decided its content; see `StoredClip`."""
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
        key: what decided the features, so that the same need not be computed again.
    """

    features: Float16[np.ndarray, "f width"] | Float16[np.ndarray, "f k width"]
    seconds: Float64[np.ndarray, " f"]
    clip: SourceClip
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
            dataset.attrs[CLIP], dataset.attrs[KEY] = stored.clip.path, stored.key


def _written(holder: Any, name: str, features: np.ndarray) -> Any:
    dataset = holder.create_dataset(name, features.shape, np.float16)
    for start in range(0, len(features), _FRAMES_AT_ONCE):
        dataset[start : start + _FRAMES_AT_ONCE] = features[start : start + _FRAMES_AT_ONCE]
    return dataset


def command_of(path: pathlib.Path) -> str | None:
    """Returns what decided the content of a file that `write_features` wrote; None of another file.

    Raises:
        InputError: it is no HDF5 file.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            command = file.attrs.get(COMMAND)
    except OSError as error:
        raise foreign_file(path, "HDF5", error) from error
    return command if isinstance(command, str) else None
