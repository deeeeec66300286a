"""What the features of each stream are like, and what is wrong with any of them, before anything costly is done."""

import collections
import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from data_pipeline.annotations.reading import first_few
from data_pipeline.errors import Faults, InputError
from data_pipeline.features.source import (
    FeatureSource,
    FrameShape,
    another_shape,
    check_layout,
    check_values,
)
from data_pipeline.features.stream_values import StreamValues
from data_pipeline.host.progress_bar import track
from data_pipeline.manifest import FRAMES, REGIONS

MOST_VIDEOS = 50_000
"""Of more videos as many, spread evenly, are read here; the rest is checked when it is written."""

_SAME_NETWORK = 0.9
"""Part of the videos that must share the shape of a frame before the others count as exceptions."""


@dataclasses.dataclass(frozen=True)
class StreamProfile:
    """What the videos of a stream that were read are like.

    Attributes:
        name: of the stream.
        description: of its source.
        videos: how many were read.
        known_videos: how many there are.
        frames: fewest, median and most frames of a video.
        frame_shape: ``(dim,)`` or ``(regions, dim)``.
        values: smallest and largest value.
        notes: what may be wrong, a sentence each.
    """

    name: str
    description: str
    videos: int
    known_videos: int
    frames: tuple[int, float, int]
    frame_shape: tuple[int, ...]
    values: tuple[float, float]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        fewest, median, most = self.frames
        of = f" of {self.known_videos}" if self.videos < self.known_videos else ""
        frames = f"{fewest}" if fewest == most else f"{fewest} to {most} (median {median:g})"
        regions = f" of {self.frame_shape[0]} regions" if len(self.frame_shape) == 2 else ""
        return (
            f"stream {self.name} ({self.description}): {self.videos}{of} videos read; frames {frames}{regions}, "
            f"dimension {self.frame_shape[-1]}, values {self.values[0]:.3g} to {self.values[1]:.3g}"
        )


def profile_streams(
    features: Mapping[str, FeatureSource], video_ids: Sequence[str], region_streams: Collection[str] = ()
) -> list[StreamProfile]:
    """Reads the videos of all streams, one at a time, and judges them together.

    Args:
        features: sources by the stream's name.
        video_ids: ids that every source has, at least one.
        region_streams: streams that hold ``[frames, regions, dim]`` even if each video has one frame or one region.

    Raises:
        InputError: features cannot be used; the message names faults of all streams.
    """
    read_ids = video_ids
    if len(video_ids) > MOST_VIDEOS:
        read_ids = [video_ids[index] for index in np.linspace(0, len(video_ids) - 1, MOST_VIDEOS).astype(int)]
    streams = [_Stream(name, source) for name, source in features.items()]
    for stream in streams:
        for video_id in track(read_ids, len(read_ids), f"reading {stream.name}", "videos"):
            stream.read(video_id)
    faults = [fault for stream in streams for fault in stream.judge(stream.name in region_streams)]
    if not faults:
        kinds = [REGIONS if len(stream.frame_shape) == 2 else FRAMES for stream in streams]
        if FRAMES not in kinds or kinds.count(REGIONS) > 1:
            faults = [
                f"feature streams {first_few([stream.name for stream in streams])} are of kinds {', '.join(kinds)}; "
                f"expected at least one {FRAMES!r}, [frames, dim], and at most one {REGIONS!r}, [frames, regions, dim]"
            ]
    if faults:
        head = ["features that cannot be used:"] if len(faults) > 1 else []
        raise InputError("\n  ".join(head + faults))
    return [stream.profile(len(video_ids)) for stream in streams]


