import pathlib

import numpy as np
import pytest

from mcsan_jax import RunFolder
from tests.benchmarks.programs import figures_of

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("default")
def test_mteb_finds_what_the_evaluation_finds(
    finished_run: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hit rates are our recalls; both count the captions and videos of the embedded data."""
    figures = figures_of("mteb_adapter", tmp_path, f"--run={finished_run}")
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line[:3] in ("t2v", "v2t")]
    found = {line[0]: dict(zip(line[1::2], map(float, line[2::2]), strict=True)) for line in lines}
    record = RunFolder(finished_run).read_record("test").fused
    for direction in ("t2v", "v2t"):
        for k in (1, 5, 10):
            ours = record.of(direction)[f"R@{k}"]
            np.testing.assert_allclose(100 * found[direction][f"hit_rate_at_{k}"], ours, atol=0.01)
        assert found[direction] == {name: round(value, 4) for name, value in figures[direction].items()}
