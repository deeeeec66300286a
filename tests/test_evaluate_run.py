import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys

import jax
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.evaluate_run import EvaluationOptions, evaluate_run
from mcsan_jax.runs.open import open_run
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.experiment import build_experiment
from tests.support import ROOT
from tests.support.command_line import run_mcsan
from tests.support.counted_encoders import CountedEncoders
from tests.support.finished_run import arguments


def test_the_training_batch_plays_no_part_in_an_evaluation(
    finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Three devices divide neither the batch of 16 nor the 64 that are encoded at a time; the run had eight."""
    run = open_run(pathlib.Path(shutil.copytree(finished_run, tmp_path / "run")))
    mesh = make_mesh(jax.devices()[:3])
    with pytest.raises(InputError, match=r"config\.train\.batch_size is 16, which 3 devices do not divide"):
        build_experiment(run.experiment.config, run.experiment.manifest, mesh)
    experiment = build_experiment(run.experiment.config, run.experiment.manifest, mesh, trains=False)
    elsewhere = dataclasses.replace(run, experiment=experiment, variables=jax.device_get(run.variables))
    evaluate_run(elsewhere, EvaluationOptions(splits=["test"]))
    before, after = (
        json.loads((folder / "eval" / "test.json").read_text()) for folder in (finished_run, tmp_path / "run")
    )
    for figures in ("directions", "compositional", "videos", "captions"):
        assert after[figures] == before[figures]
    assert (before["config"]["evaluation.encode_batch"], after["config"]["evaluation.encode_batch"]) == (
        64,
        66,
    )


@pytest.mark.slow
def test_any_number_of_devices_evaluates_by_either_command(
    finished_run: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = pathlib.Path(shutil.copytree(finished_run, tmp_path / "run"))
    rsums = []
    for devices in (1, 3):
        for words in (
            ("mcsan_jax.cli", "eval", str(run)),
            ("mcsan_jax.main", *arguments(shapes, run), "--mode=eval"),
        ):
            shutil.rmtree(run / "eval")
            done = subprocess.run(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                env={**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            rsums.append(
                [json.loads((run / "eval" / f"{s}.json").read_text())["directions"] for s in ("val", "test")]
            )
    assert rsums[1:] == rsums[:1] * 3


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


@pytest.mark.slow
def test_a_training_whose_patience_ran_out_is_a_finished_run(
    shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Nothing is learned, so that no evaluation is better than the first."""
    run = tmp_path / "run"
    words = [
        *arguments(shapes, run),
        "--config.model.levels=('entity',)",
        "--config.optim.learning_rate=1e-12",
        "--config.train.epochs=9",
        "--config.train.patience=1",
    ]
    ended = run_mcsan("train", *words)
    assert ended.status == 0, ended.stderr
    stopped = "stopped after step 8 of 36: 1 evaluation without a better one"
    assert f"{stopped}\n" in ended.stdout
    record = json.loads((run / "eval" / "test.json").read_text())
    assert (record["step"], record["early_stop"]) == (8, stopped)
    assert record["protocol"]["selection"] == f"step 8 has the best Rsum on split val; training {stopped}"

    curves = (run / "metrics.jsonl").read_text()
    again = run_mcsan("train", *words, "--mode=train")
    assert again.status == 0 and f"{stopped}\n" in again.stdout
    assert (run / "metrics.jsonl").read_text() == curves

    evaluated = run_mcsan("eval", run, "--split=val")
    assert evaluated.status == 0 and stopped in evaluated.stdout
    compared = run_mcsan("compare", run, run)
    assert compared.status == 0 and stopped in compared.stdout and "WARNING" not in compared.stdout
    assert run_mcsan("report", run).status == 0
    assert stopped in (run / "eval" / "test_report.html").read_text(encoding="utf-8")
    assert run_mcsan("card", run).status == 0
    card = (run / "model_card.md").read_text(encoding="utf-8")
    assert stopped in card and "at most 9 passes over the videos" in card
