"""Small and large collections: is the trained model better than what is closed-form, on each of them?

`python -m benchmarks collections` prepares subsets of the moving shapes and, where they are found, of 800 real videos
of MSR-VTT, and 23 clips as files (`$MCSAN_SHARED_DATA`, or `../shared/data`), fits ridge regression, and trains
`configs/custom.py` once per seed as a stranger would, with nothing set by hand. A table has both, on clips that chose
nothing, but for the 700 videos whose 100 validation videos are all that there is. `--only=msrvtt-25,shapes-50` takes
some of the collections.
"""

import dataclasses
import json
import os
import pathlib
import statistics
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.machine import describe_machine
from benchmarks.options import ConfigFlags, Jobs, RunsFolder, Seeds, whole_numbers
from benchmarks.quality.baselines import evaluate_ridge
from benchmarks.quality.trained_runs import CONFIGS, Model, ModelRuns, check_flags, run_program, train_all
from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, make_annotations
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from data_pipeline.moving_shapes.dataset import MOVING_SHAPES_OPTIONS, moving_shapes_source
from data_pipeline.preparation.prepare_folder import prepare
from data_pipeline.preparation.runner import LocalRunner
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.scoring.multi_level import LINEAR

SHARED_DATA = pathlib.Path(os.environ.get("MCSAN_SHARED_DATA", "../shared/data"))
_SMALLEST_VALIDATION = 10


