"""The benchmark of an image-text encoder on data of its own, at its smallest sizes."""

import pathlib
from collections.abc import Sequence
from math import comb

import pytest

from benchmarks.quality import zero_shot
from benchmarks.quality.trained_runs import run_program
from tests.benchmarks.programs import figures_of

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")]


SHORT = ("--config.train.epochs=1", "--config.model.width=16", "--config.model.levels=('global',)")


def run_short(program: str, words: Sequence[str], *log: pathlib.Path) -> None:
    """Runs a program as the benchmark does, a training with one pass of a small network."""
    run_program(program, [*words, *(SHORT if program == "mcsan_jax.main" else ())], *log)


def test_every_row_of_the_table_is_measured_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zero_shot, "_HELD_OUT", {"val": 8, "test": 16})
    monkeypatch.setattr(zero_shot, "run_program", run_short)
    out = tmp_path / "out"
    words = (f"--out={out}", "--seen=8", "--steps=2", "--videos=16")
    figures = figures_of("zero_shot", tmp_path, *words)
    assert set(figures) == {
        "chance",
        *(f"zero-shot, {score}" for score in ("global", "entity", "action", "relationship", "fused")),
        "16 videos, ridge regression",
        "16 videos, from zero-shot",
        "16 videos, from scratch",
    }
    assert all(0 < rsum <= 600 for rsum in figures.values())
    # A random order of 16 videos, and of 80 captions of which five are a video's own.
    random = 100 * (1 + 5 + 10) / 16 + sum(100 * (1 - comb(75, most) / comb(80, most)) for most in (1, 5, 10))
    assert figures["chance"] == pytest.approx(random)
    # What is finished is read, and not computed again.
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert figures_of("zero_shot", tmp_path, *words) == figures
    assert written == {path: path.stat().st_mtime_ns for path in written}
