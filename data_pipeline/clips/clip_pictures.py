"""This module makes posters, film strips and cuts of clips. Times count from the start of a file, in seconds."""

import functools
import io
import math
import pathlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame

from data_pipeline.clips.on_screen import OnScreen
from data_pipeline.clips.open_clip import TIME_TOLERANCE, OpenClip, undecodable
from data_pipeline.clips.render_clips import add_pictures
from data_pipeline.errors import InputError, shown

POSTER_WIDTH, STRIP_HEIGHT = 480, 72
"""A poster is at most so many pixels wide, and a film strip so many high."""

USUAL_IN_STRIP, MOST_IN_STRIP, LONGEST_CUT = 12, 60, 600.0
"""A film strip has so many frames unless told otherwise, and at most so many, and a cut at most so many seconds."""

_REACHES = (0.0, 4.0, 64.0, math.inf)
"""Where the frame that is asked for shows nothing, those up to so many seconds away are looked at; of a whole file only
its key frames, because each of them is decoded alone."""

_SPARSE = 4.0
"""A film strip with fewer than a frame in so many seconds is made of key frames."""

_JPEG_QUALITY = 4 * 118
"""The quantiser 4 of FFmpeg, which counts in steps of 1/118: no artefacts are seen, at a tenth of the bytes."""

_H264 = {"crf": "18", "preset": "veryfast", "bf": "0"}


def poster(path: str | pathlib.Path, seconds: float | None = None) -> bytes:
    """Returns a frame of a clip as JPEG.

    Where the frame at that time is nearly black or of one colour, the nearest one that is not is taken; where all are,
    the brightest one.

    Args:
        path: the clip.
        seconds: time of the frame; None is the middle of the clip.

    Raises:
        InputError: the clip is gone or cannot be decoded, or the time is no time.
    """
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"at: expected a time in seconds, 0 or more, found {seconds}")
    return _of_file(_poster, path, seconds)


def film_strip(
    path: str | pathlib.Path, count: int = USUAL_IN_STRIP, start: float = 0.0, end: float | None = None
) -> bytes:
    """Returns frames of a clip side by side as JPEG, each from the middle of its share of the clip or of a part of it.

    Args:
        path: the clip.
        count: how many frames.
        start: of the part, in seconds.
        end: of the part, in seconds; None is the end of the clip.

    Raises:
        InputError: the clip is gone or cannot be decoded, the count is below 1 or above `MOST_IN_STRIP`, or the times
            are no part.
    """
    if not (math.isfinite(start) and start >= 0 and (end is None or start < end < math.inf)):
        raise InputError(f"start and end: expected 0 <= start < end, in seconds, found {start} and {end}")
    if not 1 <= count <= MOST_IN_STRIP:
        raise InputError(f"count: expected a number of frames from 1 to {MOST_IN_STRIP}, found {count}")
    return _of_file(_film_strip, path, count, start, end)


def cut(path: str | pathlib.Path, start: float, end: float) -> bytes:
    """Returns a part of a clip as MP4 (H.264 and AAC), encoded again, so that it begins and ends at any frame.

    It has the frames that are on the screen at `start` or later and before `end`, with their sound.

    Args:
        path: the clip.
        start: in seconds.
        end: in seconds.

    Raises:
        InputError: the clip is gone or cannot be decoded, or the times are no part of it.
    """
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise InputError(f"start and end: expected 0 <= start < end, in seconds, found {start} and {end}")
    if end - start > LONGEST_CUT:
        raise InputError(f"start and end: expected {LONGEST_CUT:.0f} seconds at most, found {end - start}")
    # It is not remembered: a cut may be large, and is asked for once.
    return _of_file(lambda file, changed: _cut(file, start, end), path)


def _of_file(make: Callable[..., bytes], path: str | pathlib.Path, *options: float | None) -> bytes:
    """Makes something of a clip as the file is now: `make` takes its path and time of change, and may remember both."""
    path = pathlib.Path(path)
    try:
        return make(path, path.stat().st_mtime_ns, *options)
    except FileNotFoundError as error:
        raise InputError(
            f"clip {shown(path.name)}: expected a file, found none; restore it, or link the video to another"
        ) from error
    except (av.FFmpegError, OSError) as error:
        raise undecodable(path, error) from error


@functools.lru_cache(maxsize=512)
def _poster(path: pathlib.Path, changed: int, seconds: float | None) -> bytes:
    with OpenClip(path) as clip:
        at = clip.duration / 2 if seconds is None else min(seconds, clip.duration)
        brightest, light = None, -1.0
        for reach in _REACHES:
            nearest, distance = None, math.inf
            for time, frame in clip.frames(max(0.0, at - reach), key_frames=math.isinf(reach)):
                away = abs(time - at)
                if time > at and (away >= distance or away > reach > 0):
                    break
                picture = clip.picture(frame, width=64).mean(axis=2)
                if picture.mean() > light:
                    brightest, light = frame, picture.mean()
                if away < distance and shows_something(picture):
                    nearest, distance = frame, away
                if reach == 0:
                    break
            if nearest is not None:
                break
        chosen = nearest if nearest is not None else brightest
        if chosen is None:
            raise InputError(f"clip {shown(path.name)}: expected a video, found one without a frame")
        return as_jpeg(clip.picture(chosen, width=POSTER_WIDTH))


