"""The benchmark of a long film runs through on a short one."""

import os
import pathlib
import subprocess
import sys

import pytest

from benchmarks.speed import film_memory
from tests.benchmarks.programs import started_figures


def test_memory_is_that_of_a_process_and_its_own() -> None:
    program = "import subprocess, sys\nheld = bytearray(80_000_000)\nprint(flush=True)\n"
    nested = f"{program}subprocess.run([sys.executable, '-c', {program + 'sys.stdin.read()'!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        for _ in range(2):
            running.stdout.readline()
        assert 160e6 < film_memory.resident_bytes(running.pid) < 320e6
        running.stdin.close()
    assert film_memory.resident_bytes(running.pid) == 0
    assert film_memory.resident_bytes(os.getpid()) > 0


@pytest.mark.slow
def test_a_short_film_is_measured(tmp_path: pathlib.Path) -> None:
    found = started_figures("film_memory", tmp_path, "--minutes=2")["film"]
    assert found["minutes"] == 2 and 50e6 < found["peak_bytes"] < film_memory.LIMIT_BYTES
