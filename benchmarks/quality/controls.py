"""Two controls that must fail: what is trained on shuffled pairs, or on noise for features, must rank at chance.

`python -m benchmarks controls DIR --config=configs/demo.py:tiny` makes two copies of prepared data: in one, captions
of training videos are given to other training videos, chosen at random; in the other, the features of all training and
validation videos are noise of the mean and deviation of the training features (the numbers of frames are kept). It
trains the config on the data itself and on both copies by `python -m mcsan_jax.main`, and prints each validation Rsum
beside chance. Flags of the config after `--` go to every training (`-- --config.train.epochs=4`).

A control above chance means that something else than pairs and features tells which caption belongs to which video: a
leak. Chance is the Rsum of a constant score, in which ties count by expectation. Its interval holds 95 % of the Rsums
of the very scores of the run when the videos are dealt out to the groups of captions at random.
"""

import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.options import ConfigFlags
from data_pipeline.annotations.caption import TRAIN, VALIDATION
from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.errors import InputError
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import Manifest
from data_pipeline.records.read import parse_example, unflatten_record
from data_pipeline.records.record_files import RecordFile, find_record_files, numpy_elements
from data_pipeline.records.schema import EncodedCaption, EncodedFoil, VideoRecord
from data_pipeline.records.shards import ShardPlan, ShardSummary, ShardWriter, count_splits, record_key
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.ranking.metrics import recall_sum, retrieval_metrics
from mcsan_jax.ranking.ranks import text_to_video_ranks, video_to_text_ranks
from mcsan_jax.runs.folder import RunFolder

ROOT = pathlib.Path(__file__).parents[2]
PERMUTATIONS = 2000
SPLITS = (TRAIN, VALIDATION)
# Captions are counted, not read.
_LIMITS = BatchLimits(
    max_frames=1, max_tokens=1, max_actions=1, max_entities=1, max_relationships=1, max_modifiers=1
)

Change = Callable[[str, VideoRecord], VideoRecord]
"""What becomes of a record of a split."""


