import dataclasses
import pathlib
import shutil

from mcsan_jax.evaluate_checkpoint import Wishes, evaluate_best
from mcsan_jax.stored_run import open_experiment
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.workdir import Workdir
from tests.support.counted_encoders import CountedEncoders


def test_corrections_against_hubs_encode_no_split_twice(
    finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """The validation split chooses temperatures for itself and for the test split, and both have the same bank."""
    workdir = Workdir(pathlib.Path(shutil.copytree(finished_run, tmp_path / "run")))
    experiment, data = open_experiment(workdir)
    encoders = CountedEncoders(experiment.encoders)
    counting = dataclasses.replace(experiment, encoders=encoders.counted)
    with CheckpointStore(workdir.checkpoints) as checkpoints:
        evaluations = evaluate_best(counting, data, checkpoints, workdir, Wishes(hubness=True))
    assert list(evaluations) == ["val", "test"]
    splits = experiment.manifest.splits
    assert encoders.videos.total() == sum(splits[name].videos for name in ("train", "val", "test"))
    in_bank = min(splits["train"].captions, experiment.config.evaluation.bank_captions)
    evaluated = sum(splits[name].captions + splits[name].foils for name in ("val", "test"))
    assert encoders.texts.total() == in_bank + evaluated
