import pathlib

import pytest

from benchmarks.speed import image_text_towers
from tests.benchmarks.programs import figures_of


@pytest.mark.slow
def test_both_are_timed_and_agree(tmp_path: pathlib.Path) -> None:
    found = figures_of("image_text_towers", tmp_path, "--batches=1,2", "--layers=1", "--rounds=1")["towers"]
    assert [(one["tower"], one["batch"]) for one in found] == [
        (tower, batch) for tower in image_text_towers.TOWERS for batch in (1, 2)
    ]
    for one in found:
        assert set(one["frames_per_second"]) == {"JAX", "PyTorch"} and one["ratio"] > 0
        assert one["difference"] < 1e-4
