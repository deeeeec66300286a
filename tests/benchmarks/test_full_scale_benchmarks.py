"""The benchmarks of whole test sets run through and print consistent figures; nothing here is timed."""

import pathlib
import re

import numpy as np
from PIL import Image

from tests.support.benchmark_programs import NUMBER, run_benchmark


def test_a_whole_test_set(tmp_path: pathlib.Path) -> None:
    scores = tmp_path / "scores.npy"
    sizes = ("--videos=6", "--captions=3", "--frames=2", "--width=8", "--seed=4")
    lines = run_benchmark("full_test_set", *sizes, f"--scores={scores}").stdout.splitlines()
    assert lines[0].startswith("machine: ")
    assert lines[2] == "seed 4"
    assert re.fullmatch(r"6 videos of 2 frames, 18 captions with \d+ nodes, width 8", lines[3])
    found = re.fullmatch(
        rf"float32: {NUMBER} s for 4 levels, their fusion and all ranks \(wanted: below 360 s\); "
        rf"bare matrix products {NUMBER} s at \d+ GFLOP/s; ratio {NUMBER} \(wanted: 1.5 or less\)",
        lines[4],
    )
    assert found, lines[4]
    assert re.fullmatch(rf"most memory of the process: {NUMBER} GB \(wanted: below 4\)", lines[5])
    assert re.search(r"other ranks: \d+ of 18 captions .*, \d+ of 6 videos ", lines[6])
    matrix = np.load(scores, allow_pickle=False)
    assert matrix.shape == (6, 18)
    assert 0 < np.abs(matrix).max() <= 1
    assert list(tmp_path.iterdir()) == [scores]


def test_the_plot_of_scaling(tmp_path: pathlib.Path) -> None:
    plot = tmp_path / "scaling.png"
    sizes = ("--batches=", "--captions=200,100", "--width=8", f"--out={plot}")
    lines = run_benchmark("scaling", *sizes).stdout.splitlines()
    for captions, line in zip((100, 200), lines[3:5], strict=True):
        assert re.fullmatch(rf"evaluation {captions}: {NUMBER} s, {NUMBER} GB", line)
    assert re.fullmatch(r"exponents of evaluation: \S+ of seconds, \S+ of gigabytes", lines[5])
    with Image.open(plot) as image:
        assert image.width > 500
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_a_size_that_fails_is_named(tmp_path: pathlib.Path) -> None:
    done = run_benchmark("scaling", "--batches=0", "--captions=", f"--out={tmp_path / 'no.png'}", status=2)
    assert "error: step of size 0 ended with status" in done.stderr
    assert not list(tmp_path.iterdir())
