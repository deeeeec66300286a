"""How programs end that cannot go on: one message on the standard error output, no traceback, nothing half written."""

import ast
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tomllib

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.host.files import check_writable, replacing
from tests.support import ROOT
from tests.support.corpus import SPLITS, write_corpus, write_hdf5
from tests.support.disks import FULL, READ_ONLY, python_on_a_disk

COMMANDS = """
import json, sys
from tests.support.command_line import Ended, run_command, run_mcsan

print(json.dumps([run_mcsan(*words) for words in json.loads(sys.argv[1])]))
"""
"""Several commands in one process: how each of them ended."""

ENDS_OF = {READ_ONLY: "Read-only file system", FULL: "No space left on device"}


def run_all(
    disk: pathlib.Path, kind: str, copied: list[pathlib.Path], commands: list[list[str]]
) -> list[tuple[int, str, str]]:
    done = python_on_a_disk(disk, "60m", ["-c", COMMANDS, json.dumps(commands)], copied, kind)
    assert done.returncode == 0, done.stderr
    return [tuple(ended) for ended in json.loads(done.stdout.splitlines()[-1])]


@pytest.mark.parametrize("kind", [READ_ONLY, FULL])
def test_what_is_written_at_the_end_is_tried_before(
    kind: str, finished_run: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    disk = tmp_path / "disk"
    run, data = str(disk / finished_run.name), str(disk / shapes.name)
    files = write_corpus(tmp_path, tmp_path).arguments(out=None)
    commands = [
        ["export", run, "--to=trec", f"--out={disk}/trec"],
        ["export", run, f"--out={disk}/model"],
        ["report", run],
        ["card", run, f"--out={disk}/card.md"],
        ["inspect", data, f"--html={disk}/page.html"],
        ["prepare", *files, f"--out={disk}/prepared"],
        ["prepare", *files, f"--out={tmp_path}/prepared", f"--graph_cache={disk}/graphs"],
    ]
    ended = run_all(disk, kind, [finished_run, shapes], commands)
    flags = ("--out", "--out", "--out", "--out", "--html", "--out", "--graph_cache")
    for (status, stdout, stderr), flag, words in zip(ended, flags, commands, strict=True):
        assert (status, stdout) == (2, ""), words
        # Before it, a reader says which split it takes.
        *_, line = stderr.splitlines()
        assert line.startswith(f"error: {disk}") and f"({ENDS_OF[kind]})" in line and flag in line
        assert stderr.count("error: ") == 1 and "Traceback" not in stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", [READ_ONLY, FULL])
def test_an_evaluation_and_a_training_try_the_folder_of_the_run(
    kind: str, finished_run: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    disk = tmp_path / "disk"
    run = str(disk / finished_run.name)
    train = [f"--config={ROOT}/configs/demo.py:tiny", f"--config.data.dir={shapes}"]
    commands = [
        ["eval", run, f"--data={shapes}"],
        ["train", *train, f"--workdir={run}", "--mode=eval"],
        ["train", *train, f"--workdir={disk}/new"],
        ["train", train[0], f"--config.data.dir={disk}/new", f"--workdir={tmp_path}/new"],
        ["compare", run, str(finished_run)],
    ]
    *ended, compared = run_all(disk, kind, [finished_run], commands)
    remedies = ("copy the run", "--workdir", "--workdir", "--config.data.dir")
    for (status, _, stderr), remedy in zip(ended, remedies, strict=True):
        assert status == 2
        [line] = [line for line in stderr.splitlines() if line.startswith("error: ")]
        assert line.startswith(f"error: {disk}") and f"({ENDS_OF[kind]})" in line and remedy in line
        assert "Traceback" not in stderr
    assert compared[0] == 0 and "error" not in compared[2]


PREPARE = """
import os, sys
from tests.support.command_line import run_mcsan

disk, *words = sys.argv[1:]
ended = run_mcsan("prepare", *words)
print(ended.status, ended.stderr.splitlines()[-1], os.listdir(disk))
"""


def test_a_disk_that_becomes_full_keeps_no_half_of_prepared_data(tmp_path: pathlib.Path) -> None:
    """The records of 12 videos have a megabyte, the disk has half of one."""
    draw = np.random.default_rng(0)
    large = {video: draw.normal(size=(300, 128)) for ids in SPLITS.values() for video in ids}
    features = write_hdf5(tmp_path / "large.h5", large)
    disk = tmp_path / "disk"
    words = write_corpus(tmp_path, tmp_path).arguments(features=features, out=disk / "data")
    done = python_on_a_disk(disk, "500k", ["-c", PREPARE, str(disk), *words])
    assert done.stdout.startswith(f"2 error: {disk}: "), done.stdout + done.stderr
    assert "No space left on device" in done.stdout and done.stdout.endswith(" []\n")


WRITE_SCORES = """
import pathlib, sys
from mcsan_jax.ranking.counting import score_file

folder = pathlib.Path(sys.argv[1])
try:
    with score_file(folder / "scores.npy", (1000, 1000)) as write:
        print("never")
except OSError as error:
    print(error, list(folder.iterdir()))
"""


def test_scores_that_the_disk_has_no_room_for_are_refused_in_words(tmp_path: pathlib.Path) -> None:
    """A mapped file that outgrows its disk would kill the process."""
    disk = tmp_path / "disk"
    done = python_on_a_disk(disk, "1m", ["-c", WRITE_SCORES, str(disk)])
    assert done.stdout == f"[Errno 28] No space left on device: '{disk}/scores.npy' []\n", done.stderr


def test_a_folder_is_tried_without_a_trace(tmp_path: pathlib.Path) -> None:
    check_writable(tmp_path / "some" / "folder", "")
    check_writable(tmp_path, "")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(
            InputError, match=f"{wrong}: nothing can be written there .Not a directory.; name another"
        ):
            check_writable(wrong, "name another")


def test_a_failed_write_names_its_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "figures.json"
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"), replacing(path):
        pathlib.Path("/dev/full").write_text("a")


def python(*arguments: str, **options: object) -> subprocess.Popen[str]:
    """A program with ears for Ctrl-C, which one that is started in the background lacks."""
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    runs = "import runpy, sys; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
    return subprocess.Popen(
        [sys.executable, "-c", f"{hears}; {runs}", *arguments],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    "program",
    [
        ("data_pipeline.prepare",),
        ("data_pipeline.inspect",),
        ("mcsan_jax.cli", "prepare"),
        ("mcsan_jax.cli", "train"),
    ],
)
def test_an_interruption_ends_with_one_line(program: tuple[str, ...], tmp_path: pathlib.Path) -> None:
    """While the program waits for its flags, which come from a pipe."""
    os.mkfifo(tmp_path / "flags")
    with python(*program, f"--flagfile={tmp_path}/flags") as process, (tmp_path / "flags").open("w"):
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (130, "interrupted\n")


def test_an_interruption_while_a_config_is_read_ends_with_one_line(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\ndef get_config(): ...\n")
    with python("mcsan_jax.main", f"--config={config}") as process:
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (130, "interrupted\n")


INTERRUPTED_WHILE_LOADING = """
import os, runpy, signal, sys

# Python's own copy module looks for Jython's "org".
OWN = ("benchmarks", "data_pipeline", "mcsan_jax", "script", "org")

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, *OWN}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupts())
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
"""The first library that does not come with Python is interrupted, as the slow start of a program is by an impatient
user."""


@pytest.mark.parametrize(
    "program",
    ["benchmarks", "mcsan_jax.cli", "mcsan_jax.main", "data_pipeline.prepare", "data_pipeline.inspect"],
)
def test_an_interruption_while_libraries_are_loaded_ends_with_one_line(program: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_the_console_script_hears_an_interruption_from_its_first_import_on(tmp_path: pathlib.Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    for script in scripts.values():
        module, _, function = script.partition(":")
        (tmp_path / "script.py").write_text(f"from {module} import {function}\n{function}()\n")
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, "script"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_every_program_imports_first_what_hears_an_interruption() -> None:
    programs = [
        path
        for room in ("benchmarks", "data_pipeline", "mcsan_jax")
        for path in (ROOT / room).rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    assert len(programs) > 4
    for path in programs:
        nodes = ast.parse(path.read_text(encoding="utf-8")).body
        first = next(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))
        assert isinstance(first, ast.ImportFrom) and first.module == "data_pipeline.host.command_line", path


INTERRUPTED_COLLECTOR = """
import signal, time
from data_pipeline.host.command_line import ends_with_a_message

class Collected:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
with ends_with_a_message():
    Collected()
    time.sleep(60)
"""
INTERRUPTED_LIBRARY = """
import signal
from data_pipeline.host.command_line import ends_with_a_message

signal.signal(signal.SIGINT, signal.default_int_handler)
with ends_with_a_message():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pass
    raise ImportError("while initializing the extension")
"""

INTERRUPTED_IMPORT = """
import signal
import data_pipeline.host.command_line

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.parametrize("code", [INTERRUPTED_COLLECTOR, INTERRUPTED_LIBRARY, INTERRUPTED_IMPORT])
def test_an_interruption_that_becomes_another_exception_ends_with_one_line(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.slow
def test_parsing_processes_are_silent_when_interrupted(tmp_path: pathlib.Path) -> None:
    captions = "".join(
        json.dumps({"video_id": "v", "caption": f"a man rides horse {n}", "split": "train"}) + "\n"
        for n in range(5000)
    )
    (tmp_path / "captions.jsonl").write_text(captions)
    features = write_hdf5(tmp_path / "features.h5", {"v": np.random.default_rng(0).normal(size=(3, 4))})
    words = [f"--annotations={tmp_path}/captions.jsonl", f"--features={features}", f"--out={tmp_path}/out"]
    with python(
        "data_pipeline.prepare", "--dataset=jsonl", *words, "--processes=2", start_new_session=True
    ) as process:
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while len(children.read_text().split()) < 3:
            assert process.poll() is None
        # To all of them, as a terminal does.
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate()
    # Only what the reading of features said stands before it.
    assert process.returncode == 130 and stderr.endswith("\ninterrupted\n") and stderr.count("\n") == 2
    assert not (tmp_path / "out").exists() and not (tmp_path / ".out.unfinished").exists()


@pytest.mark.slow
def test_a_training_that_is_interrupted_saves_a_checkpoint(
    shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    words = [
        "--config=configs/demo.py:tiny",
        f"--config.data.dir={shapes}",
        "--config.train.epochs=1000",
        "--config.train.evaluate_every_epochs=1000",
        "--config.model.levels=('global', 'entity')",
        f"--workdir={tmp_path}/run",
    ]
    with python("mcsan_jax.main", *words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("step "))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    # On a busy machine the program also says what it compiles.
    [said] = [line for line in stderr.splitlines() if not re.fullmatch(r"compiling .* …", line)]
    assert process.returncode == 130 and said.startswith("asked to stop: the checkpoint of step ")
    [checkpoint] = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert f"the checkpoint of step {checkpoint} is written" in said


def test_what_is_printed_to_a_full_disk_ends_with_a_message() -> None:
    with (
        pathlib.Path("/dev/full").open("w") as full,
        python("data_pipeline.inspect", "--help", stdout=full) as process,
    ):
        _, stderr = process.communicate()
    assert process.returncode == 2
    assert stderr.startswith("error: [Errno 28] No space left on device") and len(stderr.splitlines()) == 1


def test_there_is_one_program_for_all_benchmarks() -> None:
    programs = [
        path.name
        for path in (ROOT / "benchmarks").rglob("*.py")
        if "__main__" in path.read_text(encoding="utf-8")
    ]
    assert programs == ["__main__.py"]
