"""One program writes at a time, readers go on meanwhile, and a disk that is full or read-only costs nothing."""

import json
import os
import pathlib
import threading

import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan
from tests.index.changes import build, content_of, made_up, names_of
from tests.support.command_line import run_mcsan
from tests.support.disks import FULL, READ_ONLY, python_on_a_disk


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: pathlib.Path, demo: Mcsan) -> None:
    folder = tmp_path / "index"
    build(folder, names_of(0, 4), demo)
    with IndexWriter.open(folder):
        for arguments in (["remove", folder, "video 0001"], ["add", folder, "moving_shapes", "--count=1"]):
            ended = run_mcsan("index", *arguments)
            assert ended.status == 2 and "another program is changing this index" in ended.stderr
        ended = run_mcsan("index", "demo", "moving_shapes", "--count=1", f"--out={folder}", "--overwrite")
        assert ended.status == 2 and "another program is changing this index" in ended.stderr
        assert len(VideoIndex.open(folder)) == 4
        assert run_mcsan("index", "verify", folder).status == 0
    assert run_mcsan("index", "remove", folder, "video 0001").status == 0


def test_a_writer_that_fails_gives_the_lock_back(tmp_path: pathlib.Path, demo: Mcsan) -> None:
    folder = tmp_path / "index"
    build(folder, names_of(0, 4), demo)
    before = content_of(folder)
    for _ in range(2):
        with (
            pytest.raises(InputError, match="is in the index already"),
            IndexWriter.open(folder, demo) as writer,
        ):
            writer.add(made_up(names_of(3, 2)))
        with pytest.raises(InputError, match="is an index already"):
            IndexWriter.create(folder, find_model("demo"))
    assert content_of(folder) == before


def test_vectors_of_another_model_are_refused(tmp_path: pathlib.Path, demo: Mcsan) -> None:
    folder = tmp_path / "index"
    build(folder, names_of(0, 4), demo)
    with IndexWriter.open(folder, demo) as writer:
        own = writer.description.fingerprint
        with pytest.raises(InputError, match=f"its fingerprint is other, that of the index is {own}"):
            writer.add(made_up(["x"]), fingerprint="other")
        wide = made_up(["x"])
        wide = type(wide)(("x",), wide.pooled.repeat(2, 1), wide.frames, {}, None, wide.seconds)
        with pytest.raises(
            InputError, match=r"pooled and .*found float16 \[16\] a video, expected float16 \[8\]"
        ) as raised:
            writer.add(wide)
        assert "linear: only the index have it" in str(raised.value)


def test_readers_see_each_change_whole(tmp_path: pathlib.Path, demo: Mcsan) -> None:
    """A writer adds and removes a video in turn, while readers open the index and follow it."""
    folder, start = tmp_path / "index", names_of(0, 6)
    build(folder, start, demo)
    faults: list[BaseException] = []
    ended = threading.Event()

    def write() -> None:
        try:
            with IndexWriter.open(folder, demo) as writer:
                for number in range(40):
                    writer.add(made_up([f"new {number}"]))
                    writer.remove([f"new {number}"])
        except BaseException as error:
            faults.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    follower, seen = VideoIndex.open(folder), set[int]()
    while not ended.is_set():
        follower.refresh()
        for index in (follower, VideoIndex.open(folder)):
            content = index.content
            assert content.ids[:6] == tuple(start) and len(content.ids) in (6, 7)
            seen.add(len(content.ids))
            names = list(content.ids)
            kept = index.embeddings(range(6))
            np.testing.assert_allclose(kept.pooled, made_up(names[:6]).pooled, rtol=0, atol=1e-3)
    thread.join()
    assert not faults and seen == {6, 7}
    assert follower.refresh() or len(follower) == 6


_COMMANDS = """
import json, sys
from tests.support.command_line import run_mcsan
index, commands = sys.argv[1], json.loads(sys.argv[2])
print(json.dumps([run_mcsan("index", *[word.replace("IDX", index) for word in command]) for command in commands]))
"""


def on_a_disk(
    folder: pathlib.Path, index: pathlib.Path, size: str, then: str, commands: list[list[str]]
) -> list[tuple[int, str, str]]:
    """Runs commands where the index lies on a disk of its own, and returns how each ended."""
    disk = folder / "disk"
    arguments = ["-c", _COMMANDS, str(disk / index.name), json.dumps(commands)]
    done = python_on_a_disk(disk, size, arguments, [index], then)
    assert done.returncode == 0, done.stderr
    return [tuple(one) for one in json.loads(done.stdout.splitlines()[-1])]


@pytest.mark.slow
def test_a_read_only_index_is_read_and_not_written(tmp_path: pathlib.Path, demo: Mcsan) -> None:
    folder = tmp_path / "index"
    build(folder, names_of(0, 4), demo)
    read = [["list", "IDX"], ["stats", "IDX"], ["verify", "IDX"]]
    write = [
        ["remove", "IDX", "video 0001"],
        ["add", "IDX", "moving_shapes", "--count=1"],
        ["demo", "moving_shapes", "--count=1", "--out=IDX", "--overwrite"],
    ]
    ended = on_a_disk(tmp_path, folder, "20m", READ_ONLY, [*read, *write, ["verify", "IDX"]])
    assert [status for status, _, _ in ended] == [0, 0, 0, 2, 2, 2, 0]
    for _, _, said in ended[3:6]:
        assert "nothing can be written there (Read-only file system)" in said and "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("then", [FULL, ""])
def test_a_full_disk_costs_nothing_of_an_index(then: str, tmp_path: pathlib.Path) -> None:
    """It is full from the start, or becomes so while vectors are written."""
    folder = tmp_path / "index"
    assert run_mcsan("index", "demo", "moving_shapes", "--count=2", f"--out={folder}").status == 0
    same = ["test_00000", "test_00001"]
    size = sum(len(content) for content in content_of(folder).values())
    commands = [
        ["add", "IDX", "moving_shapes", "--split=val"],
        ["add", "IDX", "moving_shapes", "--split=val"],
        ["verify", "IDX"],
        ["list", "IDX", "--json"],
    ]
    ended = on_a_disk(tmp_path, folder, f"{size // 1024 + 1500}k", then, commands)
    for status, _, said in ended[:2]:
        assert status == 2 and "No space left on device" in said and "Traceback" not in said
    assert ended[2][0] == 0 and [row["id"] for row in json.loads(ended[3][1])] == same


def test_what_index_json_names_is_on_the_disk_before_it(
    index: pathlib.Path, videos: VideoEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = list[int](), os.fsync

    def noted(number: int) -> None:
        fsync(number)
        synced.append(os.fstat(number).st_ino)

    def place(path: pathlib.Path) -> int:
        return synced.index(path.stat().st_ino)

    monkeypatch.setattr(os, "fsync", noted)
    with IndexWriter.open(index) as writer:
        writer.add(videos.take([8]))
    written = sorted((index / "segments").rglob("*"))
    assert [path.name for path in written] == ["000002", "vectors.arrow", "videos.parquet"]
    assert max(place(path) for path in (*written, index / "segments")) < place(index / "index.json")
    assert synced[-1] == index.stat().st_ino
