"""This module writes clips: those of pictures, and the pictures of any clip as browsers play them."""

import io
import pathlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from data_pipeline.errors import InputError
from data_pipeline.host.progress_bar import track_if

_H264 = {"crf": "14", "preset": "medium", "bf": "0", "g": "1", "threads": "1"}
"""Each frame is a key frame, so that a browser shows any of them at once."""


def render_clips(
    images: Mapping[str, UInt8[np.ndarray, "f row column 3"]],
    folder: pathlib.Path,
    frames_per_second: float,
    enlarged: int = 8,
    show_progress: bool | None = False,
) -> dict[str, pathlib.Path]:
    """Writes pictures as clips, FOLDER/ID.mp4, with the same bytes each time.

    Args:
        images: the frames of each clip by its id, red-green-blue.
        folder: is made where it is missing.
        frames_per_second: frame i is on the screen from second i / frames_per_second on.
        enlarged: each pixel becomes a square of so many pixels a side; even, as the sides of H.264 are.
        show_progress: whether progress is shown; None shows it for many clips.

    Returns:
        The path of each clip by its id.

    Raises:
        InputError: the folder cannot be written to.
    """
    written = {name: folder / f"{name}.mp4" for name in images}
    rate = Fraction(frames_per_second)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frames in track_if(show_progress, images.items(), len(images), "rendering clips", "clips"):
            large = frames.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
            written[name].write_bytes(_rendered(large, rate))
    except OSError as error:
        raise InputError(f"{folder}: no clips can be written here: {error.strerror or error}") from error
    return written


def _rendered(frames: np.ndarray, rate: Fraction) -> bytes:
    """Returns pictures, uint8 [frame, row, column, 3], as MP4."""
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as out:
        pictures = None
        for number, picture in enumerate(frames):
            frame = VideoFrame.from_ndarray(picture)
            pictures = pictures or add_pictures(out, frame, rate, _H264)
            frame.pts, frame.time_base = number, 1 / rate
            out.mux(pictures.encode(frame))
        if pictures is not None:
            out.mux(pictures.encode(None))
    return made.getvalue()


def add_pictures(out: Any, like: VideoFrame, rate: Fraction, options: dict[str, str]) -> Any:
    """Adds a stream of H.264 for frames like one, as browsers play it: even sides, a quarter of the colours."""
    stream = out.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height = like.width // 2 * 2, like.height // 2 * 2
    stream.pix_fmt = "yuv420p"
    return stream