@dataclasses.dataclass(frozen=True)
class Chance:
    """What random scores reach: the expected Rsum, and the interval of 95 % of the permutations."""

    expected: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a training reached, beside chance.

    Attributes:
        name: of what was trained on.
        rsum: of the validation split.
        chance: for its videos and captions.
    """

    name: str
    rsum: float
    chance: Chance

    @property
    def place(self) -> str:
        """Where it is seen from chance."""
        above, below = self.rsum > self.chance.high, self.rsum < self.chance.low
        return "above" if above else "below" if below else "at"


def read_records(manifest: Manifest, file: RecordFile) -> Iterator[VideoRecord]:
    """The records of a file, in order."""
    dataset = load_tensorflow().data.TFRecordDataset(str(file.path))
    for serialized in numpy_elements(dataset, [file]):
        yield unflatten_record(parse_example(serialized), manifest.streams)


def shuffled_pairs(folder: pathlib.Path, manifest: Manifest, seed: int) -> Change:
    """Gives each training caption, with its foils, to another video; videos keep their numbers of captions.

    A video's attributes become those of its new captions, or they would tell of the old ones.

    Raises:
        InputError: one video has half of the captions or more, so that they cannot all go elsewhere.
    """
    captions: list[tuple[EncodedCaption, list[EncodedFoil]]] = []
    owners: list[str] = []
    for file in find_record_files(folder, manifest, TRAIN):
        for record in read_records(manifest, file):
            for index, caption in enumerate(record.captions):
                captions.append((caption, [foil for foil in record.foils if foil.caption_index == index]))
            owners += [record.video_id] * len(record.captions)
    given: dict[str, list[tuple[EncodedCaption, list[EncodedFoil]]]] = {}
    for owner, taken in zip(owners, places_elsewhere(np.array(owners), seed), strict=True):
        given.setdefault(owner, []).append(captions[taken])

    def change(split: str, record: VideoRecord) -> VideoRecord:
        if split != TRAIN:
            return record
        own = given.get(record.video_id, [])
        attributes = {
            level: sorted({value for caption, _ in own for value in caption.attributes[level]})
            for level in NODE_LEVELS
        }
        foils = [
            dataclasses.replace(foil, caption_index=index)
            for index, (_, of_caption) in enumerate(own)
            for foil in of_caption
        ]
        return dataclasses.replace(
            record, captions=[caption for caption, _ in own], foils=foils, attributes=attributes
        )

    return change


def places_elsewhere(owners: np.ndarray, seed: int) -> np.ndarray:
    """A random order of the places 0, 1, … in which no place holds one of the same owner."""
    if len(owners) == 0 or 2 * np.unique(owners, return_counts=True)[1].max() >= len(owners):
        raise InputError(
            f"split {TRAIN!r} has a video with at least half of its {len(owners)} captions, which cannot be shuffled; "
            "prepare more training videos"
        )
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(owners))
    while len(stuck := np.flatnonzero(owners[order] == owners)):
        for place, other in zip(stuck, draw.integers(len(owners), size=len(stuck)), strict=True):
            order[[place, other]] = order[[other, place]]
    return order


def noise_features(manifest: Manifest, seed: int) -> Change:
    """Replaces the values of all frames and regions by noise of each dimension's mean and deviation."""
    draw = np.random.default_rng(seed)
    moments = {one.name: (np.array(one.mean), np.array(one.std)) for one in manifest.streams}

    def noise(name: str, values: np.ndarray) -> np.ndarray:
        mean, deviation = moments[name]
        largest = np.finfo(np.float16).max
        return np.clip(draw.normal(mean, deviation, values.shape), -largest, largest).astype(np.float16)

    def change(split: str, record: VideoRecord) -> VideoRecord:
        del split
        return dataclasses.replace(
            record,
            frames={name: noise(name, values) for name, values in record.frames.items()},
            regions={name: noise(name, values) for name, values in record.regions.items()},
        )

    return change


def write_control(
    folder: pathlib.Path, manifest: Manifest, name: str, change: Change, out: pathlib.Path
) -> None:
    """Writes training and validation split of prepared data anew, every record changed."""
    from data_pipeline.records.write import write_records

    files = {split: find_record_files(folder, manifest, split) for split in SPLITS}
    first = {
        split: [next(read_records(manifest, file)).video_id for file in of_split]
        for split, of_split in files.items()
    }
    plan = ShardPlan(
        {split: tuple(record_key(split, video_id) for video_id in ids) for split, ids in first.items()}
    )

    def write_shards(writer: ShardWriter) -> list[ShardSummary]:
        return [
            writer.write(split, index, (change(split, record) for record in read_records(manifest, file)))
            for split in SPLITS
            for index, file in enumerate(files[split])
        ]

    out.mkdir(parents=True, exist_ok=True)
    description = f"{manifest.dataset}, protocol {manifest.protocol}, control: {name}"
    records, shards = write_records(write_shards, plan, manifest.streams, out, description=description)
    vectors = [manifest.word_vectors.file] if manifest.word_vectors else []
    for file in (manifest.tokenizer.file, manifest.attributes.file, *vectors):
        shutil.copy(folder / file, out / file)
    dataclasses.replace(
        manifest,
        protocol=f"{manifest.protocol}, control: {name}",
        splits=count_splits(shards),
        records=records,
        checksums={shard.file: shard.sha256 for shard in shards},
    ).save(out)


def train(data: pathlib.Path, config: str, workdir: pathlib.Path, flags: Sequence[str]) -> np.ndarray:
    """Trains on prepared data and returns the fused scores of the validation split [video, caption], at the end.

    It is evaluated once: the best of several checkpoints would be above chance.

    Raises:
        InputError: the training failed; with what it said.
    """
    command = [sys.executable, "-m", "mcsan_jax.main", f"--config={config}", *flags]
    command += [f"--config.data.dir={data}", f"--config.data.validation_split={VALIDATION}"]
    command += [f"--config.train.evaluate_every_epochs={10**6}"]
    command += [f"--workdir={workdir}", "--save_scores"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"the training on {data} ended with status {done.returncode}:\n{done.stderr}")
    return np.load(RunFolder(workdir).scores_file(VALIDATION), allow_pickle=False)


