"""Runs the programs in `benchmarks/` as a user would."""

import os
import subprocess
import sys

from tests.support import ROOT

NUMBER = r"(\d+(?:\.\d+)?)"
"""A number in what they print."""


def run_benchmark(name: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """`python -m benchmarks.NAME`, which must end with `status`."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done
