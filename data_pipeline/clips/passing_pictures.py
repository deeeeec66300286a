"""This module makes the poster and the film strip of a clip while it is decoded for something else."""

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Float64

from data_pipeline.clips.clip_pictures import (
    POSTER_WIDTH,
    STRIP_HEIGHT,
    USUAL_IN_STRIP,
    as_jpeg,
    shows_something,
)
from data_pipeline.clips.on_screen import OnScreen
from data_pipeline.clips.open_clip import OpenClip
from data_pipeline.clips.packet_times import PacketTimes


class PassingPictures:
    """It is shown every frame of one clip in order, and keeps the few that it needs.

    The strip is that of `clip_pictures.film_strip`. The poster is the frame in the middle or, where that is nearly
    black or of one colour, the nearest one of the strip that is not; where all are, the brightest one.
    """

    def __init__(self) -> None:
        self._clip: OpenClip | None = None
        self._on_screen = OnScreen(np.zeros(0))
        self._times: Float64[np.ndarray, " n"] = np.zeros(0)
        self._strip: list[np.ndarray] = []
        self._poster: tuple[tuple[bool, float], np.ndarray] | None = None

    def begin(self, clip: OpenClip, packets: PacketTimes) -> Float64[np.ndarray, " n"]:
        """Takes the clip that is about to pass, and returns the times of the frames that are needed."""
        shares = (np.arange(USUAL_IN_STRIP) + 0.5) / USUAL_IN_STRIP
        self._clip = clip
        self._times = np.insert(shares, USUAL_IN_STRIP // 2, 0.5) * packets.end
        self._on_screen = OnScreen(self._times)
        return self._times

    @property
    def done(self) -> bool:
        """Whether all that is needed has passed."""
        return self._on_screen.done

    def see(self, time: float, frame: VideoFrame) -> None:
        """Takes the next frame, after its time in seconds."""
        for number, _, shown in self._on_screen.see(time, frame):
            self._keep(number, shown)

    def end(self) -> bool:
        """Ends the clip, and returns whether there is anything to show."""
        for number, _, shown in self._on_screen.end():
            self._keep(number, shown)
        return bool(self._strip)

    def poster(self) -> bytes:
        """Returns the poster as JPEG."""
        assert self._poster is not None, "no frame has passed"
        return as_jpeg(self._poster[1])

    def film_strip(self) -> bytes:
        """Returns the film strip as JPEG."""
        return as_jpeg(np.concatenate(self._strip, axis=1))

    def _keep(self, number: int, frame: VideoFrame) -> None:
        assert self._clip is not None, "no clip has begun"
        middle = USUAL_IN_STRIP // 2
        if number != middle or not self._strip:
            self._strip.append(self._clip.picture(frame, 4 * STRIP_HEIGHT, STRIP_HEIGHT))
        grey = self._clip.picture(frame, width=64).mean(axis=2)
        some = shows_something(grey)
        worth = some, -abs(number - middle) if some else float(grey.mean())
        if self._poster is None or worth > self._poster[0]:
            self._poster = worth, self._clip.picture(frame, width=POSTER_WIDTH)
