"""Two controls that must fail: what is trained on shuffled pairs, or on noise for features, must rank at chance.

`python -m benchmarks.controls DIR --config=configs/demo.py:tiny` makes two copies of prepared data: in one, captions
of training videos are given to other training videos, chosen at random; in the other, the features of all training and
validation videos are noise of the mean and deviation of the training features (the numbers of frames are kept). It
trains the config on the data itself and on both copies by `python -m mcsan_jax.main`, and prints each validation Rsum
beside chance. Flags such as `--config.train.epochs=4` go to the training.

A control above chance means that something else than pairs and features tells which caption belongs to which video: a
leak. Chance is the Rsum of a constant score, in which ties count by expectation. Its interval holds 95 % of the Rsums
of the very scores of the run when the videos are dealt out to the groups of captions at random.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from benchmarks.control_data import noise_features, shuffled_pairs, write_control
from benchmarks.figures import write_figures
from data_pipeline.annotations.caption import VALIDATION
from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.ranking.metrics import recall_sum, retrieval_metrics
from mcsan_jax.ranking.ranks import text_to_video_ranks, video_to_text_ranks
from mcsan_jax.runs.folder import RunFolder

ROOT = pathlib.Path(__file__).parents[1]
PERMUTATIONS = 2000
# Captions are counted, not read.
_LIMITS = BatchLimits(
    max_frames=1, max_tokens=1, max_actions=1, max_entities=1, max_relationships=1, max_modifiers=1
)


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


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir", type=pathlib.Path, help="folder written by python -m data_pipeline.prepare")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--config", required=True, help="file of the experiment, with a size if wanted")
    parser.add_argument(
        "--out", type=pathlib.Path, help="new folder for copies and runs, kept; by default none"
    )
    parser.add_argument("--seed", type=int, default=0, help="of shuffling, noise and permutations")
    return parser


def parse(words: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the flags of the config, which every training gets."""
    arguments, flags = make_parser().parse_known_args(words)
    wrong = [flag for flag in flags if not flag.startswith("--config.")]
    if wrong:
        make_parser().error(f"unexpected arguments: {' '.join(wrong)}")
    return arguments, flags


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; a failure ends with a message and status 2."""
    arguments, flags = parse(words)
    with tempfile.TemporaryDirectory() as scratch:
        out = (arguments.out or pathlib.Path(scratch)).absolute()
        if arguments.out and out.exists():
            raise InputError(f"{arguments.out} exists; name a new folder with --out")
        outcomes = compare(arguments.dir.absolute(), arguments.config, out, flags, arguments.seed)
    print("\n".join(table(outcomes)))
    write_figures(
        arguments.json, {"trained": [{**dataclasses.asdict(one), "place": one.place} for one in outcomes]}
    )


if __name__ == "__main__":
    main()
