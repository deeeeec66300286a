"""This module reads the frames of a clip with their times, which count from the start of the file."""

import collections
import heapq
import math
import pathlib
import struct
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from data_pipeline.errors import InputError, shown

TIME_TOLERANCE = 0.002
"""A frame that begins so many seconds late is still there in time: times are written with rounded numbers."""

_MOST_REORDERED = 16
"""A frame is stored at most so many places from where it is shown; it is the bound of H.264."""


_TEXT_BYTES = 512
"""Where so many bytes at the beginning are a text, the file is one."""

_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
"""With one of these an mp4 or mov begins, after four bytes."""


class ClipFault(InputError):
    """A clip has nothing to show; the message names it, and says what was expected and found."""


def undecodable(path: pathlib.Path, error: OSError | av.FFmpegError) -> ClipFault:
    """Returns the fault of a file that cannot be decoded, which says why as plainly as its bytes tell.

    Args:
        path: of the file.
        error: what was said when it was decoded.
    """
    try:
        found = _what_it_is(path)
    except OSError:
        found = ""
    found = found or f"a file that cannot be decoded: {error.strerror}"
    return ClipFault(f"clip {shown(path.name)}: expected a video, found {found}")


def _what_it_is(path: pathlib.Path) -> str:
    """Returns what a file is where that is plainly no video; empty where it may be one."""
    size = path.stat().st_size
    if not size:
        return "a file that is empty (0 bytes)"
    with path.open("rb") as file:
        begin = file.read(_TEXT_BYTES)
        if begin[4:8] in _FIRST_BOXES:
            at = 0
            # Boxes follow one another: their length with these bytes, in four bytes or after the name in eight.
            while at + 8 <= size:
                file.seek(at)
                length, name = struct.unpack(">I4s", file.read(8))
                if name == b"moov":
                    return ""
                if length == 1:
                    length = int.from_bytes(file.read(8))
                # None reaches to the end of the file, and fewer than these eight is damage.
                at += length if length >= 8 else size
            return "a file that breaks off: its index (moov) is missing; copy or record it again"
    # The last character may be cut.
    text = begin.decode("utf-8", errors="ignore")
    lines = text.strip().splitlines()
    is_text = len(text.encode()) > len(begin) - 4 and all(one.isprintable() or one.isspace() for one in text)
    return f"a text, which begins with {shown(lines[0])}" if is_text and lines else ""


