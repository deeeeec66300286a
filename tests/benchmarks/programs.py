"""Runs the programs in `benchmarks/`, in this process or as a user would."""

import json
import os
import pathlib
import subprocess
import sys
import types
from typing import Any

import pytest

from tests.support import ROOT


def figures_of(program: types.ModuleType, folder: pathlib.Path, *words: str) -> Any:
    """What a program, run in this process, writes as JSON into a folder."""
    file = folder / "figures.json"
    program.main([*words, f"--json={file}"])
    assert list(folder.glob(".*")) == []
    return json.loads(file.read_text())


def refusal_of(program: types.ModuleType, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message with which a program, run in this process, ends with status 2; it prints nothing else."""
    with pytest.raises(SystemExit) as ended:
        program.main(words)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert not said.out
    return said.err


def started(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m benchmarks.NAME` in a process of its own, which must end well."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def started_figures(name: str, folder: pathlib.Path, *words: str) -> Any:
    """What a program in a process of its own writes as JSON into a folder."""
    file = folder / "figures.json"
    started(name, *words, f"--json={file}")
    return json.loads(file.read_text())
