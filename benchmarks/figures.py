"""Figures of a benchmark as JSON, with what they were measured on, and figures from a process of its own."""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.machine import describe_machine
from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text

_ROOT = pathlib.Path(__file__).parents[1]


def write_figures(
    file: pathlib.Path, name: str, arguments: Mapping[str, Any], figures: Mapping[str, Any]
) -> None:
    """Writes the figures of a benchmark to a file, which appears under its name when it is complete.

    Args:
        file: to write; its folder is made where it is missing.
        name: of the benchmark.
        arguments: with which it was called.
        figures: what it found.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "benchmark": name,
        "arguments": arguments,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "machine": describe_machine(),
        "figures": figures,
    }
    write_text(file, json.dumps(content, indent=1, default=str) + "\n")


def figures_of(name: str, words: Sequence[str]) -> Any:
    """Runs a benchmark in a process of its own, so that its memory is told apart, and returns its figures.

    Args:
        name: of the benchmark.
        words: its options, and what else stands on its command line.

    Raises:
        InputError: it failed; with what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks", name, f"--json={file}", *words]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(
                f"{' '.join([name, *words])} ended with status {done.returncode}:\n{done.stderr}"
            )
        return json.loads(file.read_text(encoding="utf-8"))["figures"]


def _commit() -> str:
    """The commit of the checkout; empty where there is none."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
