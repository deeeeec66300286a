"""This module reads the frames of a clip with their times, and writes clips as browsers play them."""

import io
import math
import pathlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from data_pipeline.errors import InputError, shown

TIME_TOLERANCE = 0.002
"""A frame that begins so many seconds late is still there in time: times are written with rounded numbers."""

_H264 = {"crf": "14", "preset": "medium", "bf": "0", "g": "1", "threads": "1"}
"""Each frame is a key frame, so that a browser shows any of them at once."""


class OpenClip:
    """An open clip reads the first stream of pictures of a file.

    Attributes:
        container: the file; times count from its start.
        stream: the pictures.
        time_base: the unit of their time stamps, in seconds.
        origin: the time stamp, in seconds, at which the file starts.
        duration: of the file, in seconds.
    """

    def __init__(self, path: pathlib.Path) -> None:
        """Opens a file.

        Raises:
            InputError: there are no pictures in it.
            av.FFmpegError: it is no file that FFmpeg reads.
        """
        self.container = av.open(str(path))
        if not self.container.streams.video:
            self.container.close()
            raise InputError(f"clip {shown(path.name)}: expected a video, found a file without pictures")
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.time_base = self.stream.time_base or Fraction(1, av.time_base)
        self.origin = (self.container.start_time or 0) / av.time_base
        self.duration = (self.container.duration or 0) / av.time_base

    def __enter__(self) -> "OpenClip":
        return self

    def __exit__(self, *of_error: object) -> None:
        self.container.close()

    def frames(self, start: float, key_frames: bool = False) -> Iterator[tuple[float, VideoFrame]]:
        """Yields frames with their times in seconds, the first of them the one that is on the screen at `start`.

        With `key_frames` it yields these alone; the first one is at `start` or before it.
        """
        self.stream.codec_context.skip_frame = "NONKEY" if key_frames else "DEFAULT"
        self.container.seek(round((start + self.origin) / self.time_base), stream=self.stream)
        waiting = None
        for frame in self.container.decode(self.stream):
            if frame.pts is None:
                continue
            time = float(frame.pts * self.time_base) - self.origin
            if waiting is not None and time > start + TIME_TOLERANCE:
                yield waiting
            waiting = time, frame
        if waiting is not None:
            yield waiting

    def picture(self, frame: VideoFrame, width: float = math.inf, height: float = math.inf) -> np.ndarray:
        """Returns a frame as it is seen, upright and with square pixels, uint8 [row, column, 3], within a size."""
        rows, columns = frame.height, frame.width * float(self.stream.sample_aspect_ratio or 1)
        turns = round(frame.rotation / 90)
        most = (height, width) if turns % 2 == 0 else (width, height)
        scale = min(1.0, most[0] / rows, most[1] / columns)
        width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
        return np.rot90(frame.to_ndarray(format="rgb24", width=width, height=height), turns)

    def upright(self, frame: VideoFrame) -> VideoFrame:
        """Returns a frame upright: phones write frames as the sensor lies, and beside them how to turn them."""
        turns = round(frame.rotation / 90) % 4
        if not turns:
            return frame
        planes = np.rot90(frame.to_ndarray(format="yuv444p"), turns, axes=(1, 2)).astype(np.uint8)
        return VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv444p")


def render_clips(
    images: Mapping[str, UInt8[np.ndarray, "f row column 3"]],
    folder: pathlib.Path,
    frames_per_second: float,
    enlarged: int = 8,
) -> dict[str, pathlib.Path]:
    """Writes pictures as clips, FOLDER/ID.mp4, with the same bytes each time.

    Args:
        images: the frames of each clip by its id, red-green-blue.
        folder: is made where it is missing.
        frames_per_second: frame i is on the screen from second i / frames_per_second on.
        enlarged: each pixel becomes a square of so many pixels a side; even, as the sides of H.264 are.

    Returns:
        The path of each clip by its id.

    Raises:
        InputError: the folder cannot be written to.
    """
    written = {name: folder / f"{name}.mp4" for name in images}
    rate = Fraction(frames_per_second)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frames in images.items():
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
