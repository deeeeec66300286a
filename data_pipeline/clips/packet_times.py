"""This module reads the times of all frames of a clip without decoding one, from the packets that hold them."""

import dataclasses

import av
import numpy as np
from jaxtyping import Float64

from data_pipeline.clips.open_clip import TIME_TOLERANCE, OpenClip

LONGEST_STILL = 600.0
"""A frame that stays longer than so many seconds is taken as damage: a file may claim any time."""


@dataclasses.dataclass(frozen=True)
class PacketTimes:
    """The times of the frames of a clip, as far as they can be read.

    What the container says of its length is not trusted: it may have been cut off, or never been true.

    Attributes:
        seconds: when each frame comes on the screen, from the start of the file, increasing.
        end: when the last one leaves it.
        fault: what is wrong with the file, in a phrase; empty where nothing is known to be.
        late: so many seconds are all time stamps late, which are guessed for AVI; `seconds` and `end` are not.
    """

    seconds: Float64[np.ndarray, " f"]
    end: float
    fault: str = ""
    late: float = 0.0

    @classmethod
    def read(cls, clip: OpenClip) -> "PacketTimes":
        """Reads a clip from where it is to its end."""
        stamps: list[int] = []
        last, duration, late, fault = -1, 0, 0, ""
        try:
            for packet in clip.packets():
                stamp = packet.dts if packet.pts is None else packet.pts
                if stamp is None or packet.is_discard:
                    continue
                if not stamps and clip.guesses_times:
                    late = stamp - (stamp if packet.dts is None else packet.dts)
                stamps.append(stamp)
                if stamp >= stamps[last]:
                    last, duration = len(stamps) - 1, packet.duration or 0
        except av.FFmpegError as error:
            fault = f"the file breaks off: {error.strerror}"
        if not stamps:
            return cls(np.zeros(0), 0.0, fault)
        seconds = (np.unique(np.array(stamps, np.int64)) - late) * float(clip.time_base) - clip.origin
        usual = (
            float(np.median(np.diff(seconds)))
            if len(seconds) > 1
            else 1 / float(clip.stream.average_rate or 25)
        )
        stays = duration * float(clip.time_base) or usual
        gaps = np.flatnonzero(np.diff(seconds) > LONGEST_STILL)
        if len(gaps) or stays > LONGEST_STILL:
            kept = seconds[: gaps[0] + 1] if len(gaps) else seconds
            fault = (
                fault
                or f"a frame is said to stay longer than {LONGEST_STILL:.0f} s, the one at {kept[-1]:.2f} s"
            )
            return cls(kept, float(kept[-1]) + min(usual, LONGEST_STILL), fault, late * float(clip.time_base))
        end = float(seconds[-1]) + stays
        promised = clip.promised_end
        if not fault and promised is not None and promised > end + max(1.0, 0.1 * end):
            fault = f"the file says that it has {promised:.2f} s, and has {end:.2f} s"
        return cls(seconds, end, fault, late * float(clip.time_base))

    def shown_at(self, times: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Returns when the frame that is on the screen at each time came there; before the first one, that one."""
        number = np.searchsorted(self.seconds, times + TIME_TOLERANCE, side="right") - 1
        return self.seconds[np.maximum(number, 0)] if len(self.seconds) else np.zeros(0)
