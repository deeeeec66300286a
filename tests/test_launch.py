import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def launch(
    folder: pathlib.Path, script: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "launch" / script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_devices_are_simulated(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    config = f"--config={ROOT}/configs/demo.py:tiny"
    result = launch(
        tmp_path, "local.sh", "3", config, f"--config.data.dir={shapes}", "--config.train.batch_size=16"
    )
    assert result.returncode == 2
    assert "config.train.batch_size is 16, which 3 devices do not divide; use 15 or 18" in result.stderr


@pytest.mark.parametrize(("script", "number"), [("local.sh", "DEVICES"), ("local_processes.sh", "N")])
def test_wrong_arguments_print_the_usage(tmp_path: pathlib.Path, script: str, number: str) -> None:
    for arguments in ([], ["3"], ["many", "--config=x"]):
        result = launch(tmp_path, script, *arguments)
        assert result.returncode == 2
        assert f"usage: launch/{script} {number}" in result.stderr


def test_local_processes_find_together_that_there_is_no_data(tmp_path: pathlib.Path) -> None:
    result = launch(tmp_path, "local_processes.sh", "2", f"--config={ROOT}/configs/msrvtt.py:tiny")
    assert result.returncode == 2
    assert result.stderr.count(f"looked for manifest.json in {tmp_path}/data/msrvtt") == 2
    assert "Traceback" not in result.stderr


def test_local_processes_have_their_own_devices_and_end_together(
    shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    arguments = (
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={shapes}",
        "--config.train.batch_size=15",
    )
    result = launch(tmp_path, "local_processes.sh", "2", *arguments, DEVICES_PER_PROCESS="2")
    assert result.returncode == 2
    assert result.stderr.count("config.train.batch_size is 15, which 4 devices do not divide") == 2
    assert re.search(r"process [01] of 2 ended with status 2; the others are ended in 30 s", result.stderr)
