import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from mcsan_jax.processes import RESUME_ME
from tests.support import ROOT


def launch(
    folder: pathlib.Path, script: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(ROOT / "launch" / script), *arguments],
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


TRAINER = """#!{python}
import os, pathlib, sys, time
if sys.argv[1] == "-c":
    exec(sys.argv[2])
    sys.exit()
assert sys.argv[1:3] == ["-m", "mcsan_jax.main"]
flags = dict(word.lstrip("-").split("=", 1) for word in sys.argv[3:])
devices = os.environ["JAX_PLATFORMS"] + os.environ["JAX_NUM_CPU_DEVICES"]
pathlib.Path(flags["process_index"]).write_text(" ".join([devices, *sys.argv[3:]]))
if flags["process_index"] == "0":
    sys.exit(int(flags["status"]))
time.sleep(0.3)
"""
"""Python for a launcher: notes what each process is given; the first of them ends with the status that it is told."""


@pytest.mark.parametrize(("status", "ended"), [(0, False), (2, True), (RESUME_ME, False)])
def test_local_processes_are_given_their_places_and_end_together(
    tmp_path: pathlib.Path, status: int, ended: bool
) -> None:
    python = tmp_path / "python"
    python.write_text(TRAINER.format(python=sys.executable))
    python.chmod(0o755)
    environment = {"PYTHON": str(python), "DEVICES_PER_PROCESS": "2"}
    result = launch(tmp_path, "local_processes.sh", "3", f"--status={status}", **environment)
    assert result.returncode == status, result.stderr
    said = f"process 0 of 3 ended with status {status}; the others are ended in 30 s\n"
    assert result.stderr == (said if ended else "")
    given = [(tmp_path / str(index)).read_text() for index in range(3)]
    [coordinator] = {found for text in given for found in re.findall(r"--coordinator=localhost:\d+", text)}
    assert given == [
        f"cpu2 {coordinator} --process_count=3 --process_index={index} --status={status}"
        for index in range(3)
    ]


@pytest.mark.slow
def test_local_processes_find_together_that_there_is_no_data(tmp_path: pathlib.Path) -> None:
    result = launch(tmp_path, "local_processes.sh", "2", f"--config={ROOT}/configs/msrvtt.py:tiny")
    assert result.returncode == 2
    assert result.stderr.count(f"looked for manifest.json in {tmp_path}/data/msrvtt") == 1
    assert "process 1 of 2 ends because the first one (index 0) failed" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
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


SCRIPTS = sorted((ROOT / "launch").glob("*.s[hb]*"))


def program(name: str) -> str:
    """A program that was installed beside Python."""
    return str(pathlib.Path(sys.executable).parent / name)


