"""Runs of several configs and seeds: each is trained in a process of its own unless it is finished, then read."""

import concurrent.futures
import dataclasses
import math
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config
from mcsan_jax.config_files import config_of_flags
from mcsan_jax.recipes.caption_limits import with_derived_limits
from mcsan_jax.recipes.recipe_by_size import recipe_by_size
from mcsan_jax.report.results import EvaluatedRun, read_runs
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import find_prepared_data

CONFIGS = pathlib.Path(os.path.relpath(pathlib.Path(__file__).parents[2] / "configs"))
"""Seen from the current folder, so that the commands that are shown hold on every machine."""

_OWN_FLAGS = {"--config": "the model", "--config.train.seed": "--seeds", "--workdir": "--out"}


@dataclasses.dataclass(frozen=True)
class Model:
    """What is trained once per seed.

    Attributes:
        name: of its row, and of the folder of its runs.
        flags: of `mcsan_jax.main`, the config among them, without those of seed and folder.
    """

    name: str
    flags: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ModelRuns:
    """The evaluated runs of a model, one per seed.

    Attributes:
        name: of the model.
        command: that made the first of them.
        runs: in the order of the seeds.
        minutes: of training steps, the mean over the seeds; None where nothing was trained.
    """

    name: str
    command: str
    runs: list[EvaluatedRun]
    minutes: float | None

    @property
    def rsums(self) -> list[float]:
        """Rsum of every run."""
        return [run.record.rsum for run in self.runs]


@dataclasses.dataclass(frozen=True)
class _Planned:
    folder: pathlib.Path
    arguments: list[str]
    config: Config
    manifest: Manifest


def check_flags(overrides: Sequence[str] | None) -> tuple[str, ...]:
    """Flags that are handed to every training.

    Args:
        overrides: what stands after ``--``, if anything does.

    Raises:
        InputError: one is not an override of the config, or is set otherwise.
    """
    overrides = tuple(overrides or ())
    for flag in overrides:
        name = flag.partition("=")[0]
        if name in _OWN_FLAGS:
            raise InputError(f"{flag}: {_OWN_FLAGS[name]} decides that; leave it out after --")
        if not name.startswith("--config.") or "=" not in flag:
            raise InputError(
                f"{flag}: expected --config.GROUP.FIELD=VALUE after --, such as --config.train.epochs=20"
            )
    return overrides


def train_all(
    models: Sequence[Model], seeds: Sequence[int], split: str, out: pathlib.Path, jobs: int = 1
) -> tuple[list[ModelRuns], Manifest]:
    """Trains what is not finished yet, the first seed of every model first, and reads all.

    Args:
        models: in the order of training.
        seeds: of each of them.
        split: on which the runs are evaluated.
        out: the run of a model and seed lies in ``out/<model>/seed<seed>``.
        jobs: trainings at a time. What each of several says goes to ``out/<model>/seed<seed>.log``.

    Returns:
        The runs by model, and the manifest of the data they share.

    Raises:
        InputError: a config is wrong, a folder holds another run, the models were given different data, or a training
            failed. All but the last are noticed before anything is trained.
    """
    planned = {model.name: [_plan(model, seed, split, out) for seed in seeds] for model in models}
    runs = [run for of_seed in zip(*planned.values(), strict=True) for run in of_seed]
    manifest = runs[0].manifest
    other = next((run for run in runs if run.manifest.fingerprint != manifest.fingerprint), None)
    if other:
        raise InputError(
            f"{other.folder} and {runs[0].folder} are to have different data; give all models the same"
        )

    stopped = threading.Event()

    def finish(number: int, run: _Planned) -> None:
        if stopped.is_set():
            return
        done = f"run {number} of {len(runs)}: {run.folder}"
        if _is_finished(run, split):
            print(f"{done} is finished", file=sys.stderr, flush=True)
            return
        print(f"{done}", file=sys.stderr, flush=True)
        log = run.folder.with_suffix(".log") if jobs > 1 else None
        try:
            run_program("mcsan_jax.main", run.arguments, log)
        except InputError:
            # Here, because this thread takes the next run before the one that waits hears of the failure.
            stopped.set()
            raise

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        trainings = [pool.submit(finish, number, run) for number, run in enumerate(runs, 1)]
        try:
            for training in concurrent.futures.as_completed(trainings):
                training.result()
        finally:
            # After a failure or an interruption those that run come to their end, and no other begins.
            stopped.set()
    return [_read(name, of_model, split) for name, of_model in planned.items()], manifest


