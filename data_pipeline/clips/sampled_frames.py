"""This module reads the frames of a clip that are on the screen at given times, as an image network sees them."""

import dataclasses
import pathlib
from collections.abc import Iterator

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Float64, UInt8

from data_pipeline.clips.on_screen import OnScreen
from data_pipeline.clips.open_clip import TIME_TOLERANCE, ClipFault, OpenClip, undecodable
from data_pipeline.clips.packet_times import NeededPackets, PacketTimes
from data_pipeline.clips.passing_pictures import PassingPictures
from data_pipeline.clips.picture_maker import PictureMaker
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.errors import InputError, shown

MOST_FRAMES, MOST_PER_SECOND = 100_000, 240.0
"""Of a clip so many frames may be asked for, or so many of each second."""

_FROZEN = 0.5
"""A frame that cannot be decoded is replaced by a neighbour within so many seconds, as players do."""


@dataclasses.dataclass(frozen=True)
class Sampling:
    """A sampling says which frames of a clip are taken; exactly one of the two is given.

    Attributes:
        frames_per_second: the frame on the screen at each k / frames_per_second is taken.
        frames: so many frames are taken, each from the middle of its share of the clip; of a shorter clip all.

    Raises:
        InputError: none or both are given, or the number is out of range.
    """

    frames_per_second: float | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        if (self.frames_per_second is None) == (self.frames is None):
            raise InputError("expected either frames per second or a number of frames, found " + repr(self))
        if self.frames_per_second is not None and not 0 < self.frames_per_second <= MOST_PER_SECOND:
            raise InputError(
                f"frames per second: expected a number above 0, at most {MOST_PER_SECOND:.0f}, "
                f"found {self.frames_per_second}"
            )
        if self.frames is not None and not 1 <= self.frames <= MOST_FRAMES:
            raise InputError(f"frames: expected a number from 1 to {MOST_FRAMES}, found {self.frames}")

    def times(self, clip: PacketTimes) -> Float64[np.ndarray, " f"]:
        """Returns the times, in seconds from the start of the file, of the frames that are taken; at least one."""
        if self.frames_per_second is not None:
            count = np.ceil((clip.end - TIME_TOLERANCE) * self.frames_per_second)
            return np.arange(max(1, int(count))) / self.frames_per_second
        assert self.frames is not None
        if self.frames >= len(clip.seconds):
            return clip.seconds
        begin = clip.seconds[0]
        return begin + (np.arange(self.frames) + 0.5) * (clip.end - begin) / self.frames


@dataclasses.dataclass(frozen=True)
class ClipFrames:
    """Some frames of a clip, one after another.

    Attributes:
        seconds: when each is on the screen, from the start of the file, increasing.
        pictures: what is seen, red-green-blue.
        cut_short: what of the clip could not be read, and why, where there is such a thing; the last frames of the
            clip say it.
    """

    seconds: Float64[np.ndarray, " f"]
    pictures: UInt8[np.ndarray, "f row column 3"]
    cut_short: str | None = None


def sampled_frames(
    path: pathlib.Path,
    sampling: Sampling,
    view: PictureView,
    chunk: int = 32,
    threads: int = 1,
    passing: PassingPictures | None = None,
) -> Iterator[ClipFrames]:
    """Yields frames of a clip, in order, with bounded memory whatever its length.

    The times are those of the frames in the file, which need not be equally far apart; a picture that is turned by
    its metadata comes upright. What cannot be decoded is left out, and `ClipFrames.cut_short` of the last frames
    says so; a frame that is lost is replaced by its neighbour up to half a second away.

    Args:
        path: the clip.
        sampling: which frames.
        view: the part and the size that is seen of each.
        chunk: how many frames come at a time; fewer at the end.
        threads: how many decode; one is best where clips are decoded in several processes.
        passing: makes pictures for people of the frames that pass.

    Raises:
        ClipFault: there is nothing to show.
    """
    try:
        with OpenClip(path) as clip:
            packets = PacketTimes.read(clip)
        wanted = sampling.times(packets) if len(packets.seconds) else np.zeros(0)
        # A second opening starts at the first frame, whatever the file says of its times.
        with OpenClip(path, threads) as clip:
            maker = PictureMaker(view, clip.pixel_aspect)
            any_frames = False
            for some in _SampledClip(clip, packets, wanted, maker, passing).frames(chunk):
                any_frames = True
                yield some
        if not any_frames:
            raise ClipFault(
                f"clip {shown(path.name)}: expected a video, found one without a frame that can be decoded"
            )
    except FileNotFoundError as error:
        raise ClipFault(f"clip {shown(path.name)}: expected a file, found none") from error
    except (av.FFmpegError, OSError) as error:
        raise undecodable(path, error) from error


