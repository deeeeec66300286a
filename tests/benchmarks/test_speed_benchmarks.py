"""The benchmarks against the PyTorch peer run through and compare the same results; nothing here is timed."""

import importlib
import pathlib
from typing import Any

import pytest

from tests.benchmarks.programs import figures_of, started_figures

pytest.importorskip("torch")
train_step = importlib.import_module("benchmarks.speed.train_step")
our_step = importlib.import_module("benchmarks.speed.our_step")


def check_ratios(found: dict[str, Any], seconds: float, of_peer: float) -> None:
    assert seconds > 0 and of_peer > 0
    # Measured in one round, so that all ways to compare are one.
    assert found["ratio"] == found["fastest_ratio"] == pytest.approx(of_peer / seconds)


def test_similarity_compares_the_same_scores_and_gradients(tmp_path: pathlib.Path) -> None:
    sizes = ("--videos=3", "--captions=5", "--pairs=4", "--frames=3", "--nodes=2", "--width=8", "--rounds=1")
    found = figures_of("similarity", tmp_path, *sizes)["comparisons"]
    real = "nodes of real captions (1.7 of 4 and 3.3 of 6)"
    assert [(one["title"], one["wanted"]) for one in found] == [
        ("scores of 3 videos x 5 captions, 2 nodes each", 10),
        (f"scores of 3 videos x 5 captions, {real}", 10),
        ("scores and gradients of 4 videos x 4 captions, 2 nodes each", 5),
        (f"scores and gradients of 4 videos x 4 captions, {real}", 5),
    ]
    for one in found:
        check_ratios(one, one["seconds"]["ours"], one["seconds"]["peer"])
        assert 0 < one["difference"] < 1e-4


def test_the_attended_vectors_of_the_peer_are_counted() -> None:
    config = our_step.four_level_config(512, our_step.Sizes())
    # 512 videos x 512 captions x 4 actions and 6 entities x 1,024 floats.
    assert train_step.attended_bytes(config) == 512 * 512 * 10 * 1024 * 4


@pytest.mark.slow
def test_train_step_compares_three_steps_and_states_the_memory(tmp_path: pathlib.Path) -> None:
    sizes = ("--width=8", "--word_width=6", "--frame_dim=5", "--vocabulary=20")
    # Equal batches, so that the second process finds the step compiled.
    found = started_figures("train_step", tmp_path, *sizes, "--batch=4", "--large_batch=4", "--rounds=1")
    steps, memory = found["steps"], found["memory"]
    for name in ("three", "four"):
        check_ratios(steps[name], steps[name]["seconds"], steps["peer"]["seconds"])
    assert memory["batch"] == 4 and memory["attended_bytes_of_peer"] == 4 * 4 * 10 * 8 * 4
    assert 0.05e9 < memory["bytes"] < 4e9
