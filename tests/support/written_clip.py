"""Writes clips whose frames tell their number, to see which of them something shows."""

import io
import pathlib
from collections.abc import Container
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

RATE, SIDE = 25, 64
_SOUND_RATE, _SOUND_FRAME = 48_000, 1024


def write_clip(
    path: pathlib.Path,
    frames: int,
    black: Container[int] = (),
    rotation: int = 0,
    sound_from: float | None = None,
) -> pathlib.Path:
    """Writes a clip of `RATE` frames a second with a key frame every two seconds, and frames that need later ones.

    Args:
        path: of the clip.
        frames: how many; frame i has the brightness 50 + i on its left side and 255 on its right one.
        black: numbers of the frames that are black instead.
        rotation: by which the frames are to be turned against the clock, in degrees.
        sound_from: the second from which on a tone is heard; None without sound.
    """
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=RATE, options={"g": "50", "bf": "3", "crf": "5"})
        pictures.width, pictures.height, pictures.pix_fmt = SIDE, SIDE // 2, "yuv420p"
        if rotation:
            pictures.set_display_rotation(rotation)
        sound = None if sound_from is None else out.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        for number in range(frames):
            picture = np.zeros((SIDE // 2, SIDE, 3), np.uint8)
            if number not in black:
                picture[:, : SIDE // 2] = 50 + number
                picture[:, SIDE // 2 :] = 255
            frame = VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(pictures.encode(frame))
        if sound is not None and sound_from is not None:
            times = np.arange(_SOUND_RATE * frames // RATE) / _SOUND_RATE
            wave = (0.5 * np.sin(2 * np.pi * 440 * times) * (times >= sound_from)).astype(np.float32)
            for start in range(0, len(wave), _SOUND_FRAME):
                part = wave[None, start : start + _SOUND_FRAME].copy()
                heard = AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = (
                    _SOUND_RATE,
                    start,
                    Fraction(1, _SOUND_RATE),
                )
                out.mux(sound.encode(heard))
            out.mux(sound.encode(None))
        out.mux(pictures.encode(None))
    return path


def decoded(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Times of all frames in seconds [f], and the frames, uint8 [f, row, column, 3]."""
    with av.open(io.BytesIO(content)) as clip:
        found = [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]
    return np.array([time for time, _ in found]), np.stack([picture for _, picture in found])


def numbers(pictures: np.ndarray) -> np.ndarray:
    """The number that each frame of `write_clip` tells, [f], to within two."""
    columns = pictures.shape[2]
    return pictures[:, :, 2 : columns // 2 - 2].mean(axis=(1, 2, 3)) - 50
