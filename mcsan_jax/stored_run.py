"""Opens a trained run from its folder: the experiment, the prepared data and the best checkpoint."""

import dataclasses
import pathlib
from typing import Any

from absl import logging

from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.prepared_data import find_prepared_data
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, build_experiment, variables_of
from mcsan_jax.workdir import Workdir


def open_experiment(
    workdir: Workdir, data: pathlib.Path | None = None, merge_duplicates: bool = False
) -> tuple[Experiment, pathlib.Path]:
    """The experiment of a run with the configuration that it was trained with, and the folder of its data.

    Args:
        workdir: of the run.
        data: the prepared data, where it is no longer in its place.
        merge_duplicates: whether captions of the same text are one query with several right videos.

    Raises:
        InputError: there is no such run or data, or the data is not what the run was trained on.
    """
    # Orbax tells every step of every checkpoint.
    logging.set_verbosity(logging.WARNING)
    config = workdir.stored_config()
    config = dataclasses.replace(
        config,
        data=config.data if data is None else dataclasses.replace(config.data, dir=str(data)),
        evaluation=dataclasses.replace(config.evaluation, merge_duplicates=merge_duplicates),
    )
    folder = find_prepared_data(config.data)
    manifest = Manifest.load(folder)
    workdir.claim(config, manifest.fingerprint)
    return build_experiment(config, manifest), folder


def check_split(manifest: Manifest, split: str) -> None:
    """Raises InputError where the prepared data has no such split."""
    if split not in manifest.splits:
        raise InputError(
            f"no split {split!r} in the prepared data; it has {', '.join(sorted(manifest.splits))}"
        )


def best_checkpoint(experiment: Experiment, checkpoints: CheckpointStore) -> tuple[int, dict[str, Any]]:
    """Step and variables of the checkpoint with the best validation Rsum.

    Raises:
        InputError: no checkpoint was evaluated.
    """
    step = checkpoints.best_step
    if step is None:
        raise InputError(
            f"{checkpoints.folder} holds no evaluated checkpoint; train first "
            "(`python -m mcsan_jax.main --mode=train_and_eval`), or name the folder of a run with --workdir"
        )
    return step, variables_of(checkpoints.restore(step, like=experiment.state_maker.abstract))
