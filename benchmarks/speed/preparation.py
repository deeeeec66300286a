"""How fast a data set is prepared, on this machine's cores and under Apache Beam, and what more videos would take.

`python -m benchmarks preparation` makes videos in the field's usual shape (50 frames × 2,048 values, 20 captions each,
every caption of another wording), prepares them several times through the real preparation (under Beam, too, where it
is installed), checks that all runs wrote the same records, and prints rates and ratios. `--annotations=FILE.jsonl`
takes captions from a file of your own.
"""

import dataclasses
import importlib.util
import pathlib
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import typer

from data_pipeline.annotations.caption import TRAIN, Annotations, Caption, Video, make_annotations
from data_pipeline.annotations.own import read_json_lines
from data_pipeline.features.streams import open_features
from data_pipeline.manifest import Manifest
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

    def __post_init__(self) -> None:
        self.parser, self.processes = self.run.parser, self.run.processes

    def survey(self, videos: Sequence[Video]) -> Survey:
        """Parses and counts."""
        start = time.monotonic()
        result = self.run.survey(videos)
        self.survey_seconds = time.monotonic() - start
        return result

    def training_videos(self) -> Iterator[Video]:
        """Yields the training split."""
        return self.run.training_videos()

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


def run(
    videos: Annotated[int, typer.Option(min=1, help="Made-up videos.")] = 1000,
    captions: Annotated[int, typer.Option(min=1, help="Captions of a made-up video.")] = 20,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a video.")] = 50,
    dim: Annotated[int, typer.Option(min=1, help="Size of a frame's vector.")] = 2048,
    workers: Annotated[int, typer.Option(min=1, help="Processes, and workers of Beam.")] = 2,
    annotations: Annotated[
        pathlib.Path | None, typer.Option(help="A file of captions in place of made-up ones.")
    ] = None,
) -> dict[str, Any]:
    """Prepares, compares and prints.

    Raises:
        InputError: the annotations cannot be read.
    """
    given = read_json_lines([annotations], "custom") if annotations else make_captions(videos, captions)
    video_ids = given.video_ids(TRAIN)
    count, content = len(video_ids), frames * dim * 2 * len(video_ids)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        random_frames = np.random.default_rng(0)
        for video_id in video_ids:
            vectors = random_frames.standard_normal((frames, dim), np.float32).astype(np.float16)
            np.save(folder / f"{video_id}.npy", vectors)
        source = Source(given, {"made": open_features(folder)})
        runners: dict[str, Runner] = {
            "this process": LocalRunner(folder / "plain", 1),
            f"{workers} processes": LocalRunner(folder / "processes", workers),
        }
        if importlib.util.find_spec("apache_beam"):
            from data_pipeline.preparation.beam import BeamRunner

            runners |= {
                "Beam, 1 worker": BeamRunner(folder / "beam1", "DirectRunner", (), 1),
                f"Beam, {workers} workers": BeamRunner(folder / "beam", "DirectRunner", (), workers),
            }
        print(f"{count:,} videos, {len(given.captions):,} captions, {frames} x {dim} float16")
        print(
            "| run | captions/s | videos written/s | MB/s | parsing x | writing x |\n|---|---|---|---|---|---|"
        )
        first, checksums, figures = Timed(next(iter(runners.values()))), set(), []
        for place, (title, runner) in enumerate(runners.items()):
            timed = first if place == 0 else Timed(runner)
            out = folder / f"out{place}"
            options = Options(attribute_minimum_videos=2, shard_bytes=content // (4 * workers))
            prepare(source, out, timed, options)
            checksums.add(tuple(Manifest.load(out).checksums.items()))
            parsing, writing = timed.survey_seconds, timed.write_seconds
            print(
                f"| {title} | {len(given.captions) / parsing:,.0f} | {count / writing:,.0f} "
                f"| {content / 1e6 / writing:,.0f} | {first.survey_seconds / parsing:.2f} "
                f"| {first.write_seconds / writing:.2f} |"
            )
            figures.append({"run": title, "parsing_seconds": parsing, "writing_seconds": writing})
        assert len(checksums) == 1, "the runs wrote different records"
    hours = MANY * (first.survey_seconds + first.write_seconds) / count / 3600
    terabytes = MANY * frames * dim * 2 / 1e12
    print(
        f"{MANY:,} such videos ({len(given.captions) / count:.0f} captions each): {hours:,.0f} core hours at the "
        f"rates of the first row, {terabytes:.2f} TB of records"
    )
    return {
        "videos": count,
        "captions": len(given.captions),
        "bytes": content,
        "runs": figures,
        "many": {"videos": MANY, "core_hours": hours, "terabytes": terabytes},
    }
