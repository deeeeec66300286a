"""The fused kernel against the form that XLA compiles, on a tiny block; nothing here is timed."""

import pathlib

import jax
import pytest

from benchmarks import gpu_similarity
from tests.benchmarks.programs import figures_of, refusal_of


def test_both_forms_are_timed_and_agree(tmp_path: pathlib.Path) -> None:
    found = figures_of(gpu_similarity, tmp_path, "--interpret", "--rounds=2", "--calls=1", "--seed=3")
    assert [(one["block"], one["products"], one["name"]) for one in found["comparisons"]] == [
        ("tiny block", products, name)
        for products in ("float32", "bfloat16")
        for name in ("forward", "forward and backward")
    ]
    for one in found["comparisons"]:
        assert one["xla"] > 0 and one["kernel"] > 0 and one["ratio"] > 0
        assert one["difference"] < 1e-5


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU here")
def test_a_machine_without_a_gpu_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "needs an NVIDIA GPU, but JAX finds only cpu devices" in refusal_of(gpu_similarity, [], capsys)


def test_nothing_to_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal_of(gpu_similarity, ["--interpret", "--rounds=0"], capsys)
    assert "--rounds=0 --calls=10: expected at least 1" in message
