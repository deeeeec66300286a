"""This module links videos to their clips, and divides long ones into the parts that their features name."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from data_pipeline.annotations.caption import Segment
from data_pipeline.features.provenance import SourceClip
from data_pipeline.features.source import FeatureSource
from data_pipeline.features.streams import FeatureReader


def clips_of(ids: Sequence[str], sources: Iterable[FeatureSource]) -> dict[str, SourceClip]:
    """Returns the clip of each video of which a stream knows it; the first stream that does decides."""
    found: dict[str, SourceClip] = {}
    for source in sources:
        found |= {
            video: clip for video in ids if video not in found and (clip := source.clip(video)) is not None
        }
    return found


def parts_of(
    ids: Sequence[str], clips: Mapping[str, SourceClip], reader: FeatureReader
) -> dict[str, Segment | None]:
    """Returns parts by their ids, ``<id>#01`` and on, in the order of the videos; None for one that stays whole.

    A part in which some stream has no frame is left out; a video without any other part stays whole.
    """
    found: dict[str, Segment | None] = {}
    for video in ids:
        parts = [Segment(video, start, end) for start, end in clips[video].parts] if video in clips else []
        seen = reader.covered(video, parts) if parts else []
        digits = max(2, len(str(len(parts))))
        kept: dict[str, Segment | None] = {
            f"{video}#{number:0{digits}d}": part
            for number, (part, covered) in enumerate(zip(parts, seen, strict=True), start=1)
            if covered
        }
        found |= kept or {video: None}
    return found


class LastRead(FeatureSource):
    """A source that remembers the video that was read last: the parts of a long one are read one after the other."""

    def __init__(self, source: FeatureSource) -> None:
        """Takes the source that is read."""
        self._source, self.description = source, source.description
        self._last: tuple[str, np.ndarray] | None = None

    def ids(self) -> set[str]:
        """Ids of the videos; see `FeatureSource.ids`."""
        return self._source.ids()

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video; see `FeatureSource.read`."""
        if self._last is None or self._last[0] != video_id:
            self._last = video_id, self._source.read(video_id)
        return self._last[1]

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        return self._source.times(video_id, frames)
