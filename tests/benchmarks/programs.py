"""Runs the benchmarks, in this process or as a user would."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.__main__ import main
from tests.support import ROOT


def figures_of(name: str, folder: pathlib.Path, *words: str) -> Any:
    """The figures that a benchmark, run in this process, writes as JSON into a folder."""
    file = folder / "figures.json"
    main([name, f"--json={file}", *words])
    assert list(folder.glob(".*")) == []
    return _read(name, file)


def refusal_of(name: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message with which a benchmark, run in this process, ends with status 2; it prints nothing else."""
    with pytest.raises(SystemExit) as ended:
        main([name, *words])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert not said.out
    return said.err


def started(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m benchmarks NAME` in a process of its own, which must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, *words],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def started_figures(name: str, folder: pathlib.Path, *words: str) -> Any:
    """The figures that a benchmark in a process of its own writes as JSON into a folder."""
    file = folder / "figures.json"
    started(name, f"--json={file}", *words)
    return _read(name, file)


def _read(name: str, file: pathlib.Path) -> Any:
    content = json.loads(file.read_text())
    assert content["benchmark"] == name and content["machine"]
    return content["figures"]
