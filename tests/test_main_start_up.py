"""What the command says of itself before it trains, and what it writes for those who look at its speed."""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys

import jax
import pytest

from data_pipeline.manifest import Manifest
from mcsan_jax.training.progress import StepTrace
from tests.support import ROOT
from tests.support.command_line import run_main
from tests.support.finished_run import SAID


def check_banner(said: str, devices: int, data: pathlib.Path) -> None:
    assert re.search(
        rf"1 process\(es\), {devices} cpu device\(s\), mesh \[data {devices}\]; "
        r"each process gives 16 videos of a batch with 1 caption\(s\) each, from 1 of 1 file\(s\) of records",
        said,
    )
    [parameters] = re.findall(r"^([\d,]+) parameters$", said, re.M)
    assert f"trained {parameters} parameters" in said
    [needs] = re.findall(
        r"a device needs about (\S+) MB: the state (\S+) MB, batches (\S+) MB, a step (\S+) MB", said
    )
    total, *parts = map(float, needs)
    assert total == pytest.approx(sum(parts), abs=0.2)
    # Parameters, two moments and their average, and the constants of the linear branch, of four bytes each.
    inputs, tokens, width = 2 * 192, Manifest.load(data).tokenizer.size, 256
    numbers = 4 * int(parameters.replace(",", "")) + inputs + tokens + (inputs + tokens + width) * width
    assert parts[0] == pytest.approx(4 * numbers / 1e6, abs=0.1)


def check_trace(profile: pathlib.Path) -> None:
    [trace] = profile.glob("plugins/profile/*/perfetto_trace.json.gz")
    assert list(trace.parent.glob("*.xplane.pb"))
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    names = [str(event.get("name", "")) for event in events]
    assert names.count("train") == 3


def test_the_banner_names_devices_shares_parameters_and_memory(
    finished_run: pathlib.Path, shapes: pathlib.Path
) -> None:
    check_banner((finished_run.parent / SAID).read_text(), 8, shapes)


def test_some_steps_are_traced(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    with StepTrace(tmp_path / "profile", 0) as trace:
        for step in range(1, 9):
            trace.begin_step(step)
            with jax.profiler.StepTraceAnnotation("train", step_num=step):
                pass
            trace.end_step(step, {})
    assert f"steps 4 to 6 are traced in {tmp_path}/profile" in capsys.readouterr().out
    check_trace(tmp_path / "profile")


def test_the_folder_of_compiled_programs_is_used(tmp_path: pathlib.Path) -> None:
    before = jax.config.jax_compilation_cache_dir
    try:
        run_main(
            f"--config={ROOT}/configs/msrvtt.py",
            f"--config.data.dir={tmp_path}",
            f"--config.train.compile_cache={tmp_path}",
        )
        assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.slow
def test_a_program_says_traces_and_keeps_what_it_is_told_to(
    shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Eight steps on two devices, traced, with a folder of compiled programs."""
    flags = (
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={shapes}",
        "--config.train.epochs=2",
        "--config.train.batch_size=16",
        "--config.train.micro_batches=2",
        f"--config.train.compile_cache={tmp_path}/compiled",
        "--config.model.levels=('global', 'entity')",
        "--config.optim.average_decay=0.5",
        "--mode=train",
        "--profile",
        f"--workdir={tmp_path}/run",
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-m", "mcsan_jax.main", *flags],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_banner(done.stdout, 2, shapes)
    assert f"steps 4 to 6 are traced in {tmp_path}/run/profile" in done.stdout
    check_trace(tmp_path / "run" / "profile")
    names = [path.name for path in (tmp_path / "compiled").iterdir()]
    assert any(name.startswith("jit_train_step") for name in names)