def run_program(module: str, arguments: Sequence[str], log: pathlib.Path | None = None) -> None:
    """Runs a program of this project.

    Args:
        module: of the program.
        arguments: of its command line.
        log: file for all it says, where others run beside it: on an accelerator it then takes only the memory it
            needs. None for the standard error output.

    Raises:
        InputError: it failed.
    """
    command = [sys.executable, "-m", module, *arguments]
    sys.stderr.flush()
    if log is None:
        place = "above"
        status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    else:
        place = f"in {log}"
        log.parent.mkdir(parents=True, exist_ok=True)
        beside_others = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
        with log.open("w") as file:
            status = subprocess.run(
                command, stdout=file, stderr=file, env=beside_others, check=False
            ).returncode
    if status:
        raise InputError(
            f"`python -m {module} {' '.join(arguments)}` ended with status {status}; its message stands {place}. What "
            "is finished stays: the same command goes on from here"
        )


def _plan(model: Model, seed: int, split: str, out: pathlib.Path) -> _Planned:
    folder = out / model.name / f"seed{seed}"
    arguments = [*model.flags, f"--config.train.seed={seed}"]
    config = config_of_flags(arguments)
    manifest = Manifest.load(find_prepared_data(config.data))
    if split not in manifest.splits:
        raise InputError(
            f"no split {split!r} in {config.data.dir}; {nearest_name(split, manifest.splits)}it has "
            f"{', '.join(sorted(manifest.splits))}"
        )
    by_hand = [flag.partition("=")[0].removeprefix("--config.") for flag in arguments]
    config, _ = recipe_by_size(config, manifest, by_hand)
    config = with_derived_limits(RunFolder(folder).with_stored_limits(config), manifest)
    if folder.is_dir():
        RunFolder(folder).claim(config, manifest.fingerprint)
    return _Planned(folder, [*arguments, f"--workdir={folder}"], config, manifest)


def _is_finished(run: _Planned, split: str) -> bool:
    """Whether the run was trained to its last step, or until its patience ran out, and evaluated."""
    merged = run.config.evaluation.merge_duplicates
    if not RunFolder(run.folder).record_file(split, merged).is_file():
        return False
    train = run.config.train
    steps = train.epochs * math.ceil(
        run.manifest.splits[run.config.data.train_split].videos / train.batch_size
    )
    [found] = read_runs([run.folder], split, merged)
    return found.record.early_stop is not None or any(entry["step"] >= steps for entry in found.history)


def _read(name: str, planned: Sequence[_Planned], split: str) -> ModelRuns:
    runs = read_runs([run.folder for run in planned], split, planned[0].config.evaluation.merge_duplicates)
    minutes = [
        _minutes(run.history, plan.config.train.batch_size) for run, plan in zip(runs, planned, strict=True)
    ]
    command = f"python -m mcsan_jax.main {' '.join(planned[0].arguments)}"
    return ModelRuns(name, command, runs, sum(minutes) / len(minutes))


def _minutes(history: Sequence[Mapping[str, Any]], batch_size: int) -> float:
    """Time in training steps, from the rates in the log, which outlive an interruption; evaluations do not count."""
    seconds, before = 0.0, 0
    for entry in history:
        if entry["kind"] == "train":
            seconds += (entry["step"] - before) * batch_size / entry["pairs_per_second"]
            before = entry["step"]
    return seconds / 60
