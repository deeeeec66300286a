"""Losses of training and validation in one chart."""

import json
import shutil
from pathlib import Path

import pytest

from mcsan_jax.report.page import write_report
from mcsan_jax.report.results import read_runs
from mcsan_jax.report.training_charts import training_section
from tests.report.report_page import ReportPage


@pytest.fixture
def run(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    """A run of one's own, to be changed."""
    return Path(shutil.copytree(runs[1], tmp_path / "a run"))


def add_validation_losses(run: Path) -> None:
    path = run / "metrics.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for entry in entries:
        if entry["kind"] == "val":
            entry |= {"loss": 200.0 / entry["step"], "loss/ranking": 40.0 / entry["step"]}
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def pictures(run: Path) -> list[str]:
    return ReportPage(write_report([run], "test").read_text(encoding="utf-8")).pictures["training"]


def test_validation_losses_are_drawn_into_the_charts_of_training(run: Path) -> None:
    before = pictures(run)
    add_validation_losses(run)
    loss, ranking, *others = pictures(run)
    assert loss == "Loss. a run: from 20.00 to 1.67; a run, validation: from 10.00 to 3.33."
    assert ranking == "Ranking loss. a run: from 1.00 to 0.08; a run, validation: from 2.00 to 0.67."
    assert others == before[2:] and len(before) == 6


def test_validation_is_dashed_and_says_so(run: Path) -> None:
    add_validation_losses(run)
    [loss, ranking, fbce, *_] = training_section(read_runs([run], "test")).charts
    for chart, dashed in ((loss, True), (ranking, True), (fbce, False)):
        assert ("dasharray" in chart.svg) == dashed
        assert ("dashed: on the validation split" in chart.note) == dashed
    assert fbce.note == "summed over the levels, before it is weighed"


def test_runs_with_and_without_validation_losses_stand_side_by_side(
    run: Path, runs: tuple[Path, Path]
) -> None:
    add_validation_losses(run)
    [loss, *_] = training_section(read_runs([run, runs[1]], "test")).charts
    assert [name for name, _ in loss.key] == ["a run", "plain"]
    assert "a run, validation: from 10.00" in loss.svg and "plain, validation" not in loss.svg


def test_a_loss_that_the_report_does_not_know_is_drawn_under_its_name(run: Path) -> None:
    path = run / "metrics.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for entry in entries:
        if entry["kind"] == "train":
            entry |= {f"loss/new/{level}": 3.0 / entry["step"] for level in ("entity", "action")}
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    [new] = [picture for picture in pictures(run) if picture.startswith("new")]
    assert new == "new. a run: from 1.20 to 0.10."
