"""The benchmarks of whole test sets and of growing sizes run through; nothing here is timed."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from benchmarks.speed import scaling
from benchmarks.speed.measured_run import Work, run_measured
from benchmarks.speed.our_step import Sizes
from data_pipeline.errors import InputError
from tests.benchmarks.programs import figures_of, refusal_of


def test_a_whole_test_set(tmp_path: pathlib.Path) -> None:
    scores, figures = tmp_path / "scores.npy", tmp_path / "figures"
    figures.mkdir()
    sizes = ("--videos=6", "--captions=3", "--frames=2", "--width=8", "--seed=4")
    found = figures_of("full_test_set", figures, *sizes, f"--scores={scores}")
    assert (found["seed"], found["videos"], found["captions"]) == (4, 6, 18)
    assert 18 < found["nodes"] < 18 * 14
    assert found["ratio"] == found["seconds"] / found["bare_seconds"] > 0
    assert found["rounded_seconds"] > 0 and found["bytes"] > 1e8
    for name, count in (("captions", 18), ("videos", 6)):
        others = found["other_ranks"][name]
        assert others["queries"] == count and 0 <= others["moved"] <= count
        assert (others["moved"] > 0) == (others["median_places"] > 0)
    matrix = np.load(scores, allow_pickle=False)
    assert matrix.shape == (6, 18)
    assert 0 < np.abs(matrix).max() <= 1
    assert sorted(tmp_path.iterdir()) == [figures, scores]


def test_an_evaluation_is_measured(tmp_path: pathlib.Path) -> None:
    found = figures_of("measured_run", tmp_path, "--work=evaluation", "--size=100", "--width=8")
    assert found["seconds"] > 0 and found["bytes"] > 1e8


def test_the_exponents_are_those_of_the_sizes(tmp_path: pathlib.Path) -> None:
    sizes = [100, 200, 400]
    curve = scaling.Curve(sizes, [1e-6 * n**2 for n in sizes], [0.1 * n**0.5 for n in sizes])
    assert curve.exponent("seconds") == pytest.approx(2)
    assert curve.exponent("gigabytes") == pytest.approx(0.5)


@pytest.mark.slow
def test_the_plot_of_scaling(tmp_path: pathlib.Path) -> None:
    plot = tmp_path / "scaling.png"
    found = figures_of("scaling", tmp_path, "--batches=", "--captions=200,100", "--width=8", f"--out={plot}")
    assert list(found) == ["evaluation"]
    curve = found["evaluation"]
    assert curve["sizes"] == [100, 200]
    assert min(curve["seconds"]) > 0 and min(curve["gigabytes"]) > 0.1
    assert set(curve["exponents"]) == {"seconds", "gigabytes"}
    with Image.open(plot) as image:
        assert image.width > 500
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_a_size_that_fails_is_named() -> None:
    with pytest.raises(InputError) as refused:
        run_measured(Work.STEP, 0, Sizes())
    message = str(refused.value)
    assert message.startswith("measured_run --work=step --size=0 ")
    assert " ended with status 2:\nerror: Invalid value for '--size'" in message


def test_sizes_of_nothing_are_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in (
        (
            ["--batches=0", "--captions="],
            "--batches: expected different numbers from 1 on, such as 1,2, found '0'",
        ),
        (["--batches=", "--captions="], "--batches and --captions are both empty"),
        (["--vocabulary=1"], "Invalid value for '--vocabulary': Input should be greater than or equal to 2"),
    ):
        message = refusal_of("scaling", [*words, f"--out={tmp_path / 'no.png'}"], capsys)
        assert message.startswith(f"error: {expected}")
    assert not list(tmp_path.iterdir())
