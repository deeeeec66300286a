"""Work that is measured in a process of its own, so that its memory is told apart."""

import json
import pathlib
import subprocess
import sys

from benchmarks.our_step import Sizes
from data_pipeline.errors import InputError

STEP, EVALUATION = "step", "evaluation"
_ROOT = pathlib.Path(__file__).parents[1]


def run_measured(work: str, size: int, sizes: Sizes) -> dict[str, float]:
    """Runs `benchmarks.measured_run` with these dimensions: its `seconds` and `bytes`.

    Raises:
        InputError: it failed; with what it said.
    """
    command = [sys.executable, "-m", "benchmarks.measured_run", f"--work={work}", f"--size={size}"]
    done = subprocess.run([*command, *sizes.words()], cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{work} of size {size} ended with status {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
