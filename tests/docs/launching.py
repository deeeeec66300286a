"""What the scripts in launch/ and benchmarks/ would run."""

import os
import subprocess
import tempfile
from pathlib import Path

from tests.docs.documents import simple_commands
from tests.support import ROOT

# Prints its call as a shell reads it; the port that one of the scripts asks for is some number.
_STUB = """#!/usr/bin/env bash
if [[ $1 == -c ]]; then echo 1234; else echo "$(printf '%q ' python3 "$@")"; fi
"""


def python_calls(script: str, arguments: list[str]) -> list[list[str]]:
    """Arguments of each call of a program of the project, here or on another machine; nothing of it is run.

    Raises:
        AssertionError: the script refuses the arguments; with what it said.
    """
    source = (ROOT / script).read_text(encoding="utf-8")
    dry = ["--dry_run"] if "dry_run.sh" in source and "--dry_run" not in arguments else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("launch", "benchmarks", "configs"):
            (folder / part).symlink_to(ROOT / part)
        python = folder / "python3"
        python.write_text(_STUB)
        python.chmod(0o755)
        for word in arguments:
            if word.startswith("data/"):
                (folder / word).mkdir(parents=True)
                (folder / word / "manifest.json").touch()
        done = subprocess.run(
            ["bash", script, *dry, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHON": str(python)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return _python_calls(done.stdout.replace(f"{folder}/", ""))


def _python_calls(script: str) -> list[list[str]]:
    found = []
    for words in simple_commands(script):
        module = words.index("-m") + 1 if "-m" in words else len(words)
        if words[module:] and words[module].startswith(("mcsan_jax.", "benchmarks", "pytest")):
            found.append(words[module - 1 :])
        for word in words:
            if word.startswith("--command="):
                found += _python_calls(word.removeprefix("--command="))
    return found
