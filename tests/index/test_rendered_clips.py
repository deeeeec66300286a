"""`mcsan index … --render_clips` makes files to play of the embedded data set, in the folder of the index."""

import pathlib

import pytest

from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.video_index import VideoIndex
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
