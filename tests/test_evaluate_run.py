import dataclasses
import pathlib
import shutil

import pytest

from mcsan_jax.evaluate_run import EvaluationOptions, evaluate_run
from mcsan_jax.runs.open import open_run
from tests.support.counted_encoders import CountedEncoders


@pytest.mark.slow
def test_corrections_against_hubs_encode_no_split_twice(
    finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """The validation split chooses temperatures for itself and for the test split, and both have the same bank."""
    run = open_run(pathlib.Path(shutil.copytree(finished_run, tmp_path / "run")))
    encoders = CountedEncoders(run.experiment.encoders)
    experiment = dataclasses.replace(run.experiment, encoders=encoders.counted)
    counting = dataclasses.replace(run, experiment=experiment)
    evaluations = evaluate_run(counting, EvaluationOptions(hubness=True))
    assert list(evaluations) == ["val", "test"]
    splits = experiment.manifest.splits
    assert encoders.videos.total() == sum(splits[name].videos for name in ("train", "val", "test"))
    in_bank = min(splits["train"].captions, experiment.config.evaluation.bank_captions)
    evaluated = sum(splits[name].captions + splits[name].foils for name in ("val", "test"))
    assert encoders.texts.total() == in_bank + evaluated
