"""This module picks, of frames that pass, those that are on the screen at given times."""

import math
from collections.abc import Iterator

from av.video.frame import VideoFrame
from jaxtyping import Float64
from numpy import ndarray

from data_pipeline.clips.open_clip import TIME_TOLERANCE


class OnScreen:
    """It is shown one frame after another, and says for which of the times each was on the screen.

    A frame is on the screen until the next one comes; the first one also counts for the time before it.

    Attributes:
        latest: the last frame that passed, after its time in seconds; None before the first.
    """

    def __init__(self, times: Float64[ndarray, " n"]) -> None:
        """Takes the times in seconds, increasing."""
        self._times = times.tolist()
        self._number = 0
        self.latest: tuple[float, VideoFrame] | None = None

    @property
    def done(self) -> bool:
        """Whether every time has its frame."""
        return self._number == len(self._times)

    def see(self, time: float, frame: VideoFrame) -> Iterator[tuple[int, float, VideoFrame]]:
        """Takes the next frame, and yields for each time that is over its number, and the frame, after its time."""
        yield from self._until(time - TIME_TOLERANCE)
        self.latest = time, frame

    def end(self) -> Iterator[tuple[int, float, VideoFrame]]:
        """Yields what `see` does, for the times that the last frame is left for."""
        yield from self._until(math.inf)

    def _until(self, time: float) -> Iterator[tuple[int, float, VideoFrame]]:
        while self.latest is not None and not self.done and self._times[self._number] < time:
            self._number += 1
            yield self._number - 1, *self.latest
