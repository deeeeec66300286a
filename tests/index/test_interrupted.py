"""A command that is killed at any step, and given again, leaves the index that it would have made at once."""

import functools
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index import index_writer
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.verification import index_problems
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan
from tests.index.changes import add, build, content_of, made_up, names_of, remove
from tests.support import ROOT

_STEPS = {
    "open",
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "shutil.rmtree",
    "os.listdir",
    "os.scandir",
}
_WRITING = ("w", "a", "x", "+")


class Killed(BaseException):
    """Stands for the end of a program: nothing of it runs any more."""


class Kill:
    """Ends a program before one of its steps on the disk: from then on, no step in the folder is done."""

    def __init__(self) -> None:
        self.folder, self.steps, self.at = "", 0, sys.maxsize
        sys.addaudithook(self._look)

    def _look(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.folder or event not in _STEPS or not str(arguments[0]).startswith(self.folder):
            return
        if event == "open" and not any(mode in str(arguments[1]) for mode in _WRITING):
            return
        self.steps += 1
        if self.steps > self.at:
            raise Killed

    def run(self, folder: pathlib.Path, command: Callable[[pathlib.Path], object], at: int) -> bool:
        """Runs a command and says whether it was ended before its step number `at`."""
        self.folder, self.steps, self.at = str(folder), 0, at
        try:
            command(folder)
        except Killed:
            return True
        finally:
            self.folder = ""
        return False


@pytest.fixture(scope="module")
def kill() -> Kill:
    return Kill()


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(index_writer, "SEGMENT_ROWS", 3)
    monkeypatch.setattr(index_writer, "JOINED_ROWS", 4)
    yield


START = names_of(0, 5)


@pytest.mark.parametrize(
    ("what", "after"),
    [
        ("build", START),
        # They join the last segment, which has two.
        ("join", [*START, *names_of(100, 2)]),
        ("add", [*START, *names_of(100, 4)]),
        ("remove", [START[0], START[3]]),
    ],
)
@pytest.mark.usefixtures("small_segments")
def test_a_command_is_continued_from_each_of_its_steps(
    what: str, after: list[str], kill: Kill, demo: Mcsan, tmp_path: pathlib.Path
) -> None:
    commands: dict[str, Callable[[pathlib.Path], object]] = {
        "build": functools.partial(build, names=START, model=demo),
        "join": functools.partial(add, names=names_of(100, 2), model=demo),
        "add": functools.partial(add, names=names_of(100, 4), model=demo),
        "remove": functools.partial(remove, names=[START[2], START[1], START[4]]),
    }
    command, start = commands[what], tmp_path / "start"
    before = () if what == "build" else tuple(START)
    start.mkdir()
    if before:
        build(start, START, demo)
    whole = tmp_path / "whole"
    shutil.copytree(start, whole)
    command(whole)
    assert VideoIndex.open(whole).ids == tuple(after) and not index_problems(whole)
    expected, seen = content_of(whole), set[tuple[str, ...]]()
    step = 0
    while True:
        folder = tmp_path / "killed"
        shutil.copytree(start, folder)
        killed = kill.run(folder, command, step)
        try:
            seen.add(VideoIndex.open(folder).ids)
        except InputError as error:
            assert not before and ("no index" in str(error) or "interrupted" in str(error))
        # What a kill left is no part of what is searched.
        assert not before or not index_problems(folder)
        command(folder)
        assert content_of(folder) == expected, step
        shutil.rmtree(folder)
        if not killed:
            break
        step += 1
    assert step > 5 and seen == {one for one in (before, tuple(after)) if one}


@pytest.mark.usefixtures("small_segments")
def test_a_continued_command_does_not_encode_again(kill: Kill, demo: Mcsan, tmp_path: pathlib.Path) -> None:
    folder, encoded, notes = tmp_path / "index", list[str](), list[str]()

    def encode(ids: Sequence[str]) -> VideoEmbeddings:
        encoded.extend(ids)
        return made_up(list(ids))

    def command(folder: pathlib.Path) -> None:
        with IndexWriter.create(folder, find_model("demo"), model=demo, digest="one") as writer:
            writer.add_in_parts(START, encode, digest="one")
            notes.extend(writer.notes)

    command(tmp_path / "whole")
    shutil.rmtree(tmp_path / "whole")
    encoded.clear()
    step = 0
    while kill.run(folder, command, step) and len(encoded) < 5:
        shutil.rmtree(folder, ignore_errors=True)
        encoded.clear()
        step += 1
    assert encoded == START
    command(folder)
    assert encoded == [*START, *START[3:]] and notes == ["continued where the same command was interrupted"]


@pytest.mark.usefixtures("small_segments")
def test_another_command_removes_what_is_unfinished_and_says_so(
    kill: Kill, demo: Mcsan, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "index"
    build(folder, START, demo)
    more = functools.partial(add, names=names_of(100, 4), model=demo)
    step = 0
    while not (folder / "segments" / "000004").exists():
        assert kill.run(folder, more, step)
        step += 1
    with IndexWriter.open(folder) as writer:
        writer.remove([START[0]])
        assert writer.notes == ["removed what an interrupted command had finished (add)"]
    assert sorted(path.name for path in (folder / "segments").iterdir()) == ["000001", "000002"]
    # What was interrupted begins anew and is not taken for the command that came between.
    assert more(folder) and VideoIndex.open(folder).ids == (*START[1:], *names_of(100, 4))
    assert not more(folder) and not index_problems(folder)


_PROGRAM = """
import pathlib, sys
from mcsan_jax.index import index_writer
from tests.index.changes import add, build, names_of
index_writer.SEGMENT_ROWS = 5
folder = pathlib.Path(sys.argv[1])
print("ready", flush=True)
if not (folder / "index.json").exists():
    build(folder, names_of(0, 300))
add(folder, names_of(1000, 200))
"""


@pytest.mark.slow
def test_a_process_that_is_killed_again_and_again_ends_with_the_same_index(tmp_path: pathlib.Path) -> None:
    def started(folder: pathlib.Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    def ended(folder: pathlib.Path, after: float) -> int:
        with started(folder) as process:
            try:
                return process.wait(after)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()

    begin = time.monotonic()
    assert ended(tmp_path / "whole", 600) == 0
    took = time.monotonic() - begin
    draw, kills = random.Random(0), 0
    while (status := ended(tmp_path / "killed", draw.uniform(0, took / 3))) != 0 and kills < 12:
        assert status == -signal.SIGKILL
        kills += 1
    assert ended(tmp_path / "killed", 600) == 0 and kills > 2
    assert content_of(tmp_path / "killed") == content_of(tmp_path / "whole")
