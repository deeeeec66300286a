"""This module reads the times of all frames of a clip without decoding one, from the packets that hold them."""

import dataclasses
from typing import Any

import av
import numpy as np
from jaxtyping import Float64

from data_pipeline.clips.open_clip import TIME_TOLERANCE, OpenClip

LONGEST_STILL = 600.0
"""A frame that stays longer than so many seconds is taken as damage: a file may claim any time."""

_MARK_KEY_FRAMES = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""FFmpeg's names of the containers that list the frames which are decoded without another."""


@dataclasses.dataclass(frozen=True)
class PacketTimes:
    """The times of the frames of a clip, as far as they can be read.

    What the container says of its length is not trusted: it may have been cut off, or never been true.

    Attributes:
        seconds: when each frame comes on the screen, from the start of the file, increasing.
        end: when the last one leaves it.
        fault: what is wrong with the file, in a phrase; empty where nothing is known to be.
        late: so many seconds are all time stamps late, which are guessed for AVI; `seconds` and `end` are not.
        keys: the times of the frames that are decoded without another, where the container marks them reliably.
    """

    seconds: Float64[np.ndarray, " f"]
    end: float
    fault: str = ""
    late: float = 0.0
    keys: Float64[np.ndarray, " k"] = dataclasses.field(default_factory=lambda: np.zeros(0))

    @classmethod
    def read(cls, clip: OpenClip) -> "PacketTimes":
        """Reads a clip from where it is to its end."""
        stamps: list[int] = []
        keys: list[int] = []
        last, duration, late, fault = -1, 0, 0, ""
        try:
            for packet in clip.packets():
                stamp = packet.dts if packet.pts is None else packet.pts
                if stamp is None or packet.is_discard:
                    continue
                if not stamps and clip.guesses_times:
                    late = stamp - (stamp if packet.dts is None else packet.dts)
                stamps.append(stamp)
                if packet.is_keyframe:
                    keys.append(stamp)
                if stamp >= stamps[last]:
                    last, duration = len(stamps) - 1, packet.duration or 0
        except av.FFmpegError as error:
            fault = f"the file breaks off: {error.strerror}"
        if not stamps:
            return cls(np.zeros(0), 0.0, fault)
        unit = float(clip.time_base)
        seconds, key_seconds = ((np.unique(one) - late) * unit - clip.origin for one in (stamps, keys))
        steps = np.diff(seconds)
        usual = float(np.median(steps)) if len(steps) else 1 / float(clip.stream.average_rate or 25)
        stays = duration * unit or usual
        gaps = np.flatnonzero(steps > LONGEST_STILL)
        if len(gaps) or stays > LONGEST_STILL:
            seconds = seconds[: gaps[0] + 1] if len(gaps) else seconds
            stays = min(usual, LONGEST_STILL)
            fault = (
                fault
                or f"a frame is said to stay longer than {LONGEST_STILL:.0f} s, that at {seconds[-1]:.2f} s"
            )
        end = float(seconds[-1]) + stays
        promised = clip.promised_end
        if not fault and promised is not None and promised > end + max(1.0, 0.1 * end):
            fault = f"the file says that it has {promised:.2f} s, and has {end:.2f} s"
        reliable = clip.container.format.name in _MARK_KEY_FRAMES
        return cls(seconds, end, fault, late * unit, key_seconds if reliable else np.zeros(0))

    def shown_at(self, times: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Returns when the frame that is on the screen at each time came there; before the first one, that one."""
        number = np.searchsorted(self.seconds, times + TIME_TOLERANCE, side="right") - 1
        return self.seconds[np.maximum(number, 0)] if len(self.seconds) else np.zeros(0)


class NeededPackets:
    """It says which packets must be decoded, so that the frames on the screen at some times are.

    Key frames divide a clip into groups. A group is decoded where one of its frames is needed, and of the group after
    it the frames that come on the screen before its key frame, because they belong to both.
    """

    def __init__(self, clip: OpenClip, packets: PacketTimes, times: Float64[np.ndarray, " n"]) -> None:
        """Takes the clip, its times, and those at which frames are needed."""
        self._clip, self._keys = clip, packets.keys
        self._needed = set(self._groups(packets.shown_at(times)).tolist())
        # What comes before the first key frame that the file marks is always decoded.
        self._group, self._begin = -1, -np.inf

    def __call__(self, packet: Any) -> bool:
        """Returns whether a packet is decoded; they come in the order in which they lie in the file."""
        if not len(self._keys) or packet.pts is None:
            return True
        time = self._clip.seconds(packet.pts)
        if packet.is_keyframe:
            self._group, self._begin = int(self._groups(np.array([time]))[0]), time
        if self._group < 0 or self._group in self._needed:
            return True
        return self._group - 1 in self._needed and time <= self._begin

    def _groups(self, times: Float64[np.ndarray, " n"]) -> np.ndarray:
        return np.searchsorted(self._keys, times + TIME_TOLERANCE, side="right") - 1
