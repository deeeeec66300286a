"""Writes clips of many kinds whose frames carry their number as blocks of grey, and reads the number back."""

import dataclasses
import pathlib
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame

ROWS, COLUMNS = 96, 128
_CELLS = (3, 4)
"""A number is written as twelve bits: rows and columns of blocks; the first is white, so that a turn is noticed."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a clip is written; its frames stand upright when turned by `rotation` degrees against the clock."""

    ending: str
    codec: str
    pixels: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = ()
    rotation: int = 0


PLAIN = Kind(".mp4", "libx264", options=(("g", "12"), ("bf", "0"), ("crf", "12"), ("threads", "1")))
B_FRAMES = (("g", "24"), ("bf", "3"), ("b_strategy", "0"), ("crf", "12"), ("threads", "1"))
KINDS = {
    "mp4": PLAIN,
    "mp4_b_frames": Kind(".mp4", "libx264", options=B_FRAMES),
    "mp4_open_groups": Kind(
        ".mp4",
        "libx264",
        options=(
            ("crf", "12"),
            ("x264-params", "open-gop=1:keyint=12:bframes=3:b-adapt=0:scenecut=0:threads=1"),
        ),
    ),
    "mov_mpeg4": Kind(".mov", "mpeg4", options=(("bf", "2"), ("g", "12"), ("qmin", "1"), ("qmax", "2"))),
    "mkv_b_frames": Kind(".mkv", "libx264", options=B_FRAMES),
    "webm_vp9": Kind(
        ".webm", "libvpx-vp9", options=(("g", "30"), ("deadline", "realtime"), ("cpu-used", "8"))
    ),
    "avi": Kind(".avi", "mjpeg", "yuvj420p"),
    "avi_b_frames": Kind(".avi", "libx264", options=B_FRAMES),
    "gif": Kind(".gif", "gif", "gray"),
    "ts_b_frames": Kind(".ts", "libx264", options=B_FRAMES),
}


def even_times(count: int, rate: Fraction = Fraction(25), start: Fraction = Fraction(0)) -> list[Fraction]:
    return [start + number / rate for number in range(count)]


def uneven_times(count: int, seed: int = 0) -> list[Fraction]:
    """Frames 10 to 170 ms apart, as a phone writes them; hundredths of a second, which GIF can hold as well."""
    steps = np.random.default_rng(seed).integers(1, 18, count)
    return [Fraction(int(step), 100) for step in np.cumsum(steps) - steps[0]]


def write_numbered(path: pathlib.Path, kind: Kind, times: Sequence[Fraction]) -> pathlib.Path:
    """Writes frame number i so that it comes on the screen at times[i]."""
    base = Fraction(1, 25) if kind.ending == ".avi" else Fraction(1, 600)
    with av.open(str(path), "w") as out:
        pictures = out.add_stream(kind.codec, rate=25, options=dict(kind.options))
        rows, columns = (ROWS, COLUMNS) if kind.rotation % 180 == 0 else (COLUMNS, ROWS)
        pictures.width, pictures.height, pictures.pix_fmt = columns, rows, kind.pixels
        pictures.codec_context.time_base = base
        if kind.rotation:
            pictures.set_display_rotation(kind.rotation)
        for number, time in enumerate(times):
            picture = np.ascontiguousarray(np.rot90(numbered(number), -kind.rotation // 90))
            frame = VideoFrame.from_ndarray(picture).reformat(format=kind.pixels)
            frame.pts, frame.time_base = round(time / base), base
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
    return path


def numbered(number: int) -> np.ndarray:
    """The picture of a number, uint8 [row, column, 3]."""
    bits = [True, *(bool(number >> bit & 1) for bit in range(_CELLS[0] * _CELLS[1] - 1))]
    blocks = np.where(np.array(bits).reshape(_CELLS), 220, 40).astype(np.uint8)
    grey = blocks.repeat(ROWS // _CELLS[0], axis=0).repeat(COLUMNS // _CELLS[1], axis=1)
    return np.repeat(grey[..., None], 3, axis=2)


def numbers_of(pictures: np.ndarray) -> list[int]:
    """The numbers that upright pictures carry, whatever their size."""
    return [_number(picture) for picture in pictures]


def _number(picture: np.ndarray) -> int:
    rows, columns = picture.shape[0] / _CELLS[0], picture.shape[1] / _CELLS[1]
    bits = []
    for row in range(_CELLS[0]):
        for column in range(_CELLS[1]):
            top, left = int((row + 0.3) * rows), int((column + 0.3) * columns)
            bits.append(
                picture[top : int((row + 0.7) * rows), left : int((column + 0.7) * columns)].mean() > 128
            )
    assert bits[0], "the picture does not stand upright"
    return sum(1 << place for place, bit in enumerate(bits[1:]) if bit)
