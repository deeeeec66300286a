"""This module extracts features of clips: it decodes and encodes what is not done yet, and then writes the files."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from data_pipeline.errors import Faults, InputError
from data_pipeline.features.write_hdf5 import StoredClip, command_of, stored_clips, write_features
from data_pipeline.host.files import check_writable
from mcsan_jax.extraction.clip_picture_files import remove_others
from mcsan_jax.extraction.encode_clips import EncodedStream
from mcsan_jax.extraction.extraction_report import ExtractionReport, counted_clips, report_file
from mcsan_jax.extraction.feature_stream_files import (
    StreamFiles,
    check_ending,
    check_grid,
    regions_file,
)
from mcsan_jax.extraction.pending_results import PendingResults, key_of
from mcsan_jax.extraction.run_extraction import Extraction, ExtractionOptions, found_result
from mcsan_jax.frame_encoders.registry import open_frame_encoder


def extract_features(
    clips: Mapping[str, pathlib.Path],
    encoders: Mapping[pathlib.Path, str],
    options: ExtractionOptions | None = None,
) -> ExtractionReport:
    """Extracts features of clips into files that `prepare` and `mcsan index` read.

    What is done of each clip is kept in a folder beside the file until all are done. The same call, after whatever
    end of the program, goes on from there and leaves the same bytes. A file that has the features of other clips,
    of the same encoder and sampling, gives those of the clips that did not change.

    Beside each file ``NAME.hdf5`` lie ``NAME_regions.hdf5`` where regions are asked for, and ``NAME.report.json``;
    beside the first one the folder ``NAME.pictures``.

    Args:
        clips: files by id, as `collect_clips` gives them.
        encoders: by the file that their features go to; each is a name or a folder, see `open_frame_encoder`.
        options: how.

    Returns:
        What became of the clips; of a call that finds the files finished, what became of them then.

    Raises:
        InputError: an encoder cannot be opened, a file is another's, no clip can be used, or in strict mode any cannot.
    """
    options = options or ExtractionOptions()
    outs = [path.resolve() for path in encoders]
    _check_outs(outs, options)
    streams = [
        StreamFiles(open_frame_encoder(name), name, options.sampling, options.regions, out)
        for out, name in zip(outs, encoders.values(), strict=True)
    ]
    if options.regions is not None:
        for stream in streams:
            check_grid(stream.encoder, options.regions)
    clips = {video_id: clips[video_id].absolute() for video_id in sorted(clips)}
    keys = {
        stream.out: {video_id: stream.key(video_id, path) for video_id, path in clips.items()}
        for stream in streams
    }
    commands = {out: key_of(sorted(of_clips.values())) for out, of_clips in keys.items()}
    are_written = all(stream.are_written(commands[stream.out]) for stream in streams)
    before = ExtractionReport.load(report_file(outs[0]))
    if are_written and before is not None and (not options.pictures or before.pictures is not None):
        _refuse_faults(before, options)
        return dataclasses.replace(before, was_finished=True)
    _refuse_foreign(streams, commands, options)
    with contextlib.ExitStack() as opened:
        work = []
        for stream in streams:
            results = PendingResults(stream.out)
            results.open()
            opened.callback(results.close)
            _take_over(stream, results, set(keys[stream.out].values()))
            work.append(EncodedStream(stream, results, keys[stream.out]))
        report = Extraction(clips, work, options).run()
        _refuse_faults(report, options)
        for made in work:
            _write(made, commands[made.files.out], clips.keys() - report.skipped.keys())
        for out in outs:
            report.save(report_file(out))
        if report.pictures is not None:
            remove_others(report.pictures, clips.keys() - report.skipped.keys())
        for made in work:
            made.results.remove()
    return report


def _check_outs(outs: Sequence[pathlib.Path], options: ExtractionOptions) -> None:
    """Refuses, before anything is opened, files that could not be written in the end."""
    faults = Faults()
    written = [path for out in outs for path in ((out, regions_file(out)) if options.regions else (out,))]
    if len(set(written)) < len(written):
        faults.add(
            f"--out: expected a file for each encoder, found {' '.join(path.name for path in written)}"
        )
    for out in outs:
        with faults.gathered():
            check_ending(out)
        with faults.gathered():
            check_writable(out.parent, "choose another --out")
    faults.check()
    for out in outs:
        out.parent.mkdir(parents=True, exist_ok=True)


def _refuse_foreign(
    streams: Sequence[StreamFiles], commands: Mapping[pathlib.Path, str], options: ExtractionOptions
) -> None:
    """Refuses to replace files that another command wrote."""
    faults = Faults()
    for stream in streams:
        for path in stream.provenances:
            if path.exists() and not options.overwrite and command_of(path) != commands[stream.out]:
                faults.add(
                    f"{path}: is there already, and was not made of these clips by this encoder with these flags; "
                    "choose another --out, or give --overwrite to replace it (features of clips that did not change "
                    "are kept)"
                )
    faults.check()


def _take_over(stream: StreamFiles, results: PendingResults, keys: set[str]) -> None:
    """Takes the features of unchanged clips from files that are about to be replaced."""
    files = list(stream.provenances)
    if not all(path.is_file() for path in files):
        return
    for stored in zip(*map(stored_clips, files), strict=False):
        ids, found = zip(*stored, strict=True)
        clip: StoredClip = found[0]
        if len(set(ids)) == 1 and clip.key in keys and results.find(clip.key) is None:
            writer = results.writer(clip.key)
            writer.append(clip.features, found[1].features if len(found) > 1 else None)
            writer.finish(clip.seconds.tolist(), clip.clip, clip.length, clip.cut_short)


def _write(stream: EncodedStream, command: str, ids: set[str]) -> None:
    """Writes the files of a stream, the same bytes whatever happened on the way."""
    for number, (path, provenance) in enumerate(stream.files.provenances.items()):

        def clips(number: int = number) -> Iterator[tuple[str, StoredClip]]:
            for video_id in sorted(ids):
                found = found_result(stream, video_id)
                stored = (found.frames, found.regions)[number]
                assert stored is not None
                yield video_id, stored

        write_features(path, provenance, command, clips())


def _refuse_faults(report: ExtractionReport, options: ExtractionOptions) -> None:
    if options.strict and (faults := report.faults()):
        raise InputError(
            "\n  ".join(
                [
                    f"{counted_clips(len(faults))} cannot be used as given; correct or remove what is named here, "
                    "or leave out --strict, which goes on from here:",
                    *faults,
                ]
            )
        )
