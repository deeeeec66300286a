"""The benchmarks of whole test sets and of growing sizes run through; nothing here is timed."""

import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from benchmarks import full_test_set, measured_run, scaling
from tests.benchmarks.programs import figures_of, refusal_of


def test_a_whole_test_set(tmp_path: pathlib.Path) -> None:
    scores, figures = tmp_path / "scores.npy", tmp_path / "figures"
    figures.mkdir()
    sizes = ("--videos=6", "--captions=3", "--frames=2", "--width=8", "--seed=4")
    found = figures_of(full_test_set, figures, *sizes, f"--scores={scores}")
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


def test_an_evaluation_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    measured_run.main(["--work=evaluation", "--size=100", "--width=8"])
    found = json.loads(capsys.readouterr().out)
    assert found["seconds"] > 0 and found["bytes"] > 1e8


def test_the_exponents_are_those_of_the_sizes(tmp_path: pathlib.Path) -> None:
    sizes = [100, 200, 400]
    curve = scaling.Curve(sizes, [1e-6 * n**2 for n in sizes], [0.1 * n**0.5 for n in sizes])
    assert curve.exponent("seconds") == pytest.approx(2)
    assert curve.exponent("gigabytes") == pytest.approx(0.5)


@pytest.mark.slow
def test_the_plot_of_scaling(tmp_path: pathlib.Path) -> None:
    plot = tmp_path / "scaling.png"
    found = figures_of(scaling, tmp_path, "--batches=", "--captions=200,100", "--width=8", f"--out={plot}")
    assert list(found) == ["evaluation"]
    curve = found["evaluation"]
    assert curve["sizes"] == [100, 200]
    assert min(curve["seconds"]) > 0 and min(curve["gigabytes"]) > 0.1
    assert set(curve["exponents"]) == {"seconds", "gigabytes"}
    with Image.open(plot) as image:
        assert image.width > 500
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_a_size_that_fails_is_named(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        scaling.main(["--batches=0", "--captions=", f"--out={tmp_path / 'no.png'}"])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "error: step of size 0 ended with status 2" in message and "0: expected 1 or more" in message
    assert not list(tmp_path.iterdir())


def test_a_batch_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "argument --vocabulary: 1: expected 2 or more" in refusal_of(scaling, ["--vocabulary=1"], capsys)
