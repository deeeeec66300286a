import os
import pathlib
import subprocess
import sys

LOCAL = pathlib.Path(__file__).parents[1] / "launch" / "local.sh"


def launch(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(LOCAL.parents[1])}
    return subprocess.run(
        [str(LOCAL), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_devices_are_simulated(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    config = f"--config={LOCAL.parents[1]}/configs/demo.py:tiny"
    result = launch(tmp_path, "3", config, f"--config.data.dir={shapes}", "--config.train.batch_size=16")
    assert result.returncode == 2
    assert "config.train.batch_size is 16, which 3 devices do not divide; use 15 or 18" in result.stderr


def test_wrong_arguments_print_the_usage(tmp_path: pathlib.Path) -> None:
    for arguments in ([], ["3"], ["many", "--config=x"]):
        result = launch(tmp_path, *arguments)
        assert result.returncode == 2
        assert "usage: launch/local.sh DEVICES" in result.stderr