class _Stream:
    """Sums up the videos of a stream as they are read."""

    def __init__(self, name: str, source: FeatureSource) -> None:
        self.name, self._source = name, source
        self._faults = Faults()
        self._shapes: dict[str, tuple[int, ...]] = {}
        """By video; its faulty values do not matter for it."""
        self._values = StreamValues()

    def read(self, video_id: str) -> None:
        """Takes one video, or notes what is wrong with it."""
        with self._faults.gathered():
            array = self._source.read(video_id)
            check_layout(array, self._where(video_id))
            self._shapes[video_id] = array.shape
            # NumPy computes slowly with float16.
            values = array.astype(np.float32) if array.dtype.itemsize < 4 else array
            check_values(values, self._where(video_id))
            self._source.times(video_id, len(array))
            self._values.update(video_id, values)

    def judge(self, has_regions: bool) -> list[str]:
        """What makes the stream unusable; empty if nothing does."""
        axes = self._wrong_axes(has_regions) if self._shapes else []
        # Extremes of dimensions mean nothing where dimensions differ.
        return [
            *self._faults.lines(),
            *(axes or [f"{self._source.description}: {fault}" for fault in self._values.faults()]),
        ]

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame in most of the videos."""
        ((shape, _),) = collections.Counter(shape[1:] for shape in self._shapes.values()).most_common(1)
        return shape

    def profile(self, known_videos: int) -> StreamProfile:
        """What the videos are like; `judge` must have found no fault."""
        frames = [shape[0] for shape in self._shapes.values()]
        return StreamProfile(
            name=self.name,
            description=self._source.description,
            videos=len(frames),
            known_videos=known_videos,
            frames=(min(frames), float(np.median(frames)), max(frames)),
            frame_shape=self.frame_shape,
            values=self._values.range,
            notes=tuple(f"stream {self.name!r}: {note}" for note in self._notes()),
        )

    def _where(self, video_id: str) -> str:
        return f"{self._source.description}, video {video_id!r}"

    def _wrong_axes(self, has_regions: bool) -> list[str]:
        shapes = list(self._shapes.values())
        first = next(iter(self._shapes))
        example = f"such as {list(shapes[0])} of video {first!r}"
        videos = f"{self._source.description}: all {len(shapes)} videos"
        if all(len(shape) == 3 for shape in shapes) and not has_regions:
            remedy = f"or give --regions={self.name} if they are [frames, regions, dim]"
            if all(shape[0] == 1 for shape in shapes):
                return [
                    f"{videos} have a first axis of length 1, {example}; if it is the axis of a batch, store "
                    f"[frames, dim] (array[0]), {remedy} with one frame a video"
                ]
            if all(shape[1] == 1 for shape in shapes):
                return [
                    f"{videos} have a second axis of length 1, {example}; store [frames, dim] (array[:, 0]), {remedy} "
                    "with one region a frame"
                ]
        if has_regions and any(len(shape) == 2 for shape in shapes):
            flat = next(video_id for video_id, shape in self._shapes.items() if len(shape) == 2)
            return [
                f"{self._where(flat)}: expected [frames, regions, dim] by --regions={self.name}, found shape "
                f"{list(self._shapes[flat])}; leave the flag out, or store regions"
            ]
        expected = self.frame_shape
        odd = [video_id for video_id, shape in self._shapes.items() if shape[1:] != expected]
        if len(odd) > (1 - _SAME_NETWORK) * len(shapes) and (axis := _time_axis(shapes)):
            lengths = [shape[axis] for shape in shapes]
            swapped = "array.T" if len(shapes[0]) == 2 else f"np.moveaxis(array, {axis}, 0)"
            return [
                f"{videos} have a first axis of length {shapes[0][0]}, and axis {axis + 1} varies from {min(lengths)} "
                f"to {max(lengths)}, {example}; expected [frames, dim] or [frames, regions, dim], in which only the "
                f"frames vary: if the axes are exchanged, store {swapped}, else use features of one network"
            ]
        like = FrameShape(
            expected, next(video_id for video_id, shape in self._shapes.items() if shape[1:] == expected)
        )
        faults = Faults()
        for each in odd:
            faults.add(str(another_shape(self._shapes[each], like, self._where(each))))
        return faults.lines()

    def _notes(self) -> list[str]:
        notes = self._values.notes()
        frames = {shape[0] for shape in self._shapes.values()}
        dim = self.frame_shape[-1]
        # Real videos of which all are that long, in so few dimensions, are rare.
        if len(self._shapes) > 1 and len(frames) == 1 and min(frames) >= max(128, 4 * dim):
            notes.append(
                f"all videos have {min(frames)} frames of dimension {dim}; if these are {dim} frames of dimension "
                f"{min(frames)}, the axes are exchanged: store array.T"
            )
        return notes


def _time_axis(shapes: Sequence[tuple[int, ...]]) -> int:
    """The axis that alone varies where frames should be the first one; 0 if there is no such axis."""
    if len({len(shape) for shape in shapes}) > 1:
        return 0
    varying = [axis for axis, lengths in enumerate(zip(*shapes, strict=True)) if len(set(lengths)) > 1]
    return varying[0] if len(varying) == 1 else 0