class OpenClip:
    """An open clip reads the first stream of pictures of a file.

    Attributes:
        container: the file; times count from its start.
        stream: the pictures.
        time_base: the unit of their time stamps, in seconds.
        pixel_aspect: how many times as wide as high a pixel is shown.
        origin: the time stamp, in seconds, at which the file starts.
        duration: of the file, in seconds.
    """

    def __init__(self, path: pathlib.Path, threads: int | None = None) -> None:
        """Opens a file.

        Args:
            path: of the file.
            threads: how many decode; None leaves it to FFmpeg.

        Raises:
            ClipFault: there are no pictures in it.
            av.FFmpegError: it is no file that FFmpeg reads.
        """
        # An absolute path is no address, whatever its name; a list of addresses in it leads to files alone.
        self.container = av.open(str(path.absolute()), options={"protocol_whitelist": "file"})
        if not self.container.streams.video:
            self.container.close()
            raise ClipFault(f"clip {shown(path.name)}: expected a video, found a file without pictures")
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"
        if threads is not None:
            self.stream.thread_count = threads
        self.time_base = self.stream.time_base or Fraction(1, av.time_base)
        self.pixel_aspect = float(self.stream.sample_aspect_ratio or 1)
        self.origin = (self.container.start_time or 0) / av.time_base
        self.duration = (self.container.duration or 0) / av.time_base
        self._resizers: dict[tuple[float, float], VideoReformatter] = {}

    def __enter__(self) -> "OpenClip":
        return self

    def __exit__(self, *of_error: object) -> None:
        self.container.close()

    @property
    def promised_end(self) -> float | None:
        """The second at which the pictures end by the header of the file, where it says so of them alone."""
        if self.stream.duration is not None:
            return (
                float((self.stream.start_time or 0) + self.stream.duration) * float(self.time_base)
                - self.origin
            )
        # Matroska counts from zero, not from the first frame.
        return None if self.container.streams.audio else self.duration - max(0.0, self.origin)

    def seconds(self, stamp: int) -> float:
        """Returns the time of a time stamp of the pictures."""
        return float(stamp * self.time_base) - self.origin

    def packets(self) -> Iterator[Any]:
        """Yields the packets of the pictures as they lie in the file, then an empty one that ends the decoding.

        Raises:
            av.FFmpegError: the file cannot be read on.
        """
        return self.container.demux(self.stream)

    def decoded(
        self, refused: list[float] | None = None, is_needed: Callable[[Any], bool] | None = None
    ) -> Iterator[VideoFrame]:
        """Yields the frames that can be decoded, as they come on the screen.

        Args:
            refused: gets the times, in seconds, of those that cannot, where they are known.
            is_needed: says of each packet whether it is decoded; those after one that is not must begin with a key
                frame.

        Raises:
            av.FFmpegError: the file cannot be read on.
        """
        in_gap = False
        for packet in self.packets():
            is_last = packet.dts is None and not packet.size
            if is_needed is not None and not is_last and not is_needed(packet):
                if not in_gap:
                    # What the decoder holds back is shown, and then forgotten.
                    yield from (frame for frame in self.stream.decode(None) if frame.pts is not None)
                    self.stream.codec_context.flush_buffers()
                in_gap = True
                continue
            in_gap = False
            try:
                frames = self.stream.decode(packet)
            except av.FFmpegError:
                if refused is not None and packet.pts is not None:
                    refused.append(self.seconds(packet.pts))
                continue
            yield from (frame for frame in frames if frame.pts is not None and not frame.is_corrupt)

    def in_order(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[float, VideoFrame]]:
        """Yields frames, which come in the order in which they are shown, with their times in seconds.

        Where times are guessed, those of a few frames are right together, but may stand at another of them.
        """
        ahead = _MOST_REORDERED if self.guesses_times else 0
        waiting: collections.deque[VideoFrame] = collections.deque()
        stamps: list[int] = []
        for frame in frames:
            waiting.append(frame)
            heapq.heappush(stamps, frame.pts or 0)
            if len(waiting) > ahead:
                yield self.seconds(heapq.heappop(stamps)), waiting.popleft()
        while waiting:
            yield self.seconds(heapq.heappop(stamps)), waiting.popleft()

    @property
    def guesses_times(self) -> bool:
        """Whether FFmpeg guesses when frames are shown: AVI tells when they are decoded, which may be another order."""
        return self.container.format.name == "avi" and bool(self.stream.codec_context.has_b_frames)

    def frames(self, start: float, key_frames: bool = False) -> Iterator[tuple[float, VideoFrame]]:
        """Yields frames with their times in seconds, the first of them the one that is on the screen at `start`.

        With `key_frames` it yields these alone; the first one is at `start` or before it.
        """
        self.stream.codec_context.skip_frame = "NONKEY" if key_frames else "DEFAULT"
        self.container.seek(round((start + self.origin) / self.time_base), stream=self.stream)
        waiting = None
        for frame in self.decoded():
            time = self.seconds(frame.pts or 0)
            if waiting is not None and time > start + TIME_TOLERANCE:
                yield waiting
            waiting = time, frame
        if waiting is not None:
            yield waiting

    def picture(self, frame: VideoFrame, width: float = math.inf, height: float = math.inf) -> np.ndarray:
        """Returns a frame as it is seen, upright and with square pixels, uint8 [row, column, 3], within a size."""
        rows, columns = frame.height, frame.width * self.pixel_aspect
        turns = round(frame.rotation / 90)
        most = (height, width) if turns % 2 == 0 else (width, height)
        scale = min(1.0, most[0] / rows, most[1] / columns)
        width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
        # One that is made anew computes its weights again, and starts threads.
        resizer = self._resizers.setdefault((width, height), VideoReformatter())
        small = resizer.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        return np.rot90(small.to_ndarray(), turns)

    def upright(self, frame: VideoFrame) -> VideoFrame:
        """Returns a frame upright: phones write frames as the sensor lies, and beside them how to turn them."""
        turns = round(frame.rotation / 90) % 4
        if not turns:
            return frame
        planes = np.rot90(frame.to_ndarray(format="yuv444p"), turns, axes=(1, 2)).astype(np.uint8)
        return VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv444p")
