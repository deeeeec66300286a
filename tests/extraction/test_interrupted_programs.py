"""`mcsan extract` as a program that is killed or asked to stop: the same command goes on and leaves the same bytes."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from tests.data_pipeline.clips.numbered_clips import PLAIN, even_times, write_numbered
from tests.support import ROOT
from tests.support.disks import FULL, READ_ONLY, python_on_a_disk

pytestmark = pytest.mark.slow

PROGRAM = (sys.executable, "-m", "mcsan_jax.cli")
CLIPS = 10


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(CLIPS):
        write_numbered(folder / f"{number}.mp4", PLAIN, even_times(50 + number))
    return folder


def command(clips: pathlib.Path, out: pathlib.Path) -> Sequence[str]:
    return (*PROGRAM, "extract", str(clips), f"--out={out}", "--frames=40", "--regions=2x2", "--processes=2")


def started(arguments: Sequence[str]) -> subprocess.Popen[str]:
    # Without the flags of the tests, with which programs are compiled soon and run slowly.
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment = {**kept, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(arguments, env=environment, text=True, start_new_session=True, **pipes)


def finished(arguments: Sequence[str]) -> str:
    with started(arguments) as process:
        output, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        return output


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"


def children(pid: int) -> list[int]:
    return [int(one) for one in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def undisturbed(clips: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The content of all files that a command leaves which nobody stops; the report tells its own times."""
    out = tmp_path_factory.mktemp("undisturbed") / "f.hdf5"
    finished(command(clips, out))
    return contents(out.parent)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def done(out: pathlib.Path) -> int:
    return len(list(out.with_name(f"{out.name}.partial").glob("*.json")))


def test_a_killed_program_goes_on_and_leaves_the_same_bytes(
    clips: pathlib.Path, undisturbed: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "f.hdf5"
    for wanted in (0, 3, 6):
        with started(command(clips, out)) as process:
            until(
                lambda wanted=wanted: out.with_name("f.hdf5.partial").is_dir() and done(out) >= wanted,
                process,
            )
            decoders = children(process.pid)
            process.kill()
            process.communicate()
        assert not out.exists()
        until_gone(decoders)
    assert 6 <= done(out) < CLIPS
    said = finished(command(clips, out))
    assert f"{CLIPS} clips, {40 * CLIPS} frames by efficientnet_lite0" in said
    assert contents(tmp_path) == undisturbed
    assert len(undisturbed) == 2 + 2 * CLIPS


def until_gone(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + 60
    while not all(map(is_gone, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_program_that_is_asked_to_stop_says_how_to_go_on(
    clips: pathlib.Path,
    undisturbed: dict[str, bytes],
    tmp_path: pathlib.Path,
    sent: signal.Signals,
    status: int,
) -> None:
    out = tmp_path / "f.hdf5"
    with started(command(clips, out)) as process:
        until(lambda: done(out) >= 2, process)
        decoders = children(process.pid)
        # As a terminal does, and a scheduler: the processes that decode are sent it too.
        os.killpg(process.pid, sent) if sent == signal.SIGINT else process.send_signal(sent)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == status
    assert "what was done is kept, the same command goes on from there" in errors
    assert "Traceback" not in errors
    until_gone(decoders)
    finished(command(clips, out))
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("size", "then", "message"),
    [
        ("9m", READ_ONLY, "nothing can be written there (Read-only file system); choose another --out"),
        ("9m", FULL, "No space left on device"),
        ("400k", "", "free some space on that disk"),
    ],
    ids=["read-only", "full", "too small"],
)
def test_a_disk_that_takes_nothing_ends_with_a_message(
    clips: pathlib.Path, tmp_path: pathlib.Path, size: str, then: str, message: str
) -> None:
    out = tmp_path / "disk" / "f.hdf5"
    ended = python_on_a_disk(tmp_path / "disk", size, command(clips, out)[1:], then=then)
    assert ended.returncode == 2, ended.stderr
    assert message in ended.stderr and "Traceback" not in ended.stderr


def test_captions_go_on_into_prepared_data(clips: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A newcomer's table, without splits; the same command again prepares nothing anew."""
    rows = [f"{number}.mp4,a man plays the guitar in room {number}" for number in range(CLIPS)]
    table = tmp_path / "captions.csv"
    table.write_text("\n".join(["video_id,caption", *rows]) + "\n")
    whole = (*command(clips, tmp_path / "f.hdf5"), f"--captions={table}", "--no-pictures")
    said = finished(whole)
    assert f"of {CLIPS} videos, 1 were drawn for validation and 1 for the test" in said
    from data_pipeline.manifest import Manifest

    manifest = Manifest.load(tmp_path / "f")
    assert {name: split.videos for name, split in manifest.splits.items()} == {
        "train": CLIPS - 2,
        "val": 1,
        "test": 1,
    }
    assert [(one.name, one.kind, one.regions) for one in manifest.streams] == [
        ("f", "frames", 0),
        ("f_regions", "regions", 4),
    ]
    assert all(one.provenance and one.provenance.encoder == "efficientnet_lite0" for one in manifest.streams)
    assert "prepared already" in finished(whole)
