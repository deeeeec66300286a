"""What the command says of itself before it trains, and what it writes for those who look at its speed."""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.support import ROOT


@pytest.fixture(scope="module")
def run(shapes: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
    """Folder and output of a training of eight steps on two devices, traced, with a folder of compiled programs."""
    folder = tmp_path_factory.mktemp("start_up")
    flags = (
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={shapes}",
        "--config.train.epochs=2",
        "--config.train.batch_size=16",
        "--config.train.micro_batches=2",
        f"--config.train.compile_cache={folder}/compiled",
        "--config.model.levels=('global', 'entity')",
        "--config.optim.average_decay=0.5",
        "--mode=train",
        "--profile",
        f"--workdir={folder}/run",
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-m", "mcsan_jax.main", *flags],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_banner_names_devices_shares_parameters_and_memory(run: tuple[pathlib.Path, str]) -> None:
    _, said = run
    assert re.search(
        r"1 process\(es\), 2 cpu device\(s\), mesh \[data 2\]; each process gives 16 videos of a batch with "
        r"1 caption\(s\) each, from 1 of 1 file\(s\) of records",
        said,
    )
    [parameters] = re.findall(r"^([\d,]+) parameters$", said, re.M)
    assert f"trained {parameters} parameters" in said
    [needs] = re.findall(
        r"a device needs about (\S+) MB: the state (\S+) MB, batches (\S+) MB, a step (\S+) MB", said
    )
    total, *parts = map(float, needs)
    assert total == pytest.approx(sum(parts), abs=0.2)
    # Parameters, two moments and their average, of four bytes each.
    assert parts[0] == pytest.approx(4 * 4 * int(parameters.replace(",", "")) / 1e6, abs=0.1)


def test_some_steps_are_traced(run: tuple[pathlib.Path, str]) -> None:
    folder, said = run
    assert f"steps 4 to 6 are traced in {folder}/run/profile" in said
    [trace] = (folder / "run" / "profile").glob("plugins/profile/*/perfetto_trace.json.gz")
    assert list(trace.parent.glob("*.xplane.pb"))
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    names = [str(event.get("name", "")) for event in events]
    assert names.count("train") == 3


def test_compiled_programs_are_kept(run: tuple[pathlib.Path, str]) -> None:
    folder, _ = run
    names = [path.name for path in (folder / "compiled").iterdir()]
    assert any(name.startswith("jit_train_step") for name in names)
