"""This module opens a trained run from its folder: the experiment, the prepared data and the best checkpoint."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
from absl import logging

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.host.files import nearest_folder
from data_pipeline.prepared_data import MANIFEST_NAME, Manifest, OtherTokens, make_embedded_data
from mcsan_jax.config import DataConfig
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, build_experiment, for_use, variables_of

_METADATA_NAME = "dataset_info.json"


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A trained run holds its best checkpoint, ready to encode.

    Attributes:
        folder: the folder of the run.
        experiment: the model, with the configuration of the run.
        data: folder of the prepared data.
        step: the step of the checkpoint with the best validation Rsum.
        variables: the variables of the model at that step.
        licence: the terms of the annotations; empty where unknown.
        stopped: after which step training ended early and why; None where it did not.
        other_tokens: reads the captions where the model has another tokenizer than the data; None where it has theirs.
    """

    folder: RunFolder
    experiment: Experiment
    data: pathlib.Path
    step: int
    variables: dict[str, Any]
    licence: str = ""
    stopped: str | None = None
    other_tokens: OtherTokens | None = None


def open_run(
    folder: str | pathlib.Path,
    data: str | pathlib.Path | None = None,
    merge_duplicates: bool = False,
    devices: Sequence[jax.Device] | None = None,
) -> TrainedRun:
    """Opens a run with the configuration that it was trained with.

    Args:
        folder: the folder of the run.
        data: folder of the prepared data; None is the one that the configuration of the run names.
        merge_duplicates: whether an evaluation takes captions of the same text as one query with several relevant
            videos.
        devices: on which it runs; by default all.

    Raises:
        InputError: there is no such run, checkpoint or data, or the data is not what the run was trained on.
    """
    run = RunFolder(folder)
    prepared = None if data is None else pathlib.Path(data)
    experiment, prepared = open_experiment(run, prepared, merge_duplicates, devices)
    with CheckpointStore(run.checkpoints) as checkpoints:
        return trained_run(run, experiment, prepared, checkpoints)


def trained_run(
    run: RunFolder, experiment: Experiment, data: pathlib.Path, checkpoints: CheckpointStore
) -> TrainedRun:
    """Takes the best checkpoint of a run whose experiment is built; see `open_run`."""
    best = best_checkpoint(experiment, checkpoints)
    licence = stored_licence(data, experiment.manifest)
    return TrainedRun(run, experiment, data, *best, licence, experiment.early_stop(checkpoints))


def open_experiment(
    run: RunFolder,
    data: pathlib.Path | None = None,
    merge_duplicates: bool = False,
    devices: Sequence[jax.Device] | None = None,
) -> tuple[Experiment, pathlib.Path]:
    """Returns the experiment of a run, without a checkpoint, and the folder of its data; see `open_run`."""
    # Orbax tells every step of every checkpoint.
    logging.set_verbosity(logging.WARNING)
    config, mesh = run.stored_config(), make_mesh(devices)
    config = dataclasses.replace(
        config,
        data=config.data if data is None else dataclasses.replace(config.data, dir=str(data)),
        evaluation=dataclasses.replace(config.evaluation, merge_duplicates=merge_duplicates),
    )
    folder = find_prepared_data(config.data, "--data") if data is None else data
    manifest = Manifest.load(folder)
    if manifest.fingerprint != run.identity().get("data_fingerprint"):
        raise InputError(
            f"{folder} is not the data that {run.folder} was trained on: its fingerprint is {manifest.fingerprint}; "
            "name the folder of that data with --data=DIR"
        )
    return build_experiment(config, manifest, mesh, trains=False), folder


def best_checkpoint(experiment: Experiment, checkpoints: CheckpointStore) -> tuple[int, dict[str, Any]]:
    """Reads step and variables of the checkpoint with the best validation Rsum, and nothing else of it.

    Raises:
        InputError: no checkpoint was evaluated.
    """
    step = checkpoints.best_step
    if step is None:
        raise InputError(
            f"{checkpoints.folder} holds no evaluated checkpoint; train first (`mcsan train --config=CONFIG "
            f"--workdir={checkpoints.folder.parent}`), or name the folder of a trained run"
        )
    return step, variables_of(checkpoints.restore(step, like=for_use(experiment.state_maker.abstract)))


def stored_licence(data: pathlib.Path, manifest: Manifest) -> str:
    """Returns the terms of the annotations as their reader stated them; empty where prepared data tell none.

    Raises:
        InputError: the file that has them is damaged.
    """
    path = data / manifest.records / _METADATA_NAME
    if not path.is_file():
        return ""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); prepare the data again") from error
    return str(content.get("redistributionInfo", {}).get("license", ""))


def check_split(manifest: Manifest, split: str) -> None:
    """Refuses a split that the prepared data lacks.

    Raises:
        InputError: names the splits that it has.
    """
    if split not in manifest.splits:
        raise InputError(
            f"no split {split!r} in the prepared data; {nearest_name(split, manifest.splits)}it has "
            f"{', '.join(sorted(manifest.splits))}"
        )


def find_prepared_data(config: DataConfig, flag: str = "--config.data.dir") -> pathlib.Path:
    """Returns the folder of the prepared data, and makes the embedded data set where it is absent.

    Args:
        config: names the folder.
        flag: of the command that asks, which names another folder.

    Raises:
        InputError: there is none; names the folder looked in and the flag and, for a training, what to download and
            the command that prepares it.
    """
    folder = pathlib.Path(config.dir)
    if (folder / MANIFEST_NAME).is_file():
        return folder
    if config.made_from:
        print(f"making the embedded data set in {folder}", flush=True)
        make_embedded_data(folder, flag, config.made_from)
        return folder
    where = folder.absolute() if config.dir else "(config.data.dir is empty)"
    hint = nearest_folder(folder, MANIFEST_NAME) if config.dir else ""
    missing = f"no prepared data: looked for {MANIFEST_NAME} in {where}"
    if flag == "--data":
        raise InputError(
            f"{missing}, where it was in training; {hint}name the folder where it is now with --data=DIR"
        )
    missing += f"; {hint.rstrip()}" if hint else "."
    raise InputError(f"{missing}\n{config.prepare_hint}\nData prepared elsewhere is used with {flag}=DIR.")
