"""This module decodes and encodes the clips of which something is missing, and sums up what became of all."""

import dataclasses
import os
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence

from data_pipeline.clips.sampled_frames import Sampling
from data_pipeline.clips.shots import LONG
from data_pipeline.errors import Faults, InputError
from data_pipeline.host.progress_bar import track
from mcsan_jax.extraction.clip_picture_files import POSTER, picture_file, pictures_folder
from mcsan_jax.extraction.decoding_processes import DecodedClip, DecodedFrames, DecodingJob, DecodingProcesses
from mcsan_jax.extraction.encode_clips import ClipEncoding, EncodedStream
from mcsan_jax.extraction.extraction_report import ExtractionReport, counted_clips, rates
from mcsan_jax.extraction.feature_stream_files import Grid
from mcsan_jax.extraction.pending_results import PendingClip

USUAL_SAMPLING, USUAL_RATE = Sampling(frames=20), Sampling(frames_per_second=2.0)
"""So many frames say what is seen in a short clip; a long one, of which captions tell parts, needs a rate."""


@dataclasses.dataclass(frozen=True)
class ExtractionOptions:
    """How features are extracted.

    Attributes:
        sampling: which frames of each clip are taken.
        regions: rows and columns of regions whose vectors are written as well, into a file of their own.
        pictures: whether posters and film strips are made.
        processes: how many processes decode; None for all cores but one.
        strict: whether a clip that is skipped or cut short is an error.
        overwrite: whether files of another command are replaced.
    """

    sampling: Sampling = USUAL_SAMPLING
    regions: Grid | None = None
    pictures: bool = True
    processes: int | None = None
    strict: bool = False
    overwrite: bool = False


class Extraction:
    """It decodes and encodes the clips of which something is missing, and sums up."""

    def __init__(
        self, clips: Mapping[str, pathlib.Path], streams: Sequence[EncodedStream], options: ExtractionOptions
    ) -> None:
        """Takes clips by id, streams, and how to extract."""
        self._clips, self._streams, self._options = clips, streams, options
        self._skipped: dict[str, str] = {}
        self._done: set[str] = set()
        self._frames = 0
        self._lengths: dict[str, float] = {}
        self._start = time.monotonic()

    def run(self) -> ExtractionReport:
        """Extracts what is missing.

        Raises:
            InputError: no clip can be used.
        """
        first = self._streams[0].files
        pictures = pictures_folder(first.out) if self._options.pictures else None
        if pictures is not None:
            pictures.mkdir(exist_ok=True)
        # Encoders that see the same pictures share the decoding.
        for view in dict.fromkeys(stream.files.encoder.view for stream in self._streams):
            streams = [stream for stream in self._streams if stream.files.encoder.view == view]
            job = DecodingJob(
                self._options.sampling,
                view,
                pictures if first.encoder.view == view else None,
                self._options.sampling.frames_per_second is not None,
            )
            missing = [clip for clip in self._clips.items() if self._is_missing(clip[0], streams, job)]
            if missing:
                extracted = self._extracted(missing, streams, job)
                unit = "clip" if len(missing) == 1 else "clips"
                for _ in track(extracted, len(missing), "extracting", unit, self._rates, int):
                    pass
        return self._report(pictures)

    def _is_missing(self, video_id: str, streams: Sequence[EncodedStream], job: DecodingJob) -> bool:
        if video_id in self._skipped:
            return False
        if job.pictures is not None and not picture_file(job.pictures, video_id, POSTER).is_file():
            return True
        return any(stream.results.find(stream.keys[video_id]) is None for stream in streams)

    def _extracted(
        self, missing: Sequence[tuple[str, pathlib.Path]], streams: Sequence[EncodedStream], job: DecodingJob
    ) -> Iterator[bool]:
        """Extracts clips, and yields at each step whether the end of a clip is reached."""
        processes = _processes(self._options)
        with (
            ClipEncoding(self._clips, streams) as encoding,
            DecodingProcesses(missing, job, processes) as decoded,
        ):
            for message in decoded:
                if isinstance(message, DecodedFrames):
                    encoding.add(message)
                    self._frames += len(message.pictures)
                    self._lengths[message.video_id] = float(message.seconds[-1])
                elif isinstance(message, DecodedClip):
                    encoding.end(message)
                    self._lengths[message.video_id] = message.seconds
                    self._done.add(message.video_id)
                else:
                    encoding.drop(message.video_id)
                    self._lengths.pop(message.video_id, None)
                    self._skipped[message.video_id] = message.reason
                yield not isinstance(message, DecodedFrames)
            encoding.encode_rest()
        self._skipped |= encoding.refused

    def _rates(self) -> str:
        return rates(len(self._done), self._frames, self._length, time.monotonic() - self._start)

    @property
    def _length(self) -> float:
        """Seconds of clips that were extracted so far."""
        return sum(self._lengths.values())

    def _report(self, pictures: pathlib.Path | None) -> ExtractionReport:
        stream = self._streams[0]
        frames, length = 0, 0.0
        parts: dict[str, int] = {}
        cut_short: dict[str, str] = {}
        for video_id in self._clips:
            if video_id not in self._skipped:
                clip = found_result(stream, video_id).frames
                frames += len(clip.seconds)
                length += clip.length
                parts |= {video_id: len(clip.clip.parts)} if clip.length > LONG else {}
                cut_short |= {video_id: clip.cut_short} if clip.cut_short else {}
        if len(self._skipped) == len(self._clips):
            faults = Faults()
            for reason in self._skipped.values():
                faults.add(reason)
            raise InputError(
                "\n  ".join([f"none of {counted_clips(len(self._clips))} can be used:", *faults.lines()])
            )
        return ExtractionReport(
            {path: str(one) for each in self._streams for path, one in each.files.provenances.items()},
            pictures,
            len(self._clips) - len(self._skipped),
            frames,
            length,
            dict(sorted(self._skipped.items())),
            cut_short,
            parts,
            (len(self._done), self._frames),
            self._length,
            time.monotonic() - self._start,
        )


def _processes(options: ExtractionOptions) -> int:
    return options.processes or max(1, (os.cpu_count() or 1) - 1)


def found_result(stream: EncodedStream, video_id: str) -> PendingClip:
    """Returns what was extracted of a clip, which must be there.

    Raises:
        InputError: somebody changed or removed it.
    """
    found = stream.results.find(stream.keys[video_id])
    if found is None:
        raise InputError(
            f"{stream.results.folder}: results of {video_id!r} were changed or removed; give the same command again"
        )
    return found