def test_all_scripts_are_linted() -> None:
    names = {path.name for path in SCRIPTS}
    assert {"tpu_vm.sh", "gpu.sh", "slurm.sbatch", "local.sh", "local_processes.sh", "ablations.sh"} <= names
    scripts = [*map(str, SCRIPTS), str(ROOT / ".ci" / "run"), *map(str, (ROOT / "benchmarks").glob("*.sh"))]
    done = subprocess.run(
        [program("shellcheck"), "--external-sources", *scripts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_is_linted_and_copies_what_it_installs() -> None:
    path = ROOT / "launch" / "Dockerfile"
    done = subprocess.run(
        [program("hadolint"), str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ignored = pathlib.Path(f"{path}.dockerignore").read_text().split()
    assert not {"mcsan_jax", "data_pipeline", "configs", "launch", "pyproject.toml", "README.md"} & set(
        ignored
    )


STUB = """#!{python}
import json, pathlib, sys
with pathlib.Path({record!r}).open("a") as record:
    record.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
sys.exit({status})
"""


class Stubs:
    """Programs at the front of the PATH that only note how they were called."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._record = folder / "calls.jsonl"

    def add(self, name: str, status: int = 0) -> None:
        stub = self.folder / name
        stub.write_text(
            STUB.format(python=sys.executable, record=str(self._record), name=name, status=status)
        )
        stub.chmod(0o755)

    def calls(self) -> list[list[str]]:
        """All calls up to now."""
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [json.loads(line) for line in lines]

    def launch(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """From the root of the repository, with `python3` as the interpreter."""
        path = f"{self.folder}:{os.environ['PATH']}"
        return launch(ROOT, script, *arguments, PATH=path, PYTHON="python3", **environment)


@pytest.fixture
def stubs(tmp_path: pathlib.Path) -> Stubs:
    made = Stubs(tmp_path)
    for name in ("gcloud", "git", "nvidia-smi", "srun", "scontrol", "python3"):
        made.add(name)
    return made


def printed(result: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """The commands that a script printed, without the names of temporary folders."""
    lines = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    return without_temporary([shlex.split(line) for line in lines])


def without_temporary(commands: list[list[str]]) -> list[list[str]]:
    return [[re.sub(r"/\S*/tmp\.\w+", "TMP", word) for word in command] for command in commands]


TPU = {"TPU_NAME": "it", "TPU_ZONE": "here-a", "TPU_TYPE": "v5litepod-16", "TPU_SPOT": "1"}
FLAGS = ("--config=configs/msrvtt.py", "--config.model.levels=('global', 'entity')")


def verbs(data: pathlib.Path) -> dict[str, tuple[str, ...]]:
    return {
        "create": (),
        "install": (),
        "data": (str(data),),
        "start": FLAGS,
        "logs": (),
        "fetch": ("runs/msrvtt", "."),
        "stop": (),
        "delete": (),
    }


def tpu_commands(stubs: Stubs, data: pathlib.Path, **environment: str) -> dict[str, list[list[str]]]:
    """What each verb would do; that it does just this is asserted on the way."""
    commands = {}
    for verb, arguments in verbs(data).items():
        before = stubs.calls()
        dry = stubs.launch("tpu_vm.sh", "--dry_run", verb, *arguments, **environment)
        assert (dry.returncode, dry.stderr) == (0, "")
        assert stubs.calls() == before
        done = stubs.launch("tpu_vm.sh", verb, *arguments, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        commands[verb] = printed(dry)
        assert without_temporary(stubs.calls()[len(before) :]) == printed(done) == commands[verb]
    return commands


def test_a_tpu_is_made_filled_started_read_and_deleted(stubs: Stubs, shapes: pathlib.Path) -> None:
    commands = tpu_commands(stubs, shapes, **TPU)
    vm = ["gcloud", "compute", "tpus", "tpu-vm"]
    [create] = commands["create"]
    assert create[:6] == [*vm, "create", "it"]
    assert {"--accelerator-type=v5litepod-16", "--spot", "--zone=here-a"} <= set(create)
    archive, copy, install = commands["install"]
    assert archive[-1] == "HEAD" and "archive" in archive
    assert copy[4] == "scp" and copy[-2:] == ["--worker=all", "--zone=here-a"]
    assert "./mcsan_jax[tpu]" in install[7]
    assert commands["data"] == [
        [*vm, "scp", "--recurse", str(shapes), "it:mcsan_jax/data/", "--worker=all", "--zone=here-a"]
    ]
    [start] = commands["start"]
    assert start[4:7] == ["ssh", "it", "--worker=all"]
    # What the remote shell makes of it.
    there = shlex.split(start[7].removeprefix("--command="))
    begin = there.index("-m")
    assert there[begin : begin + 5] == ["-m", "mcsan_jax.main", "--distributed", *FLAGS]
    assert commands["fetch"][0][4:8] == ["scp", "--recurse", "it:mcsan_jax/runs/msrvtt", "."]
    assert commands["delete"] == [[*vm, "delete", "it", "--quiet", "--zone=here-a"]]


def test_the_remote_commands_of_a_tpu_are_shell(stubs: Stubs, shapes: pathlib.Path) -> None:
    commands = tpu_commands(stubs, shapes, TPU_SHARE="10.0.0.2:/a share")
    remote = [
        word.removeprefix("--command=")
        for group in commands.values()
        for command in group
        for word in command
        if word.startswith("--command=")
    ]
    assert len(remote) == 5
    assert any("mount -t nfs '10.0.0.2:/a share' share" in command for command in remote)
    assert commands["data"][0][-1] == "--worker=0"
    for command in remote:
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
        # One shell for all: what it stops is not the shell that stops it.
        assert not re.search("pkill.* mcsan_jax.main", command)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a VERB"),
        (("--dry_run",), "give a VERB"),
        (("train",), "unknown VERB train"),
        (("create", "now"), "create takes 0 argument(s), but got 1"),
        (("fetch", "runs/msrvtt"), "fetch takes 2 argument(s), but got 1"),
        (("start",), "start takes the flags of mcsan_jax.main"),
        (("data", "launch"), "launch holds no prepared data: there is no manifest.json"),
    ],
)
def test_a_wrong_call_of_a_tpu_does_nothing(stubs: Stubs, arguments: tuple[str, ...], message: str) -> None:
    result = stubs.launch("tpu_vm.sh", *arguments)
    assert result.returncode == 2
    assert "usage: launch/tpu_vm.sh" in result.stderr
    assert message in result.stderr.splitlines()[-1]
    assert stubs.calls() == []


def test_gpus_are_shown_and_used_by_one_process(stubs: Stubs) -> None:
    dry = stubs.launch("gpu.sh", "--dry_run", *FLAGS)
    assert dry.returncode == 0 and stubs.calls() == []
    show, train = printed(dry)
    assert show[0] == "nvidia-smi"
    assert train[:3] == ["exec", "env", "JAX_PLATFORMS=cuda"]
    assert train[4:] == ["python3", "-m", "mcsan_jax.main", *FLAGS]
    assert stubs.launch("gpu.sh", *FLAGS).returncode == 0
    assert stubs.calls() == [show, train[4:]]


def test_without_a_gpu_nothing_is_trained(stubs: Stubs) -> None:
    stubs.add("nvidia-smi", status=9)
    result = stubs.launch("gpu.sh", *FLAGS)
    assert result.returncode == 2
    assert "nvidia-smi found no GPU; launch/local.sh trains on the processor" in result.stderr
    assert [name for name, *_ in stubs.calls()] == ["nvidia-smi"]


def slurm_options() -> dict[str, str]:
    text = (ROOT / "launch" / "slurm.sbatch").read_text()
    return dict(re.findall(r"^#SBATCH --([\w-]+)=?(\S*)$", text, re.M))


def test_slurm_has_a_process_for_each_gpu_and_warns_before_the_end() -> None:
    options = slurm_options()
    assert options["ntasks-per-node"] == options["gpus-per-node"]
    assert options["signal"].startswith("TERM@")
    assert "requeue" in options


@pytest.mark.parametrize(("status", "requeued"), [(0, False), (RESUME_ME, True), (2, False)])
def test_slurm_goes_on_after_a_run_that_can(stubs: Stubs, status: int, requeued: bool) -> None:
    dry = stubs.launch("slurm.sbatch", "--dry_run", *FLAGS, SLURM_JOB_ID="17")
    assert dry.returncode == 0 and stubs.calls() == []
    stubs.add("srun", status=status)
    assert stubs.launch("slurm.sbatch", *FLAGS, SLURM_JOB_ID="17").returncode == status
    train, requeue = printed(dry)
    assert train[-5:] == ["-m", "mcsan_jax.main", "--distributed", *FLAGS]
    assert requeue == ["scontrol", "requeue", "17"]
    assert stubs.calls() == [train, requeue] if requeued else stubs.calls() == [train]


@pytest.mark.parametrize("script", ["gpu.sh", "slurm.sbatch"])
def test_scripts_without_flags_print_their_usage(stubs: Stubs, script: str) -> None:
    for arguments in ((), ("--dry_run",), ("configs/msrvtt.py",)):
        result = stubs.launch(script, *arguments)
        assert result.returncode == 2 and result.stderr.startswith("usage: ")
    assert stubs.calls() == []


def test_an_accelerator_is_measured_by_one_command(stubs: Stubs, tmp_path: pathlib.Path) -> None:
    accelerator = "../benchmarks/accelerator.sh"
    dry = stubs.launch(accelerator, "--dry_run")
    assert dry.returncode == 0 and stubs.calls() == []
    results = tmp_path / "results.txt"
    done = stubs.launch(accelerator, str(results), SIZES="--steps=1 --utilisation=0.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert results.read_text() == done.stdout
    calls = stubs.calls()
    assert [call[1:4] for call in calls] == [
        ["-m", "benchmarks", name] for name in ("epoch_time", "epoch_time", "full_test_set", "extraction")
    ]
    steps = [
        [
            "python3",
            "-m",
            "benchmarks",
            "epoch_time",
            "configs/msrvtt.py",
            f"--compute_dtype={dtype}",
            "--steps=20",
        ]
        for dtype in ("float32", "bfloat16")
    ]
    assert calls[:2] == [[*step, "--steps=1", "--utilisation=0.5"] for step in steps]
    assert printed(dry) == [*steps, *calls[2:]]


PYTHON_STAND_IN = """#!/usr/bin/env bash
echo "$(basename "$(dirname "$(dirname "$0")")") $*" >> "{log}"
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi
[ "$2" != pytest ] || [[ $0 != *"{failing}"* ]]
"""


def matrix(folder: pathlib.Path, *pythons: str, failing: str = "none") -> tuple[int, str, list[str]]:
    """The status of `test_matrix.sh`, its last line, and what it asked of Pythons that stand in for real ones."""
    log, bin_folder = folder / "calls", folder / "tools" / "bin"
    bin_folder.mkdir(parents=True)
    log.touch()
    for name in ("python3.11", "python3.12"):
        stand_in = bin_folder / name
        stand_in.write_text(PYTHON_STAND_IN.format(log=log, failing=failing))
        stand_in.chmod(0o755)
    done = launch(
        folder,
        "test_matrix.sh",
        *pythons,
        PATH=f"{bin_folder}:/usr/bin:/bin",
        MATRIX_FOLDER=str(folder / "made"),
        MATRIX_TESTS="-m slow",
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()[-1], log.read_text().splitlines()


def test_the_tests_run_with_every_python_in_an_environment_of_its_own(tmp_path: pathlib.Path) -> None:
    status, said, calls = matrix(tmp_path)
    assert (status, said) == (0, "the tests passed with python3.11 python3.12")
    for number, name in enumerate(("python3.11", "python3.12")):
        made, installed, shown, tested = calls[4 * number : 4 * number + 4]
        assert made == f"tools -m venv {tmp_path}/made/{name}"
        assert installed == f"{name} -m pip install --quiet --editable .[test]"
        assert (shown, tested) == (f"{name} -m pip list", f"{name} -m pytest -m slow")


def test_a_python_with_which_tests_fail_is_named_after_all_have_run(tmp_path: pathlib.Path) -> None:
    status, said, calls = matrix(tmp_path, failing="made/python3.11")
    assert (status, said) == (1, "error: the tests failed with python3.11")
    assert [call for call in calls if " -m pytest" in call] == [
        f"python3.1{minor} -m pytest -m slow" for minor in (1, 2)
    ]


def test_a_python_that_is_not_there_is_named_before_anything_is_made(tmp_path: pathlib.Path) -> None:
    status, said, calls = matrix(tmp_path, "python3.12", "python3.99")
    assert (status, calls) == (2, [])
    assert said == "error: there is no python3.99; name others, or install it"
