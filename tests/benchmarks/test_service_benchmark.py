"""The load on the service runs through, and counts what it should; nothing here is timed."""

import pathlib

import pytest

from benchmarks.speed.load_clients import SHARES
from tests.benchmarks.programs import started_figures


@pytest.mark.slow
def test_users_of_the_service_are_answered(tmp_path: pathlib.Path) -> None:
    found = started_figures("service", tmp_path, "--seconds=5", "--clients=4", "--videos=6")
    assert found["errors"] == {} and found["status"] == 0
    assert set(found["steps"]) == set(SHARES)
    assert found["all"]["count"] == sum(step["count"] for step in found["steps"].values()) > 20
    for step in found["steps"].values():
        assert 0 < step["p50_ms"] <= step["p99_ms"] <= step["max_ms"]
    assert min(found["memory_bytes"]) > 1e8
