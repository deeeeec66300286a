"""This module makes batches of videos whose features are given and not prepared, without TensorFlow.

The batches are the same, bit for bit, as those of the records that a preparation makes of the features.
"""

import copy
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.batches.batch import BatchLimits, VideoBatch
from data_pipeline.batches.clip_parts import LastRead, clips_of, parts_of
from data_pipeline.errors import Faults, InputError, first_few, nearest_name, shown
from data_pipeline.features.frames import FrameOptions
from data_pipeline.features.in_memory import ArrayFeatures
from data_pipeline.features.source import FEATURES, FeatureSource, check_layout, check_values
from data_pipeline.features.streams import FeatureReader, VideoFrames, open_features
from data_pipeline.host.progress_bar import track_if
from data_pipeline.manifest import FeatureStream, Manifest
from data_pipeline.records.schema import frame_shape

NPY = ".npy"


class GivenVideos:
    """The videos of a mapping, a file or a folder of features, for a model that was trained on such features.

    Attributes:
        ids: of the videos; in the order of the (first) mapping, or sorted where they come from files.
        frame_times: seconds of the frames of each video that was read, float32 [f]; empty where unknown.
        segments: the part of a longer video that each one is, by id, where it is one.
        clips: the path of the clip of each video, by id, where the features tell it.
    """

    def __init__(
        self,
        features: Any,
        manifest: Manifest,
        limits: BatchLimits,
        frame_rate: float | Mapping[str, float | None] | None = None,
        show_progress: bool | None = None,
        only: Sequence[str] | None = None,
        in_parts: bool = False,
    ) -> None:
        """Opens the features and looks at every video, so that all faults are said at once.

        Args:
            features: arrays [frames, dim] (or [frames, regions, dim]) by video id; the path of an HDF5 file, an .npz
                archive, a folder of either or of .npy files, or one .npy file, the only video. With several streams,
                a mapping of these by the name of the stream.
            manifest: the manifest of the data that the model was trained on.
            limits: the sizes to which batches are padded or cut.
            frame_rate: frames per second, where the features tell no times; of all streams, or by the name of each.
            show_progress: whether it is shown how many batches were read; by default for long work.
            only: the ids of the videos that are read; by default all.
            in_parts: whether the parts of a long video that its features name become videos of their own.

        Raises:
            InputError: a stream is missing or unknown, or made by another encoder than the model's; a video is unknown
                or lacks a stream, or its features cannot be used.
        """
        self._manifest, self._limits, self._show_progress = manifest, limits, show_progress
        sources = _open_streams(features, manifest.streams, frame_rate)
        first = next(iter(sources.values()))
        known = first.in_order if isinstance(first, ArrayFeatures) else sorted(first.ids())
        self.ids = known if only is None else _chosen(only, known)
        self._check(sources, all_ids=only is None)
        options = FrameOptions(manifest.frames.alignment, manifest.frames.count)
        remembered = {name: LastRead(source) for name, source in sources.items()}
        self._reader = FeatureReader(remembered if in_parts else sources, self.ids[0], options)
        linked = clips_of(self.ids, sources.values())
        parts = parts_of(self.ids, linked, self._reader) if in_parts else dict.fromkeys(self.ids)
        self.ids = list(parts)
        self.segments = {video: part for video, part in parts.items() if part is not None}
        self.clips = {video: linked[of].path for video in self.ids if (of := self.whole(video)) in linked}
        self.frame_times: dict[str, np.ndarray] = {}

    def _check(self, sources: Mapping[str, FeatureSource], all_ids: bool) -> None:
        faults = Faults()
        for name, source in sources.items():
            others = source.ids() if all_ids else source.ids() & set(self.ids)
            if missing := set(self.ids) ^ others:
                faults.add(
                    f"stream {name!r} and the others have different videos: {first_few(sorted(missing))}; every video "
                    "needs all streams"
                )
        faults.check()
        for stream in self._manifest.streams:
            with faults.gathered():
                _check_encoder(sources[stream.name], stream)
        faults.check()
        for video_id in self.ids:
            for stream in self._manifest.streams:
                with faults.gathered():
                    _check_video(sources[stream.name], video_id, stream)
        faults.check()

    def __len__(self) -> int:
        return len(self.ids)

    def whole(self, video: str) -> str:
        """Returns the id of the longer video that a part belongs to; that of a whole video itself."""
        return self.segments[video].video_id if video in self.segments else video

    def part(self, ids: Sequence[str]) -> "GivenVideos":
        """Returns some of the videos, which are not looked at again, with frame times of their own."""
        part = copy.copy(self)
        part.ids, part.frame_times = list(ids), {}
        return part

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """Yields all videos, in batches of the same size, with the ids of the real rows; the other rows are padding."""
        starts = range(0, len(self.ids), batch_size)
        for start in track_if(self._show_progress, starts, len(starts), "encoding videos"):
            ids = self.ids[start : start + batch_size]
            videos = [self._reader.read(video_id, self.segments.get(video_id)) for video_id in ids]
            for video_id, video in zip(ids, videos, strict=True):
                longest = max(len(array) for array in (video.frames | video.regions).values())
                kept = _uniform(longest, min(longest, self._limits.max_frames))
                self.frame_times[video_id] = video.times[kept] if len(video.times) else video.times
            yield ids, lay_out_videos(videos, self._manifest, self._limits, batch_size)


