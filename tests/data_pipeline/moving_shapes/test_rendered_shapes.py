"""The embedded data set as files to play: the clips, their captions, and the flags that make them."""

import json
import pathlib

import numpy as np
import pytest

from data_pipeline.annotations.sources import read_annotations
from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from data_pipeline.manifest import MANIFEST_NAME
from data_pipeline.moving_shapes.dataset import FRAMES_PER_SECOND, embedded_clips, moving_shapes_source
from tests.support.command_line import run_prepare

SHARE = 0.002
SIZES = {"train": 6, "val": 1, "test": 1}


def render(folder: pathlib.Path, *more: str, share: float = SHARE) -> int:
    return run_prepare(["--dataset=moving_shapes", f"--render_clips={folder}", f"--share={share}", *more])


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("shapes") / "clips"
    assert render(folder) == 0
    return folder


def test_clips_show_the_data_set(rendered: pathlib.Path) -> None:
    found = collect_clips([rendered])
    assert list(found) == sorted(
        f"{split}_{index:05d}" for split, size in SIZES.items() for index in range(size)
    )
    view = PictureView((32, 32))
    for split, size in SIZES.items():
        for name, images in embedded_clips(size, split).images.items():
            frames = np.concatenate(
                [one.pictures for one in sampled_frames(found[name], Sampling(FRAMES_PER_SECOND), view)]
            )
            assert frames.shape == images.shape
            assert np.abs(frames.astype(int) - images).mean() < 3


def test_captions_are_read_as_those_of_a_user(rendered: pathlib.Path) -> None:
    given = read_annotations("jsonl", [rendered / "captions.jsonl"])
    expected = moving_shapes_source(share=SHARE).annotations
    assert [(one.video_id, one.text, one.split) for one in given.captions] == [
        (one.video_id, one.text, one.split) for one in expected.captions
    ]


def test_the_bytes_are_the_same_each_time(rendered: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert render(tmp_path / "again") == 0
    assert contents(tmp_path / "again") == contents(rendered)


def test_fewer_clips_replace_more(rendered: pathlib.Path, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "clips"
    assert render(folder, share=0.004) == 0
    (folder / "mine.mp4").touch()
    assert render(folder) == 2
    assert render(folder, "--overwrite") == 0
    assert contents(folder) == contents(rendered) | {"mine.mp4": b""}


@pytest.mark.slow
def test_clips_and_records_are_made_in_one_go(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "prepared"
    more = [
        f"--out={out}",
        f"--graph_cache={tmp_path / 'graphs'}",
        "--attribute_minimum_videos=1",
        "--processes=1",
    ]
    assert render(tmp_path / "clips", "--vocabulary_size=60", *more) == 0
    manifest = json.loads((out / MANIFEST_NAME).read_text())
    assert {name: split["videos"] for name, split in manifest["splits"].items()} == SIZES
    assert len(collect_clips([tmp_path / "clips"])) == sum(SIZES.values())
    # What is there already stops the command before anything is rendered.
    assert render(tmp_path / "others", *more) == 2
    assert not (tmp_path / "others").exists()


def test_what_cannot_be_meant_is_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").touch()
    clips = f"--render_clips={tmp_path / 'a'}"
    for arguments, said in (
        (
            ["--dataset=jsonl", clips],
            "--render_clips is for --dataset=moving_shapes alone",
        ),
        (
            ["--dataset=jsonl", "--share=0.5", f"--out={tmp_path / 'a'}"],
            "--share is for --dataset=moving_shapes",
        ),
        (["--dataset=moving_shapes"], "--out is missing"),
        ([clips], "--dataset is missing"),
        (
            ["--dataset=moving_shapes", f"--render_clips={tmp_path / 'file'}"],
            "expected a folder, found a file",
        ),
        (
            ["--dataset=moving_shapes", f"--render_clips={tmp_path / 'file/a'}"],
            "choose another --render_clips",
        ),
        (["--dataset=moving_shapes", f"--render_clips={tmp_path / 'full'}"], "holds no captions.jsonl"),
    ):
        assert run_prepare(arguments) == 2
        assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
