"""`mcsan export` of models, and the model that a training leaves in the folder of its run."""

import dataclasses
import json
import pathlib
import shutil

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.stablehlo import load_stablehlo
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import open_experiment, open_run
from mcsan_jax.train_run import discard_stale_model, train_run
from mcsan_jax.training.checkpointing import CheckpointStore
from tests.support.command_line import config_of, run_mcsan
from tests.support.finished_run import SAID, arguments


@pytest.fixture
def run(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy, to be changed."""
    return pathlib.Path(shutil.copytree(finished_run, tmp_path / "run"))


def move_data(run: pathlib.Path) -> None:
    """From now on the prepared data are not where the run was trained on them."""
    path = run / "config.json"
    # Otherwise the embedded data set would be made there.
    moved = {"data.dir": str(run / "nowhere"), "data.made_from": ""}
    path.write_text(json.dumps({**json.loads(path.read_text()), **moved}))


def assert_same_weights(one: pathlib.Path, other: pathlib.Path) -> None:
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_a_training_leaves_its_model_and_says_so(finished_run: pathlib.Path) -> None:
    said = (finished_run.parent / SAID).read_text(encoding="utf-8")
    last = said.splitlines()[-1]
    assert last.startswith(
        f"model written to {finished_run}/model; Mcsan.from_pretrained({str(finished_run)!r})"
    )
    model, checkpoint = Mcsan.from_pretrained(finished_run), Mcsan.of_run(open_run(finished_run))
    assert model.step == checkpoint.step and model.config == checkpoint.config
    jax.tree.map(np.testing.assert_array_equal, model.variables, checkpoint.variables)


def test_programs_lie_beside_a_model(
    finished_run: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    ended = run_mcsan("export", finished_run, "--to=stablehlo", f"--out={out}")
    assert ended.status == 0, ended.stderr
    assert_same_weights(out, finished_run / "model")
    found, expected = (
        one.encode_query("a red ball") for one in (load_stablehlo(out), Mcsan.from_pretrained(out))
    )
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(found.pooled, expected.pooled, rtol=0, atol=1e-5)


def test_a_run_that_will_train_further_has_no_model(run: pathlib.Path) -> None:
    experiment, _ = open_experiment(RunFolder(run))
    with CheckpointStore(run / "checkpoints") as checkpoints:
        discard_stale_model(RunFolder(run), experiment, checkpoints)
        assert (run / "model" / "config.json").is_file()
        longer = dataclasses.replace(experiment, steps_per_epoch=experiment.steps_per_epoch + 1)
        discard_stale_model(RunFolder(run), longer, checkpoints)
    assert not (run / "model").exists()


@pytest.mark.slow
def test_a_training_that_goes_on_leaves_no_stale_model(run: pathlib.Path, shapes: pathlib.Path) -> None:
    """Without an evaluation, no model takes the place of the stale one."""
    config = config_of(*arguments(shapes, run))
    # What is finished is not trained further, and keeps its model.
    train_run(config, RunFolder(run), "train")
    assert (run / "model" / "config.json").is_file()
    shutil.rmtree(run / "checkpoints")
    train_run(config, RunFolder(run), "train")
    assert not (run / "model").exists()


def test_what_lies_in_the_place_of_the_model_is_told_before_training(
    run: pathlib.Path, shapes: pathlib.Path
) -> None:
    shutil.rmtree(run / "model")
    (run / "model").mkdir()
    (run / "model" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"model is not empty and holds no model; .*--workdir"):
        train_run(config_of(*arguments(shapes, run)), RunFolder(run))
    assert (run / "model" / "mine.txt").read_text() == "mine"


def test_a_run_is_exported_without_its_data(run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    move_data(run)
    out = tmp_path / "a model"
    ended = run_mcsan("export", run, "--out", out)
    assert ended == (0, f"written to {out}; Mcsan.from_pretrained({str(out)!r}) opens it\n", "")
    assert_same_weights(out, run / "model")
    # The data tell a card more than the run alone.
    assert (out / "README.md").read_text() == (run / "model" / "README.md").read_text()
    # A model folder is exported as well.
    ended = run_mcsan("export", out, "--out", tmp_path / "half", "--dtype=float16")
    assert ended.status == 0
    assert (tmp_path / "half" / "README.md").read_text() == (out / "README.md").read_text()
    assert Mcsan.from_pretrained(tmp_path / "half").licence.startswith("Apache-2.0")


def test_a_run_without_a_model_is_exported_from_its_checkpoint(
    run: pathlib.Path, finished_run: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "eval")
    move_data(run)
    ended = run_mcsan("export", run, "--out", tmp_path / "model")
    assert ended.status == 2 and "--data=DIR" in ended.stderr
    assert not (tmp_path / "model").exists()
    ended = run_mcsan("export", run, "--out", tmp_path / "model", f"--data={shapes}")
    assert ended.status == 0, ended.stderr
    assert_same_weights(tmp_path / "model", finished_run / "model")
    assert "**This card has no figures**" in (tmp_path / "model" / "README.md").read_text()


def test_the_card_has_the_evaluations_of_now(run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for path in (run / "eval").glob("test*"):
        path.unlink()
    assert run_mcsan("export", run, "--out", tmp_path / "model").status == 0
    card = (tmp_path / "model" / "README.md").read_text()
    assert "## Results on split val" in card and "## Results on split test" not in card


@pytest.mark.parametrize("words", [("eval",), ("card",), ("export", "--to=trec", "--out=trec")])
def test_a_model_folder_is_not_taken_for_a_run(words: tuple[str, ...], finished_run: pathlib.Path) -> None:
    ended = run_mcsan(*words, finished_run / "model")
    assert ended.status == 2
    assert f"{finished_run}/model is the folder of a model, which keeps no training" in ended.stderr
