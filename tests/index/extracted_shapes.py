"""Features of clips of moving shapes as `mcsan extract` writes them, made without decoding."""

import pathlib

import h5py
import numpy as np

from data_pipeline.prepared_data import embedded_clips
from tests.support.written_clip import RATE, write_clip

FILM = "film"
"""A video of 24 frames in two seconds, which has two parts; the other six have twelve frames each."""


def write_extracted_shapes(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Writes ``clips/``, features of both streams, and the pictures that an extraction makes of the first clip.

    Returns:
        The file of each stream.
    """
    (folder / "clips").mkdir(parents=True)
    clips = embedded_clips(8)
    files = {name: folder / f"{name}.hdf5" for name in clips.features}
    for stream, file in files.items():
        arrays = dict(clips.features[stream])
        arrays[FILM] = np.concatenate([arrays.pop("test_00006"), arrays.pop("test_00007")])
        with h5py.File(file, "w") as out:
            for video, array in arrays.items():
                out[video] = array
                out[video].attrs["times"] = (np.arange(len(array)) + 0.5) / 12
                out[video].attrs["clip"] = str(folder / "clips" / f"{video}.mp4")
            out[FILM].attrs["parts"] = [[0.0, 0.75], [0.75, 2.0]]
    for video in arrays:
        write_clip(folder / "clips" / f"{video}.mp4", 2 * RATE)
    pictures = folder / "pixels.pictures"
    pictures.mkdir()
    for kind in ("poster", "strip"):
        (pictures / f"test_00000.{kind}.jpg").write_bytes(b"\xff\xd8" + kind.encode())
    return files


def as_streams(files: dict[str, pathlib.Path]) -> list[str]:
    """The files as a command takes them."""
    return [f"{name}={path}" for name, path in files.items()]