@dataclasses.dataclass(frozen=True)
class Collection:
    """A collection to be prepared.

    Attributes:
        name: of its row and its folder.
        needs: folder without which it cannot be made; None where it is made on the spot.
        make: prepares it in a folder, with graphs kept in another one.
        split: on which it is reported.
    """

    name: str
    needs: pathlib.Path | None
    make: Callable[[pathlib.Path, pathlib.Path], None]
    split: str


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured on a collection.

    Attributes:
        name: of the collection.
        counts: videos of the training, validation and reported split, and training captions.
        words: Rsum of ridge regression to TF-IDF.
        closed: Rsum of ridge regression to TF-IDF and sentence vectors.
        linear: Rsum of the linear branch in the first run.
        ours: Rsum of each seed.
        minutes: of training, the mean over the seeds.
    """

    name: str
    counts: tuple[int, int, int, int]
    words: float
    closed: float
    linear: float
    ours: tuple[float, ...]
    minutes: float | None

    @property
    def floor(self) -> float:
        """The better closed form."""
        return max(self.words, self.closed)

    def cells(self) -> list[str]:
        """Of the table."""
        mean = statistics.fmean(self.ours)
        return [
            self.name,
            " / ".join(f"{count:,}" for count in self.counts[:3]) + f", {self.counts[3]:,}",
            f"{self.words:.1f}",
            f"{self.closed:.1f}",
            f"{self.linear:.1f}",
            f"{mean:.1f}",
            f"{min(self.ours):.1f}",
            f"{mean / self.floor:.2f}",
            "–" if self.minutes is None else f"{self.minutes:.1f}",
        ]


_HEAD = [
    "collection",
    "train / val / reported videos, captions",
    "ridge, words",
    "ridge, words and sentences",
    "linear branch",
    "ours, mean",
    "worst seed",
    "mean / best closed form",
    "minutes",
]


def msrvtt(videos: int) -> Collection:
    """So many training videos of the 800; a fifth as many of the others are for validation, the 100 are reported."""
    source = SHARED_DATA / "msrvtt_800"

    def make(out: pathlib.Path, graphs: pathlib.Path) -> None:
        train, test = ((source / f"{name}.txt").read_text().split() for name in ("train", "val"))
        order = np.random.default_rng(videos).permutation(train)
        ids = {TRAIN: order[:videos], VALIDATION: order[videos : videos + _validation(videos)], TEST: test}
        if videos == len(train):
            ids = {TRAIN: train, VALIDATION: test}
        out.parent.mkdir(parents=True, exist_ok=True)
        lists = []
        for split, own in ids.items():
            path = out.parent / f"{split}.txt"
            path.write_text("".join(f"{video}\n" for video in own))
            lists.append(f"--split_file={split}={path}")
        features = source / "vgg16_ae128.hdf5"
        annotations = SHARED_DATA / "annotations" / "msrvtt"
        source_flags = ("--dataset=msrvtt", f"--annotations={annotations}", f"--features={features}", *lists)
        run_program("data_pipeline.prepare", [*source_flags, f"--graph_cache={graphs}", f"--out={out}"])

    return Collection(f"msrvtt-{videos}", source, make, TEST if videos < 700 else VALIDATION)


def shapes(clips: int) -> Collection:
    """So many training clips of moving shapes; a fifth as many, at most 300, are for validation, 500 are reported."""

    def make(out: pathlib.Path, graphs: pathlib.Path) -> None:
        most = {TRAIN: clips, VALIDATION: min(_validation(clips), 300)}
        source = moving_shapes_source()
        whole = source.annotations
        kept = [
            caption
            for caption in whole.captions
            if int(caption.video_id.rpartition("_")[2]) < most.get(caption.split, 500)
        ]
        annotations = make_annotations(
            kept, name=whole.name, protocol=whole.protocol, licence=whole.licence, citation=whole.citation
        )
        few = dataclasses.replace(MOVING_SHAPES_OPTIONS, attribute_minimum_videos=5 if clips < 1000 else 10)
        run = LocalRunner(graphs, processes=1)
        prepare(dataclasses.replace(source, annotations=annotations), out, run, few)

    return Collection(f"shapes-{clips}", None, make, TEST)


def clips(validation: int = 3) -> Collection:
    """23 clips as files, their features extracted first: so many of 16 are for validation, the other 7 are reported."""
    source = SHARED_DATA / "clips_23"

    def make(out: pathlib.Path, graphs: pathlib.Path) -> None:
        described = json.loads((source / "captions.json").read_text(encoding="utf-8"))
        of_training = [video for video, one in described.items() if one["split"] == TRAIN]
        split_of = {video: one["split"] for video, one in described.items()}
        split_of |= dict.fromkeys(of_training[:validation], VALIDATION)
        rows = [
            {"video_id": video, "caption": text, "split": split_of[video]}
            for video, one in described.items()
            for text in one["captions"]
        ]
        out.parent.mkdir(parents=True, exist_ok=True)
        captions, features = out.parent / "captions.jsonl", out.parent / "features.hdf5"
        captions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        run_program("mcsan_jax.cli", ["extract", str(source), f"--out={features}"])
        prepared_from = ("--dataset=jsonl", f"--annotations={captions}", f"--features={features}")
        run_program("data_pipeline.prepare", [*prepared_from, f"--graph_cache={graphs}", f"--out={out}"])

    return Collection("clips-23", source, make, TEST)


COLLECTIONS = {
    each.name: each
    for each in (
        clips(),
        *(msrvtt(videos) for videos in (25, 50, 100, 200, 400, 700)),
        *(shapes(clips) for clips in (50, 300, 3000)),
    )
}


def measure(
    collection: Collection, out: pathlib.Path, seeds: Sequence[int], jobs: int, flags: Sequence[str]
) -> Row:
    """Prepares a collection unless it is there, fits the closed forms and trains what is not finished.

    Args:
        collection: to measure.
        out: folder of all collections.
        seeds: of the trainings.
        jobs: trainings at a time.
        flags: of the config, for every training.

    Raises:
        InputError: the preparation or a training failed.
    """
    folder = out / collection.name
    data = folder / "data"
    if not data.is_dir():
        collection.make(data, out / "graph_cache")
    manifest = Manifest.load(data)
    closed = [
        evaluate_ridge(data, collection.split, words_only=words_only, same_text="relevant")[1].rsum
        for words_only in (True, False)
    ]
    model = Model("ours", (f"--config={CONFIGS / 'custom.py'}", f"--config.data.dir={data}", *flags))
    [runs], _ = train_all([model], seeds, collection.split, folder, jobs)
    splits = [manifest.splits[split] for split in (TRAIN, VALIDATION, collection.split)]
    counts = (*(split.videos for split in splits), splits[0].captions)
    return Row(collection.name, counts, *closed, _linear(runs), tuple(runs.rsums), runs.minutes)


def _linear(runs: ModelRuns) -> float:
    return runs.runs[0].record.directions[LINEAR].rsum


def _validation(videos: int) -> int:
    return max(_SMALLEST_VALIDATION, videos // 5)


def run(
    only: Annotated[str, typer.Option(help="Names of collections, with commas between; all if empty.")] = "",
    seeds: Seeds = "0,1,2",
    jobs: Jobs = 1,
    out: RunsFolder = pathlib.Path("runs/collections"),
    overrides: ConfigFlags = None,
) -> dict[str, Any]:
    """Measures each collection and prints the table.

    Raises:
        InputError: there is no such collection, none can be made here, or a training failed.
    """
    names = only.split(",") if only else list(COLLECTIONS)
    if unknown := [name for name in names if name not in COLLECTIONS]:
        raise InputError(f"--only={only}: {unknown[0]!r} is none of {', '.join(COLLECTIONS)}")
    numbers, flags = whole_numbers("--seeds", seeds, smallest=0), check_flags(overrides)
    rows = []
    for name in names:
        collection = COLLECTIONS[name]
        if collection.needs is not None and not collection.needs.is_dir():
            print(f"{name} is left out: there is no {collection.needs}", flush=True)
            continue
        rows.append(measure(collection, out, numbers, jobs, flags))
        print(" | ".join(rows[-1].cells()), flush=True)
    if not rows:
        raise InputError(f"none of {', '.join(names)} can be made: {SHARED_DATA} is missing")
    print("\n".join([*aligned([_HEAD, *(row.cells() for row in rows)]), "", describe_machine()]))
    return {"collections": [dataclasses.asdict(row) for row in rows]}
