from pathlib import Path

import pytest

from mcsan_jax.report.page import write_report
from tests.report.reported_run import reported_run


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two complete runs on the same data; not to be changed."""
    folder = tmp_path_factory.mktemp("runs")
    first = reported_run(folder / "focal <b>")
    return first, reported_run(folder / "plain", seed=1, focal_gamma=0.0)


@pytest.fixture(scope="session")
def one_report(runs: tuple[Path, Path]) -> Path:
    return write_report(runs[:1])


@pytest.fixture(scope="session")
def two_reports(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(runs, "test", tmp_path_factory.mktemp("reports") / "both.html")
