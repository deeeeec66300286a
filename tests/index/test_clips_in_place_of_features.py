"""`mcsan index` and `mcsan index add` with clips, whose features are extracted with the encoder of the model."""

import pathlib
import shutil

import h5py
import numpy as np
import pytest

from data_pipeline.clips.render_clips import render_clips
from mcsan_jax.index.clip_features import are_clips
from mcsan_jax.index.video_index import VideoIndex
from tests.support.command_line import run_mcsan
from tests.support.written_clip import RATE, write_clip
from tests.support.zero_shot_data import ENCODER


def refused(*arguments: object) -> str:
    ended = run_mcsan("index", *arguments)
    assert ended.status == 2 and "Traceback" not in ended.stderr, ended
    return ended.stderr


@pytest.fixture
def clips(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("one", "two"):
        write_clip(folder / f"{name}.mp4", 2 * RATE)
    (folder / "broken.mp4").write_text("no clip")
    return folder


def test_clips_are_extracted_linked_and_added(
    clips: pathlib.Path, zero_shot_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    encoder = shutil.copytree(zero_shot_data / ENCODER, tmp_path / "encoder")
    out, film = tmp_path / "own.index", tmp_path / "film.mp4"
    ended = run_mcsan("index", encoder, clips, f"--out={out}")
    assert ended.status == 0, ended.stderr
    assert "broken: " in ended.stdout and "added 2 videos" in ended.stdout
    index = VideoIndex.open(out)
    assert index.ids == ("one", "two") and index.clip_of(0) == str(clips / "one.mp4")
    assert index.kept_picture(0, "strip") is not None
    [features] = (tmp_path / "own.index.features").glob("*.hdf5")
    with h5py.File(features) as file:
        assert sorted(file) == ["one", "two"]
    again = run_mcsan("index", encoder, clips, f"--out={out}")
    assert again.status == 0 and "this very command has done its work already" in again.stdout
    # A minute and ten seconds: a blue half and a yellow one.
    colours = np.array([[0, 0, 200]] * 35 + [[200, 200, 0]] * 35, np.uint8)
    render_clips({"film": np.broadcast_to(colours[:, None, None], (70, 8, 8, 3))}, tmp_path, 1.0)
    encoder.rename(tmp_path / "moved")
    said = refused("add", out, film)
    assert "cannot be opened" in said and "name its folder with --encoder=FOLDER" in said
    ended = run_mcsan("index", "add", out, film, f"--encoder={tmp_path / 'moved'}")
    assert ended.status == 0, ended.stderr
    index = VideoIndex.open(out)
    parts = [video for video in index.ids if video.startswith("film#")]
    assert parts[0] == "film#01" and len(parts) > 1
    ends = [index.part_of(index.row_of(video)) for video in parts]
    assert ends[0] is not None and ends[-1] is not None and ends[0][0] == 0 and ends[-1][1] > 69
    last = index.row_of(parts[-1])
    assert index.clip_of(last) == str(film)
    assert ends[-1][0] <= index.embeddings([last]).times_of(0).min()
    assert run_mcsan("index", "remove", out, *parts).status == 0
    ended = run_mcsan("index", "add", out, film, f"--encoder={tmp_path / 'moved'}", "--whole_videos")
    assert ended.status == 0, ended.stderr
    assert VideoIndex.open(out).ids == ("one", "two", "film")


def test_what_cannot_be_extracted_is_refused_before_anything_is(
    clips: pathlib.Path, zero_shot_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    to, encoder = f"--out={tmp_path / 'index'}", zero_shot_data / ENCODER
    said = refused("demo", clips, to)
    for stream in ("pixels", "objects"):
        assert f"does not say which encoder made the features of its stream {stream!r}" in said
    assert "has other weights" in refused(encoder, clips, to, "--encoder=efficientnet_lite0")
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.float32))
    assert "cannot be given together" in refused(encoder, clips, tmp_path / "a.npy", to)
    assert "--fps=2 is for clips" in refused(encoder, tmp_path / "a.npy", to, "--fps=2")
    assert "expected a number above 0" in refused(encoder, clips, to, "--fps=0")
    assert not (tmp_path / "index").exists() and not (tmp_path / "index.features").exists()


def test_a_folder_with_features_is_no_folder_of_clips(clips: pathlib.Path) -> None:
    assert are_clips([str(clips)]) and are_clips([str(clips / "one.mp4")])
    np.save(clips / "one.npy", np.zeros((2, 3), np.float32))
    assert not are_clips([str(clips)]) and not are_clips([f"pixels={clips}"])
