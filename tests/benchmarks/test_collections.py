"""The comparison with closed forms on collections of several sizes, on one that is made small."""

import dataclasses
import pathlib
import shutil

import pytest

from benchmarks.__main__ import main
from benchmarks.quality import collections
from benchmarks.quality.baselines import evaluate_ridge
from benchmarks.quality.collections import COLLECTIONS, Row
from data_pipeline.manifest import Manifest
from tests.benchmarks.programs import figures_of, refusal_of
from tests.benchmarks.small_comparison import rows_of


def test_a_row_says_how_far_ours_is_above_the_best_closed_form() -> None:
    row = Row("few", (50, 10, 100, 1000), 100.0, 120.0, 118.0, (130.0, 126.0, 119.0), 1.5)
    cells = row.cells()
    assert cells[1] == "50 / 10 / 100, 1,000"
    assert cells[5:] == ["125.0", "119.0", "1.04", "1.5"]


def test_every_collection_has_its_own_size() -> None:
    assert len(COLLECTIONS) == 10 and all(name == each.name for name, each in COLLECTIONS.items())


def test_an_unknown_collection_is_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'shapes-7' is none of clips-23, msrvtt-25" in refusal_of(
        "collections", ["--only=shapes-7", f"--out={tmp_path}"], capsys
    )


def test_collections_that_cannot_be_made_are_left_out(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = dataclasses.replace(COLLECTIONS["msrvtt-25"], needs=tmp_path / "nothing")
    monkeypatch.setitem(COLLECTIONS, "msrvtt-25", missing)
    with pytest.raises(SystemExit):
        main(["collections", "--only=msrvtt-25", f"--out={tmp_path}"])
    said = capsys.readouterr()
    assert "msrvtt-25 is left out" in said.out and "msrvtt-25 can be made" in said.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the load_module.. method is deprecated:DeprecationWarning")
def test_both_sides_are_measured_by_one_command(
    shapes: pathlib.Path,
    tmp_path: pathlib.Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = collections.Collection("few", None, lambda out, _: shutil.copytree(shapes, out) and None, "test")
    monkeypatch.setitem(COLLECTIONS, "few", few)
    short = ["--", "--config.train.epochs=1", "--config.model.width=16", "--config.model.word_width=16"]
    words = ["--only=few", "--seeds=0", f"--out={tmp_path / 'out'}", *short]
    [row] = figures_of("collections", tmp_path, *words)["collections"]
    for name, words_only in (("words", True), ("closed", False)):
        assert (
            row[name] == evaluate_ridge(shapes, "test", words_only=words_only, same_text="relevant")[1].rsum
        )
    # The branch of the model reads frames that were sampled, the closed form all of them.
    assert row["linear"] == pytest.approx(row["closed"], rel=0.2) and len(row["ours"]) == 1
    splits = Manifest.load(shapes).splits
    assert row["counts"][0] == splits["train"].videos
    assert rows_of(capfd.readouterr().out, "collection")["few"][2] == f"{row['words']:.1f}"
