"""`mcsan index … --render_clips` makes files to play of the embedded data set, in the folder of the index."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.on_disk.rendered_clips import note_rendered, remove_unused_clips
from mcsan_jax.index.video_index import VideoIndex
from tests.support import ROOT
from tests.support.command_line import run_mcsan


def test_rendered_clips_belong_to_the_index(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "an index"
    command = ("index", "demo", "moving_shapes", "--count=3", "--render_clips", "--out", folder)
    assert run_mcsan(*command).status == 0
    moved = folder.rename(tmp_path / "moved")
    index = VideoIndex.open(moved)
    assert [index.clip_of(row) for row in range(3)] == [
        str(moved / f"clips/{name}.mp4") for name in index.ids
    ]
    written = {file.name: file.read_bytes() for file in (moved / "clips").iterdir()}
    assert sorted(written) == [f"{name}.mp4" for name in index.ids]
    # Frames are told where the clip shows them.
    clips = embedded_clips(1)
    assert clips.frames_per_second == 4.0
    assert index.embeddings([0]).times_of(0).tolist() == [(frame + 0.5) / 4 for frame in range(12)]

    # The same command, given again, finds its work done; anew, it writes the same bytes.
    again = (*command[:-1], moved)
    (moved / "clips" / "test_00000.mp4").write_bytes(b"")
    assert "has done its work already" in run_mcsan(*again).stdout
    assert run_mcsan("index", "remove", moved, "test_00001").status == 0
    assert run_mcsan(*again, "--overwrite").status == 0
    assert {file.name: file.read_bytes() for file in (moved / "clips").iterdir()} == written
    assert run_mcsan("index", "verify", moved).status == 0


def test_the_clip_of_a_removed_video_goes_and_other_files_stay(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "an index"
    command = ("index", "demo", "moving_shapes", "--count=8", "--render-clips", "--out", folder)
    ended = run_mcsan(*command)
    assert ended.status == 0
    assert "making clips of moving shapes: 8 clips in" in ended.stderr
    assert "rendering clips: 8 clips in" in ended.stderr
    own, names = folder / "clips" / "own.mp4", VideoIndex.open(folder).ids
    own.write_bytes(b"mine")
    ended = run_mcsan("index", "remove", folder, names[0])
    assert ended.stdout.splitlines() == [
        "removed 1 rendered clip of no video of the index",
        f"{folder}: removed 1 video, 7 are left",
    ]
    left = sorted(file.name for file in (folder / "clips").iterdir())
    assert left == ["own.mp4", *(f"{name}.mp4" for name in names[1:])]
    # What is refused touches no clip.
    before = {file: file.stat().st_mtime_ns for file in (folder / "clips").iterdir()}
    said = run_mcsan("index", "add", folder, "moving_shapes", "--count=8", "--render_clips").stderr
    assert "7 of the 8 videos are in the index already: test_00001" in said
    assert before == {file: file.stat().st_mtime_ns for file in (folder / "clips").iterdir()}
    assert run_mcsan(*command[:3], "--count=1", "--out", folder, "--overwrite").status == 0
    assert [file.name for file in (folder / "clips").iterdir()] == ["own.mp4"]


def test_no_file_outside_the_folder_of_clips_is_removed(tmp_path: pathlib.Path) -> None:
    folder, outside = tmp_path / "index", tmp_path / "film.mp4"
    (folder / "clips").mkdir(parents=True)
    outside.touch()
    (folder / "clips" / "link.mp4").symlink_to(outside)
    (folder / "clips" / "a.mp4").touch()
    note_rendered(folder, ["../../film.mp4", str(outside), "link.mp4", "a.mp4", "..", "never_written.mp4"])
    assert remove_unused_clips(folder, {"clips/b.mp4", None}) == 1
    assert outside.exists() and (folder / "clips" / "link.mp4").exists()
    assert not (folder / "clips" / "a.mp4").exists() and remove_unused_clips(folder, ()) == 0


@pytest.mark.slow
def test_another_command_removes_the_clips_of_an_interrupted_one_and_says_so(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "an index"
    command = ["index", "demo", "moving_shapes", "--render_clips", "--out", str(folder)]
    with subprocess.Popen(
        [sys.executable, "-m", "mcsan_jax.cli", *command, "--count=100"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and len(list((folder / "clips").glob("*.mp4"))) < 10:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert f"{folder}: give the same command again, which continues\ninterrupted\n" in said
    ended = run_mcsan(*command, "--count=3")
    assert ended.status == 0, ended.stderr
    assert "rendered clips of no video of the index" in ended.stdout
    assert sorted(file.name for file in (folder / "clips").iterdir()) == [
        f"test_{n:05d}.mp4" for n in range(3)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("moving_shapes", "--clips", "folder"), "--clips=folder and --render_clips: give one of the two"),
        (("features.npz",), "--render_clips makes clips of moving_shapes; name yours with --clips=FOLDER"),
    ],
)
def test_what_cannot_be_rendered_is_refused(
    arguments: tuple[str, ...], said: str, tmp_path: pathlib.Path
) -> None:
    ended = run_mcsan("index", "demo", *arguments, "--render_clips", "--out", tmp_path / "index")
    assert ended.status == 2 and said in ended.stderr
    assert not (tmp_path / "index").exists()