def shows_something(grey: np.ndarray) -> bool:
    """Returns whether a picture, of numbers from 0 to 255 [row, column], is neither nearly black nor of one colour."""
    return bool(grey.std() > 5 and np.quantile(grey, 0.98) > 32)


@functools.lru_cache(maxsize=256)
def _film_strip(path: pathlib.Path, changed: int, count: int, start: float, end: float | None) -> bytes:
    with OpenClip(path) as clip:
        share = ((clip.duration if end is None else end) - start) / count
        times = start + (np.arange(count) + 0.5) * share
        shown_frames = _key_frames(clip, times) if share > _SPARSE else _frames(clip, times)
        pictures = [clip.picture(frame, 4 * STRIP_HEIGHT, STRIP_HEIGHT) for frame in shown_frames]
        if not pictures:
            raise InputError(f"clip {shown(path.name)}: expected a video, found one without a frame")
        return as_jpeg(np.concatenate(pictures, axis=1))


def _key_frames(clip: OpenClip, times: np.ndarray) -> Iterator[VideoFrame]:
    """Yields the key frame before each time."""
    found = (next(clip.frames(time, key_frames=True), None) for time in times.tolist())
    yield from (one[1] for one in found if one is not None)


def _frames(clip: OpenClip, times: np.ndarray) -> Iterator[VideoFrame]:
    """Yields the frame that is on the screen at each time."""
    on_screen = OnScreen(times)
    for time, frame in clip.frames(float(times[0])):
        yield from (one for _, _, one in on_screen.see(time, frame))
        if on_screen.done:
            return
    yield from (one for _, _, one in on_screen.end())


def as_jpeg(picture: np.ndarray) -> bytes:
    """Returns a picture, uint8 [row, column, 3], as JPEG."""
    encoder = av.CodecContext.create("mjpeg", "w")
    rows, columns, _ = picture.shape
    encoder.width, encoder.height, encoder.pix_fmt = columns, rows, "yuvj420p"
    encoder.time_base, encoder.qscale, encoder.global_quality = Fraction(1), True, _JPEG_QUALITY
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture)).reformat(format="yuvj420p", threads=1)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _cut(path: pathlib.Path, start: float, end: float) -> bytes:
    made = io.BytesIO()
    with OpenClip(path) as clip, av.open(made, "w", format="mp4") as out:
        if start >= clip.duration:
            raise InputError(f"start: clip {shown(path.name)} has {clip.duration:.3f} seconds, found {start}")
        audio = clip.container.streams.audio
        sound = out.add_stream("aac", rate=48_000, layout="stereo") if audio else None
        _copy_pictures(clip, out, start, end)
        if sound is not None:
            _copy_sound(clip, audio[0], out, sound, start, end)
    return made.getvalue()


def _copy_pictures(clip: OpenClip, out: Any, start: float, end: float) -> None:
    """Encodes the frames from `start` to `end` again, at least one, with the times between them."""
    pictures: Any = None
    begin = 0.0
    for time, frame in clip.frames(start):
        if pictures is not None and time >= end - TIME_TOLERANCE:
            break
        upright = clip.upright(frame)
        if pictures is None:
            begin = time
            pictures = add_pictures(out, upright, clip.stream.average_rate or Fraction(25), _H264)
            pictures.codec_context.time_base = clip.time_base
            if upright is frame and clip.stream.sample_aspect_ratio:
                pictures.codec_context.sample_aspect_ratio = clip.stream.sample_aspect_ratio
        upright.pts, upright.time_base = round((time - begin) / clip.time_base), clip.time_base
        upright.pict_type = PictureType.NONE
        out.mux(pictures.encode(upright))
    if pictures is not None:
        out.mux(pictures.encode(None))


def _copy_sound(clip: OpenClip, source: Any, out: Any, sound: Any, start: float, end: float) -> None:
    """Encodes what is heard from `start` to `end` again; each frame of sound is kept or left out as a whole."""
    clip.container.seek(round((start + clip.origin) / source.time_base), stream=source)
    first = None
    for frame in clip.container.decode(source):
        time = float(frame.pts * source.time_base) - clip.origin
        if time >= end:
            break
        if time + frame.samples / frame.sample_rate <= start:
            continue
        first = frame.pts if first is None else first
        frame.pts -= first
        out.mux(sound.encode(frame))
    out.mux(sound.encode(None))
