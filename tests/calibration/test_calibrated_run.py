"""An evaluation fits the calibration of a run, and its model keeps it."""

import json
import pathlib
import shutil

import pytest

from mcsan_jax.calibration.calibration import keep_calibration, read_calibration
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.runs.folder import RunFolder
from tests.support.command_line import run_mcsan


def test_a_training_ends_with_a_calibration(finished_run: pathlib.Path) -> None:
    calibration = read_calibration(finished_run)
    assert calibration is not None and calibration == read_calibration(finished_run / "model")
    fitted_on = calibration.fitted_on
    run = RunFolder(finished_run)
    assert (fitted_on.split, fitted_on.queries, fitted_on.videos) == ("val", 30, 6)
    assert fitted_on.step == run.read_record("val").step
    for split in ("val", "test"):
        judged = run.read_record(split).calibration
        assert judged is not None and judged.fitted_on == "val"
        assert judged.threshold == calibration.threshold
        assert sum(judged.first.answers) == judged.queries == run.read_record(split).captions
    assert "Reliability" in (finished_run / "eval" / "test_report.html").read_text(encoding="utf-8")


def test_a_model_opens_and_saves_with_its_calibration(
    finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    model = Mcsan.from_pretrained(finished_run)
    assert model.calibration == read_calibration(finished_run)
    model.save_pretrained(tmp_path / "model")
    assert Mcsan.from_pretrained(tmp_path / "model").calibration == model.calibration
    with_calibration = json.loads((tmp_path / "model" / "config.json").read_text())
    # Another one says nothing of the model; without one, that of the earlier model is removed.
    model.calibration = None
    model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model" / "calibration.json").exists()
    assert Mcsan.from_pretrained(tmp_path / "model").calibration is None
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == with_calibration


@pytest.mark.slow
def test_an_evaluation_calibrates_an_older_run(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run = pathlib.Path(shutil.copytree(finished_run, tmp_path / "run"))
    fitted = read_calibration(run)
    keep_calibration(None, run)
    keep_calibration(None, run / "model")
    assert run_mcsan("eval", str(run), "--split=test").status == 0
    # The validation split was not looked at.
    assert read_calibration(run) is None and RunFolder(run).read_record("test").calibration is None
    # An evaluation by another rule than that of the run decides nothing.
    assert run_mcsan("eval", str(run), "--split=val", "--merge-duplicates").status == 0
    assert read_calibration(run) is None
    assert run_mcsan("eval", str(run), "--split=test", "--split=val").status == 0
    assert fitted is not None and read_calibration(run) == read_calibration(run / "model") == fitted
    assert RunFolder(run).read_record("test").calibration is not None


@pytest.mark.parametrize("folder", [".", "model"])
def test_a_damaged_calibration_is_told(
    finished_run: pathlib.Path, tmp_path: pathlib.Path, folder: str
) -> None:
    run = pathlib.Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / folder / "calibration.json").write_text("{}")
    words = ("eval", str(run)) if folder == "." else ("export", str(run), f"--out={tmp_path / 'out'}")
    ended = run_mcsan(*words)
    assert ended.status == 2 and "calibration.json: temperature is missing" in ended.stderr
    assert not (tmp_path / "out").exists()