class _SampledClip:
    """It walks through one open clip, and notes what it has to leave out."""

    def __init__(
        self,
        clip: OpenClip,
        packets: PacketTimes,
        wanted: Float64[np.ndarray, " n"],
        maker: PictureMaker,
        passing: PassingPictures | None,
    ) -> None:
        self._clip, self._packets, self._wanted, self._maker = clip, packets, wanted, maker
        self._passing = passing
        clip.origin += packets.late
        times = wanted if passing is None else np.sort(np.append(wanted, passing.begin(clip, packets)))
        self._needed = NeededPackets(clip, packets, times)
        self._lost: list[float] = []
        self._refused: list[float] = []

    def frames(self, chunk: int) -> Iterator[ClipFrames]:
        """Yields the frames in chunks, of which the last one is not empty; none where nothing can be decoded."""
        seconds: list[float] = []
        pictures: list[np.ndarray] = []
        latest, picture = None, np.zeros(0)
        for time, frame in self._shown():
            if len(seconds) == chunk:
                yield ClipFrames(np.array(seconds), np.stack(pictures))
                seconds, pictures = [], []
            if frame is not latest:
                latest, picture = frame, self._maker.picture(frame)
            seconds.append(time)
            pictures.append(picture)
        if seconds:
            yield ClipFrames(np.array(seconds), np.stack(pictures), self._said() or None)

    def _shown(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yields the times that are wanted, with the frames that are on the screen then."""
        # The time of the frame that the file has for each; it is not that of the frame shown where one is lost.
        own = self._packets.shown_at(self._wanted)
        on_screen, any_taken = OnScreen(self._wanted), False
        for number, time, frame in self._picked(on_screen):
            if abs(own[number] - time) <= _FROZEN:
                any_taken = True
                yield float(self._wanted[number]), frame
            else:
                self._lost.append(float(self._wanted[number]))
        if not any_taken and on_screen.latest is not None:
            yield on_screen.latest

    def _picked(self, on_screen: OnScreen) -> Iterator[tuple[int, float, VideoFrame]]:
        for time, frame in self._decoded():
            if self._passing is not None:
                self._passing.see(time, frame)
            yield from on_screen.see(time, frame)
            if on_screen.done and (self._passing is None or self._passing.done):
                return
        yield from on_screen.end()

    def _decoded(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yields the frames that can be decoded, with their times in seconds, which increase."""
        latest = -np.inf
        for time, frame in self._clip.in_order(self._clip.decoded(self._refused, self._needed)):
            if time > latest:
                latest = time
                yield time, frame

    def _said(self) -> str:
        """Returns what could not be read, in a phrase; empty where all could."""
        said = [self._packets.fault] if self._packets.fault else []
        if self._refused:
            frames = "frame" if len(self._refused) == 1 else "frames"
            said.append(
                f"{len(self._refused):,} {frames} cannot be decoded, the first at {min(self._refused):.2f} s"
            )
        if self._lost:
            lost = "is lost" if len(self._lost) == 1 else "are lost"
            said.append(
                f"{len(self._lost):,} of the frames asked for {lost}, the first at {min(self._lost):.2f} s"
            )
        return "; ".join(said)
