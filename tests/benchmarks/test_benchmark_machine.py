"""What benchmarks say of the process they run in."""

import subprocess
import sys

from tests.support import ROOT

PROGRAM = """
import subprocess, sys
from benchmarks.machine import peak_memory_bytes
before = peak_memory_bytes()
held = bytearray(600_000_000)
print(before, peak_memory_bytes())
child = "from benchmarks.machine import peak_memory_bytes; print(peak_memory_bytes())"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout)
"""


def test_the_peak_is_that_of_the_process_and_not_of_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, after, child = map(int, done.stdout.split())
    assert after > before + 500_000_000
    assert child < after - 400_000_000
