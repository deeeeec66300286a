"""Evaluates a run from its folder alone, as `mcsan eval` does."""

import pathlib
from collections.abc import Sequence

from mcsan_jax.evaluate_checkpoint import Wishes, evaluate_best
from mcsan_jax.evaluation.rank_split import Evaluation
from mcsan_jax.stored_run import check_split, open_experiment
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.workdir import Workdir


def evaluate_run(
    folder: pathlib.Path,
    splits: Sequence[str] = (),
    data: pathlib.Path | None = None,
    ablate: bool = False,
    hubness: bool = False,
    merge_duplicates: bool = False,
    save_scores: bool = False,
) -> dict[str, Evaluation]:
    """Evaluates the best checkpoint of a run with the configuration that the run was trained with.

    Args:
        folder: of the run.
        splits: to be evaluated; validation and test by default.
        data: the prepared data, where it is no longer in its place.
        ablate, hubness: see `evaluate_checkpoint.Wishes`.
        merge_duplicates: whether captions of the same text are one query with several right videos.
        save_scores: whether the matrices of fused scores are written.

    Raises:
        InputError: there is no such run, split or data, or the data is not what the run was trained on.
    """
    workdir = Workdir(folder)
    experiment, prepared = open_experiment(workdir, data, merge_duplicates)
    for split in splits:
        check_split(experiment.manifest, split)
    with CheckpointStore(workdir.checkpoints) as checkpoints:
        wishes = Wishes(splits, save_scores, ablate, hubness)
        return evaluate_best(experiment, prepared, checkpoints, workdir, wishes)
