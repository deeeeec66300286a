"""How fast a data set is prepared, on this machine's cores and under Apache Beam, and what more videos would take.

`python -m benchmarks.preparation` makes videos in the field's usual shape (50 frames × 2,048 values, 20 captions each,
every caption of another wording), prepares them several times through the real preparation, checks that all runs wrote
the same records, and prints rates and ratios. `--annotations=FILE.jsonl` takes captions from a file of your own.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import pathlib
import random
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.figures import write_figures
from data_pipeline.annotations.caption import TRAIN, Annotations, Caption, Video, make_annotations
from data_pipeline.annotations.own import read_json_lines
from data_pipeline.features.streams import open_features
from data_pipeline.manifest import Manifest
from data_pipeline.preparation.beam import BeamRunner
from data_pipeline.preparation.prepare_folder import Options, Source, prepare
from data_pipeline.preparation.runner import LocalRunner, Runner, Survey
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.shards import ShardSummary, ShardWriter

SUBJECTS = "a man|a woman|the young girl|two boys|a group of people|a chef|the small dog|someone".split("|")
VERBS = "is chasing|kicks|holds|is cutting up|looks at|plays with|is carrying|throws".split("|")
OBJECTS = "a ball|the red car|an onion|a guitar|some food|the big box|a cat|his hat".split("|")
PLACES = "in the park|on a stage|in the kitchen|near the road|behind a house|on the field".split("|")
MANY = 10_000_000


@dataclasses.dataclass
class Timed:
    """A run that measures its passes; see `data_pipeline.preparation.runner.Runner`."""

    run: Runner
    survey_seconds: float = 0.0
    write_seconds: float = 0.0

    @property
    def parser(self) -> dict[str, str]:
        """Names and versions of the parser."""
        return self.run.parser

    def survey(self, videos: Sequence[Video], minimum_videos: int) -> Survey:
        """Parses and counts."""
        start = time.monotonic()
        result = self.run.survey(videos, minimum_videos)
        self.survey_seconds = time.monotonic() - start
        return result

    def write(self, maker: RecordMaker, writer: ShardWriter) -> Sequence[ShardSummary]:
        """Writes the records."""
        start = time.monotonic()
        result = self.run.write(maker, writer)
        self.write_seconds = time.monotonic() - start
        return result


def make_captions(videos: int, captions: int) -> Annotations:
    """Training captions of different wording."""
    chooser = random.Random(0)
    parts = (SUBJECTS, VERBS, OBJECTS, PLACES)
    return make_annotations(
        (
            Caption(
                f"v{video}",
                f"v{video}#{number}",
                f"{' '.join(map(chooser.choice, parts))} while {' '.join(map(chooser.choice, parts))}",
                TRAIN,
            )
            for video in range(videos)
            for number in range(captions)
        ),
        name="made",
        protocol="benchmark",
        licence="",
        citation="",
    )


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--captions", type=int, default=20)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--annotations", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point."""
    given = make_parser().parse_args(words)
    annotations = (
        read_json_lines([given.annotations], "custom")
        if given.annotations
        else make_captions(given.videos, given.captions)
    )
    videos = annotations.video_ids(TRAIN)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        random_frames = np.random.default_rng(0)
        for video_id in videos:
            frames = random_frames.standard_normal((given.frames, given.dim), np.float32).astype(np.float16)
            np.save(folder / f"{video_id}.npy", frames)
        source = Source(annotations, {"made": open_features(folder)})
        runs = {
            "this process": LocalRunner(folder / "plain", 1),
            f"{given.workers} processes": LocalRunner(folder / "processes", given.workers),
            "Beam, 1 worker": BeamRunner(folder / "beam1", "DirectRunner", (), 1),
            f"Beam, {given.workers} workers": BeamRunner(folder / "beam", "DirectRunner", (), given.workers),
        }
        print(
            f"{len(videos):,} videos, {len(annotations.captions):,} captions, {given.frames} x {given.dim} float16"
        )
        print(
            "| run | captions/s | videos written/s | MB/s | parsing x | writing x |\n|---|---|---|---|---|---|"
        )
        first, checksums, figures = Timed(next(iter(runs.values()))), set(), []
        for place, (title, run) in enumerate(runs.items()):
            timed = first if place == 0 else Timed(run)
            shard_bytes = given.frames * given.dim * 2 * len(videos) // (4 * given.workers)
            out = folder / f"out{place}"
            prepare(source, out, timed, Options(attribute_minimum_videos=2, shard_bytes=shard_bytes))
            checksums.add(tuple(Manifest.load(out).checksums.items()))
            megabytes = given.frames * given.dim * 2 * len(videos) / 1e6
            parsing, writing = timed.survey_seconds, timed.write_seconds
            print(
                f"| {title} | {len(annotations.captions) / parsing:,.0f} | {len(videos) / writing:,.0f} "
                f"| {megabytes / writing:,.0f} | {first.survey_seconds / parsing:.2f} "
                f"| {first.write_seconds / writing:.2f} |"
            )
            figures.append({"run": title, "parsing_seconds": parsing, "writing_seconds": writing})
        assert len(checksums) == 1, "the runs wrote different records"
    captions_per_video = len(annotations.captions) / len(videos)
    hours = MANY * (first.survey_seconds + first.write_seconds) / len(videos) / 3600
    terabytes = MANY * given.frames * given.dim * 2 / 1e12
    print(
        f"{MANY:,} such videos ({captions_per_video:.0f} captions each): {hours:,.0f} core hours at the rates of the "
        f"first row, {terabytes:.2f} TB of records"
    )
    write_figures(
        given.json,
        {
            "videos": len(videos),
            "captions": len(annotations.captions),
            "bytes": given.frames * given.dim * 2 * len(videos),
            "runs": figures,
            "many": {"videos": MANY, "core_hours": hours, "terabytes": terabytes},
        },
    )


if __name__ == "__main__":
    main()