def _chosen(only: Sequence[str], known: Sequence[str]) -> list[str]:
    """Returns the ids, of which each must be known.

    Raises:
        InputError: names those that are not.
    """
    if isinstance(only, str) or not only:
        raise InputError(f"only is {shown(only)}; expected the ids of one video or more, as a list")
    if unknown := sorted(set(only) - set(known)):
        raise InputError(
            f"there are no features of {first_few(unknown)}; {nearest_name(unknown[0], known)}there are those of "
            f"{first_few(sorted(known))}"
        )
    return list(dict.fromkeys(only))


def lay_out_videos(
    videos: Sequence[VideoFrames], manifest: Manifest, limits: BatchLimits, rows: int
) -> VideoBatch:
    """Returns videos as a batch of `rows` rows, each sampled to at most ``max_frames`` frames.

    Args:
        videos: their features, by stream.
        manifest: names the streams, in the order in which they lie side by side.
        limits: the sizes of the batch.
        rows: at least as many as videos; the others are padding.
    """
    mask = np.zeros((rows, limits.max_frames), bool)
    arrays = {
        stream.name: np.zeros((rows, limits.max_frames, *frame_shape(stream)), np.float16)
        for stream in manifest.streams
    }
    for row, video in enumerate(videos):
        of_streams = video.frames | video.regions
        kept = min(max(map(len, of_streams.values())), limits.max_frames)
        mask[row, :kept] = True
        for name, array in of_streams.items():
            arrays[name][row, :kept] = array[_uniform(len(array), kept)]
    region_stream = manifest.region_stream
    return VideoBatch(
        frames=np.concatenate([arrays[stream.name] for stream in manifest.frame_streams], axis=-1),
        frame_mask=mask,
        regions=None if region_stream is None else arrays[region_stream.name],
        labels={level: np.zeros((rows, size), bool) for level, size in manifest.attribute_sizes.items()},
    )


def _uniform(frames: int, kept: int) -> np.ndarray:
    """Returns ``round(linspace(0, frames - 1, kept))``, computed as the input pipeline does [kept]."""
    step = (frames - 1) / max(kept - 1, 1)
    return np.minimum(np.round(np.arange(kept) * step), frames - 1).astype(np.intp)


def _open_streams(
    features: Any, streams: Sequence[FeatureStream], frame_rate: float | Mapping[str, float | None] | None
) -> dict[str, FeatureSource]:
    """Opens the source of each stream, in the order of the manifest."""
    names = [stream.name for stream in streams]
    rates = frame_rate if isinstance(frame_rate, Mapping) else dict.fromkeys(names, frame_rate)
    if len(streams) == 1 and not (isinstance(features, Mapping) and _are_streams(features, names)):
        return {names[0]: _open(features, rates.get(names[0]))}
    if not isinstance(features, Mapping) or not set(features) & set(names):
        raise InputError(
            f"the model reads the streams {'; '.join(map(_shape_of, streams))}; expected a mapping of features by "
            f"stream, such as {{{names[0]!r}: {{'video': array}}, …}} (on a command line, {names[0]}=PATH for each)"
        )
    faults = Faults()
    for name in features:
        if name not in names:
            faults.add(
                f"the model reads no stream {name!r}; {nearest_name(str(name), names)}it reads {', '.join(names)}"
            )
    for name in names:
        if name not in features:
            faults.add(f"there are no features of stream {name!r}, which the model reads")
    faults.check()
    return {name: _open(features[name], rates.get(name)) for name in names}


def _are_streams(features: Mapping[Any, Any], names: Sequence[str]) -> bool:
    """Returns whether a mapping is one by stream: it has a stream's name, and no array there."""
    return any(isinstance(features.get(name), Mapping | str | pathlib.Path) for name in names)


def _open(features: Any, frame_rate: float | None) -> FeatureSource:
    if isinstance(features, Mapping):
        return ArrayFeatures(features, frame_rate)
    if not isinstance(features, str | pathlib.Path):
        raise InputError(
            f"expected features as a mapping {{id: array}} or a path, found {type(features).__name__}; one video is "
            "{'video': array}"
        )
    path = pathlib.Path(features)
    if path.suffix == NPY and path.is_file():
        return ArrayFeatures({path.stem: _read_array(path)}, frame_rate)
    return open_features(path, frame_rate)


def _read_array(path: pathlib.Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as an array ({error}); write it with numpy.save") from error


def _shape_of(stream: FeatureStream) -> str:
    return f"{stream.name} [{', '.join(['frames', *map(str, frame_shape(stream))])}]"


def _check_encoder(source: FeatureSource, stream: FeatureStream) -> None:
    """Refuses features of another encoder than that of the training; what is unknown on either side is taken."""
    found, expected = source.provenance(), stream.provenance
    if found and expected and (difference := expected.difference(found)):
        raise InputError(
            f"{source.description}: made by {found}; the model's stream {stream.name!r} is of {expected}: "
            f"{difference}; extract the clips again with the model's (mcsan extract --encoder={expected.opened_as})"
        )


def _check_video(source: FeatureSource, video_id: str, stream: FeatureStream) -> None:
    """Refuses features that are not as those that the model was trained on."""
    array = source.read(video_id)
    where = f"{source.description}, video {video_id!r}, stream {stream.name!r}"
    if len(array.shape) and array.shape[0] == 0:
        raise InputError(f"{where}: no frames (shape {list(array.shape)}); extract it again or leave it out")
    check_layout(array, where)
    if array.shape[1:] != frame_shape(stream):
        raise InputError(
            f"{where}: found {FEATURES} of shape {list(array.shape)}; the model was trained on {_shape_of(stream)}, "
            f"from {stream.source}"
        )
    check_values(array, where)
