"""Frames of several clips go through encoders together, and each clip's vectors are written as they come."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from data_pipeline.errors import InputError, shown
from data_pipeline.features.provenance import SourceClip
from mcsan_jax.extraction.decoding_processes import DecodedClip, DecodedFrames
from mcsan_jax.extraction.feature_stream_files import StreamFiles
from mcsan_jax.extraction.pending_results import PendingResults, PendingWriter
from mcsan_jax.frame_encoders.frame_encoder import EncodedFrames

_FRAMES_AT_ONCE = 128
"""A multiple of the batches of the encoders, so that they fill up none but the last."""


@dataclasses.dataclass(frozen=True)
class EncodedStream:
    """A stream whose features are being made.

    Attributes:
        files: its encoder and what it is asked for.
        results: where what is done of each clip is kept.
        keys: of the results, by the id of the clip.
    """

    files: StreamFiles
    results: PendingResults
    keys: Mapping[str, str]


@dataclasses.dataclass
class _ClipInWork:
    """A clip of which frames came: their times, how many wait to be encoded, and its end where that came as well."""

    writers: list[PendingWriter]
    seconds: list[float] = dataclasses.field(default_factory=list)
    waiting: int = 0
    end: DecodedClip | None = None


class ClipEncoding:
    """It encodes frames as soon as there are enough, whichever clips they are of; used as a context manager.

    Attributes:
        refused: why clips cannot be used though they could be decoded, by id.
    """

    def __init__(self, clips: Mapping[str, pathlib.Path], streams: Sequence[EncodedStream]) -> None:
        """Takes the clips by id, and streams whose encoders see the same pictures."""
        self.refused: dict[str, str] = {}
        self._clips, self._streams = clips, streams
        self._in_work: dict[str, _ClipInWork] = {}
        self._waiting: list[tuple[str, np.ndarray]] = []

    def __enter__(self) -> "ClipEncoding":
        """Returns itself."""
        return self

    def __exit__(self, *of_error: object) -> None:
        """Closes the files of clips that are not finished."""
        for video_id in list(self._in_work):
            self.drop(video_id)

    def add(self, frames: DecodedFrames) -> None:
        """Takes frames of a clip, and encodes those of all clips that wait, once there are enough."""
        if frames.video_id in self.refused:
            return
        clip = self._in_work.get(frames.video_id)
        if clip is None:
            writers = [stream.results.writer(stream.keys[frames.video_id]) for stream in self._streams]
            clip = self._in_work[frames.video_id] = _ClipInWork(writers)
        clip.seconds += frames.seconds.tolist()
        clip.waiting += len(frames.pictures)
        self._waiting.append((frames.video_id, frames.pictures))
        while self._count() >= _FRAMES_AT_ONCE:
            self._encode(_FRAMES_AT_ONCE)

    def end(self, clip: DecodedClip) -> None:
        """Takes note that all frames of a clip were added."""
        if clip.video_id in self.refused:
            return
        in_work = self._in_work[clip.video_id]
        in_work.end = clip
        if not in_work.waiting:
            self._finish(clip.video_id, in_work)

    def drop(self, video_id: str) -> None:
        """Forgets a clip, of which frames may have been added."""
        clip = self._in_work.pop(video_id, None)
        self._waiting = [(other, pictures) for other, pictures in self._waiting if other != video_id]
        for writer in clip.writers if clip else ():
            writer.close()

    def encode_rest(self) -> None:
        """Encodes the frames that still wait, and finishes their clips."""
        if count := self._count():
            self._encode(count)

    def _count(self) -> int:
        return sum(len(pictures) for _, pictures in self._waiting)

    def _take(self, count: int) -> list[tuple[str, np.ndarray]]:
        """Takes so many of the frames that wait, the first ones, by clip."""
        taken = []
        while count:
            video_id, pictures = self._waiting.pop(0)
            if len(pictures) > count:
                self._waiting.insert(0, (video_id, pictures[count:]))
            taken.append((video_id, pictures[:count]))
            count -= len(taken[-1][1])
        return taken

    def _encode(self, count: int) -> None:
        taken = self._take(count)
        pictures = np.concatenate([one for _, one in taken])
        encoded = [stream.files.encoder.encode(pictures, stream.files.grid) for stream in self._streams]
        start = 0
        for video_id, one in taken:
            rows = slice(start, start + len(one))
            start = rows.stop
            # A clip may be refused for the first of its frames here.
            if video_id in self._in_work:
                self._append(video_id, [_rows(made, rows) for made in encoded], len(one))
        for video_id, clip in list(self._in_work.items()):
            if clip.end is not None and not clip.waiting:
                self._finish(video_id, clip)

    def _append(self, video_id: str, made: Sequence[EncodedFrames], count: int) -> None:
        clip = self._in_work[video_id]
        clip.waiting -= count
        try:
            for writer, of_stream in zip(clip.writers, made, strict=True):
                writer.append(of_stream.frames, of_stream.regions)
        except InputError as error:
            self.refused[video_id] = f"clip {shown(self._clips[video_id].name)}: {error}"
            self.drop(video_id)

    def _finish(self, video_id: str, clip: _ClipInWork) -> None:
        assert clip.end is not None
        source = SourceClip(str(self._clips[video_id]), clip.end.parts)
        for writer in clip.writers:
            writer.finish(clip.seconds, source, clip.end.seconds, clip.end.cut_short)
        del self._in_work[video_id]


def _rows(made: EncodedFrames, rows: slice) -> EncodedFrames:
    return EncodedFrames(made.frames[rows], None if made.regions is None else made.regions[rows])