def rsum(scores: np.ndarray, owners: np.ndarray) -> float:
    """The sum of the six recalls of a score matrix [v, t] where caption i belongs to video `owners[i]`."""
    return recall_sum(
        retrieval_metrics(text_to_video_ranks(scores, owners)),
        retrieval_metrics(video_to_text_ranks(scores, owners)),
    )


def chance_of(scores: np.ndarray, owners: np.ndarray, seed: int, permutations: int = PERMUTATIONS) -> Chance:
    """Chance for these videos and captions; the captions of a video stay together in every permutation."""
    draw = np.random.default_rng(seed)
    sums = [rsum(scores[draw.permutation(len(scores))], owners) for _ in range(permutations)]
    low, high = np.percentile(sums, (2.5, 97.5))
    return Chance(rsum(np.zeros_like(scores), owners), float(low), float(high))


def compare(
    data: pathlib.Path, config: str, out: pathlib.Path, flags: Sequence[str], seed: int
) -> list[Outcome]:
    """Makes the controls and trains on all three.

    Raises:
        InputError: the prepared data cannot be used, or a training failed.
    """
    manifest = Manifest.load(data)
    captions = SplitReader(data, manifest, VALIDATION, _LIMITS).caption_batches(256)
    owners = np.concatenate([info.videos for info, _ in captions])
    folders = {"as prepared": data}
    for name, change in (
        ("shuffled pairs", shuffled_pairs(data, manifest, seed)),
        ("noise for features", noise_features(manifest, seed)),
    ):
        folders[name] = out / name.replace(" ", "_") / "data"
        write_control(data, manifest, name, change, folders[name])
    outcomes = []
    for name, folder in folders.items():
        scores = train(folder, config, out / name.replace(" ", "_") / "run", flags)
        outcomes.append(Outcome(name, rsum(scores, owners), chance_of(scores, owners, seed)))
    return outcomes


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A row for each training, in Markdown."""
    rows = [["trained on", "validation Rsum", "chance", "95 % of permutations", ""]]
    for one in outcomes:
        interval = f"{one.chance.low:.1f} to {one.chance.high:.1f}"
        rows.append(
            [one.name, f"{one.rsum:.1f}", f"{one.chance.expected:.1f}", interval, f"{one.place} chance"]
        )
    return aligned(rows)


def run(
    dir: Annotated[pathlib.Path, typer.Argument(help="Folder written by python -m data_pipeline.prepare.")],
    config: Annotated[str, typer.Option(help="File of the experiment, with a size if wanted.")],
    out: Annotated[
        pathlib.Path | None, typer.Option(help="New folder for copies and runs, kept; by default none.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of shuffling, noise and permutations.")] = 0,
    overrides: ConfigFlags = None,
) -> dict[str, Any]:
    """Compares and prints.

    Raises:
        InputError: the prepared data or a flag cannot be used, the folder exists, or a training failed.
    """
    flags = tuple(overrides or ())
    if wrong := [flag for flag in flags if not flag.startswith("--config.")]:
        raise InputError(
            f"{wrong[0]}: expected a flag of the config after --, such as --config.train.epochs=4"
        )
    if out and out.exists():
        raise InputError(f"{out} exists; name a new folder with --out")
    with tempfile.TemporaryDirectory() as scratch:
        folder = (out or pathlib.Path(scratch)).absolute()
        outcomes = compare(dir.absolute(), config, folder, flags, seed)
    print("\n".join(table(outcomes)))
    return {"trained": [{**dataclasses.asdict(one), "place": one.place} for one in outcomes]}
