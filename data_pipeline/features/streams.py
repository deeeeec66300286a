"""Opens precomputed features and joins the streams of a video."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from data_pipeline.annotations.caption import Segment
from data_pipeline.errors import InputError, nearest_name
from data_pipeline.features import bigfile, hdf5, numpy_files
from data_pipeline.features.foreign_files import foreign_folder, is_archive_of_arrays
from data_pipeline.features.frames import TIME, FrameOptions, check_times, frames_within, nearest_frames
from data_pipeline.features.source import FeatureSource, FrameShape, check_features
from data_pipeline.features.statistics import RunningStatistics
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream


def stream_names(paths: Iterable[str]) -> dict[str, pathlib.Path]:
    """Names of streams from ``NAME=PATH`` or plain ``PATH`` (then the file's or folder's own name, without ending).

    Raises:
        InputError: a name is empty or occurs twice.
    """
    named: dict[str, pathlib.Path] = {}
    for given in paths:
        name, separator, path = given.partition("=")
        # A folder's name may hold "=", too.
        if not separator or "/" in name:
            name, path = pathlib.Path(given).stem.replace(".", "_"), given
        if not name or not path or name in named:
            fault = f"a second stream named {name!r}" if name in named else "a name or a path is empty"
            raise InputError(
                f"--features={given}: {fault}; expected PATH or NAME=PATH, each with a name of its own"
            )
        named[name] = pathlib.Path(path)
    return named


def frame_rates(given: Iterable[str], streams: Iterable[str]) -> dict[str, float]:
    """Frames per second of streams from ``NAME=RATE``, or from a plain ``RATE`` for all that are not named.

    Args:
        given: what was given for the flag.
        streams: names of all streams.

    Returns:
        The rate of each stream that has one.

    Raises:
        InputError: a stream is unknown or named twice, a second plain rate, or a rate is not a positive number.
    """
    known = list(streams)
    named: dict[str, float] = {}
    general: dict[str, float] = {}
    for value in given:
        # A stream's name may hold "=", too.
        name, separator, rate = value.rpartition("=")
        if separator and name not in known:
            raise InputError(
                f"--frame_rate={value}: no stream named {name!r}; {nearest_name(name, known)}expected one of "
                f"{', '.join(known)}"
            )
        rates, names = (named, [name]) if separator else (general, known)
        if any(one in rates for one in names):
            raise InputError(
                f"--frame_rate={value}: a second rate for {name if separator else 'all streams'}; give one"
            )
        rates |= dict.fromkeys(names, _positive(rate, value))
    return general | named


def _positive(rate: str, given: str) -> float:
    try:
        number = float(rate)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(
            f"--frame_rate={given}: expected RATE or NAME=RATE with a positive number of frames per second, "
            f"found {rate!r}"
        )
    return number


@dataclasses.dataclass(frozen=True)
class VideoFrames:
    """The features of a video.

    Attributes:
        frames: per stream with one vector per frame, float16 ``[f, dim]``; streams may differ in ``f``.
        regions: per stream with several, float16 ``[f, k, dim]``.
        times: seconds of the frames of the longest stream, float32 ``[f]``, empty where unknown; those of a segment
            are seconds of the longer video.
    """

    frames: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]
    times: np.ndarray


class FeatureReader:
    """Reads videos from one or several sources. It keeps nothing of what it reads and can be pickled."""

    def __init__(
        self, sources: Mapping[str, FeatureSource], first_video: str, options: FrameOptions | None = None
    ) -> None:
        """Looks at one video to learn the shape of each stream's frames.

        Args:
            sources: by the stream's name.
            first_video: id of a video that the sources hold (for a segment, of the longer video).
            options: which frames are kept; by default all.

        Raises:
            InputError: its features cannot be used.
        """
        self._sources = dict(sources)
        self._options = options or FrameOptions()
        self._shapes: dict[str, FrameShape] = {
            name: check_features(source.read(first_video), first_video, source.description, None)
            for name, source in self._sources.items()
        }

    def read(self, video_id: str, segment: Segment | None = None) -> VideoFrames:
        """Features of a video, or of a segment of the longer video that the segment names.

        Raises:
            InputError: features are missing, broken, or of another dimension than the rest; times are needed but
                unknown; no frame lies in the segment.
        """
        stored_as = segment.video_id if segment else video_id
        arrays = {name: self._array(name, stored_as) for name in self._sources}
        times = {name: self._times(name, stored_as, len(array)) for name, array in arrays.items()}
        chosen = {name: np.arange(len(array)) for name, array in arrays.items()}
        if segment:
            chosen = {name: self._cut(name, video_id, segment, known) for name, known in times.items()}
        # Of streams of the same length one whose times are known.
        longest = max(chosen, key=lambda name: (len(chosen[name]), times[name] is not None))
        if self._options.alignment == TIME:
            chosen = self._align(stored_as, longest, chosen, times)
        chosen = {name: kept[self._options.sample(len(kept))] for name, kept in chosen.items()}
        values = {name: arrays[name][kept].astype(np.float16) for name, kept in chosen.items()}
        seconds = times[longest]
        return VideoFrames(
            frames={name: array for name, array in values.items() if not self._has_regions(name)},
            regions={name: array for name, array in values.items() if self._has_regions(name)},
            times=np.zeros(0, np.float32) if seconds is None else seconds[chosen[longest]],
        )

    def covered(self, video_id: str, segments: Iterable[Segment]) -> list[bool]:
        """For each segment of a longer video, whether every stream has a frame in it.

        Raises:
            InputError: features are missing or broken, or the times of their frames are unknown.
        """
        arrays = {name: self._array(name, video_id) for name in self._sources}
        times = {
            name: self._known(
                name, video_id, self._times(name, video_id, len(array)), "a part of a longer video"
            )
            for name, array in arrays.items()
        }
        return [all(len(frames_within(known, segment)) for known in times.values()) for segment in segments]

    def new_statistics(self) -> dict[str, RunningStatistics]:
        """Empty statistics of each stream, to be updated with the arrays of the videos that count."""
        return {name: RunningStatistics() for name in self._sources}

    def describe(self, statistics: Mapping[str, RunningStatistics]) -> list[FeatureStream]:
        """The streams for the manifest; mean 0 and deviation 1 where nothing was counted."""
        return [self._describe(name, statistics[name]) for name in self._sources]

    def _describe(self, name: str, statistics: RunningStatistics) -> FeatureStream:
        shape = self._shapes[name].shape
        counted = statistics.count > 0
        return FeatureStream(
            name=name,
            kind=REGIONS if self._has_regions(name) else FRAMES,
            dim=shape[-1],
            regions=shape[0] if self._has_regions(name) else 0,
            mean=tuple(statistics.mean.tolist()) if counted else (0.0,) * shape[-1],
            std=tuple(statistics.std.tolist()) if counted else (1.0,) * shape[-1],
            source=self._sources[name].description,
            provenance=self._sources[name].provenance(),
        )

    def _has_regions(self, name: str) -> bool:
        return len(self._shapes[name].shape) == 2

    def _array(self, name: str, video_id: str) -> np.ndarray:
        source = self._sources[name]
        array = source.read(video_id)
        check_features(array, video_id, source.description, self._shapes[name])
        return array

    def _times(self, name: str, video_id: str, frames: int) -> np.ndarray | None:
        source = self._sources[name]
        times = source.times(video_id, frames)
        return (
            None if times is None else check_times(times, frames, f"{source.description}, video {video_id!r}")
        )

    def _known(self, name: str, video_id: str, times: np.ndarray | None, purpose: str) -> np.ndarray:
        if times is None:
            raise InputError(
                f"{self._sources[name].description}, video {video_id!r}: {purpose} needs the times of its frames, "
                f"which stream {name!r} does not tell; give --frame_rate={name}=FRAMES_PER_SECOND"
            )
        return times

    def _cut(self, name: str, video_id: str, segment: Segment, times: np.ndarray | None) -> np.ndarray:
        known = self._known(name, segment.video_id, times, f"cutting out {video_id!r}")
        kept = frames_within(known, segment)
        if not len(kept):
            raise InputError(
                f"{self._sources[name].description}, video {video_id!r}: no frame in its segment of "
                f"{segment.video_id!r}, {segment.start:g} s to {segment.end:g} s; frames of stream {name!r} range "
                f"from {known[0]:g} s to {known[-1]:g} s: correct the segment or the frame rate, or leave it out"
            )
        return kept

    def _align(
        self,
        video_id: str,
        clock: str,
        chosen: Mapping[str, np.ndarray],
        times: Mapping[str, np.ndarray | None],
    ) -> dict[str, np.ndarray]:
        seconds = {
            name: self._known(name, video_id, times[name], "alignment by time")[kept]
            for name, kept in chosen.items()
        }
        return {name: kept[nearest_frames(seconds[clock], seconds[name])] for name, kept in chosen.items()}


_FOLDERS: dict[str, Callable[[pathlib.Path, float | None], FeatureSource]] = {
    numpy_files.NPY: numpy_files.NpyFolderFeatures,
    numpy_files.NPZ: numpy_files.NpzFolderFeatures,
    **dict.fromkeys(hdf5.ENDINGS, hdf5.Hdf5FolderFeatures),
}


def open_features(path: pathlib.Path, frame_rate: float | None = None) -> FeatureSource:
    """Opens features: an HDF5 file, an .npz archive, or a folder of .npy, .npz or HDF5 files.

    Args:
        path: file or folder.
        frame_rate: frames per second, for sources that do not tell the times of their frames; frame ``i`` is then
            at ``(i + 0.5) / frame_rate`` seconds.

    Raises:
        InputError: there is no such path, it holds no features, or a folder holds files of several kinds.
    """
    if path.is_dir():
        return _open_folder(path, frame_rate)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file or folder; give an HDF5 file, an .npz archive or a folder of such files or of "
            ".npy files"
        )
    if path.suffix == numpy_files.NPZ or is_archive_of_arrays(path):
        return numpy_files.NpzFileFeatures(path, frame_rate)
    return hdf5.Hdf5Features(path, frame_rate)


def _open_folder(folder: pathlib.Path, frame_rate: float | None) -> FeatureSource:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if bigfile.FEATURES in names:
        return bigfile.BigFileFeatures(folder, frame_rate)
    # One file of each kind, to name it.
    found = {_FOLDERS[ending]: name for name in names if (ending := pathlib.Path(name).suffix) in _FOLDERS}
    if not found:
        raise InputError(
            f"{folder}: no {', '.join(_FOLDERS)} files in this folder; expected one <video_id>.npy or "
            f"<video_id>.npz per video, or HDF5 files, {foreign_folder(folder, names)}"
        )
    if len(found) > 1:
        raise InputError(
            f"{folder}: features of several kinds, such as {' and '.join(sorted(found.values()))}; put each kind "
            "into a folder of its own"
        )
    return next(iter(found))(folder, frame_rate)
