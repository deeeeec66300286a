import re
import sys

import jax
import pytest

from benchmarks.gpu_similarity import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_similarity", *arguments])
    main()


def test_both_forms_are_timed_and_agree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--interpret", "--rounds=2", "--calls=1", "--seed=3")
    said = capsys.readouterr().out
    assert said.startswith("machine: ")
    assert f"jax {jax.__version__}" in said
    assert "seed 3; 2 rounds of 1 calls" in said
    rows = [
        re.split(r" *\| *", line.strip("| ")) for line in said.splitlines() if line.startswith("| tiny block")
    ]
    assert [row[1:3] for row in rows] == [
        [products, name]
        for products in ("float32", "bfloat16")
        for name in ("forward", "forward and backward")
    ]
    assert all(float(row[5]) > 0 for row in rows)
    assert all(float(row[6]) < 1e-5 for row in rows)


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU here")
def test_a_machine_without_a_gpu_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch)
    assert ended.value.code == 2
    assert "needs an NVIDIA GPU, but JAX finds only cpu devices" in capsys.readouterr().err


def test_nothing_to_measure_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--interpret", "--rounds=0")
    assert ended.value.code == 2
    assert "--rounds=0 --calls=10: expected at least 1" in capsys.readouterr().err
