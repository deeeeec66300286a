"""Features of all frames of all videos in one binary file, as hybrid_space stores them."""

import pathlib
import pickle

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.bigfile import BigFileFeatures
from data_pipeline.features.streams import open_features
from tests.support.corpus import write_bigfile

VIDEOS = {
    "video0": np.arange(33, dtype=np.float32).reshape(11, 3),
    "a_1": np.ones((1, 3), np.float32),
}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_bigfile(tmp_path / "resnext101", VIDEOS)


def assert_reads_all(source: BigFileFeatures) -> None:
    assert source.ids() == VIDEOS.keys()
    for video_id, array in VIDEOS.items():
        np.testing.assert_array_equal(source.read(video_id), array)


def test_frames_are_in_the_order_of_their_numbers(folder: pathlib.Path) -> None:
    """Frame 10 stands behind frame 9, wherever both are in the file."""
    source = open_features(folder, frame_rate=2.0)
    assert isinstance(source, BigFileFeatures)
    assert_reads_all(source)
    assert_reads_all(pickle.loads(pickle.dumps(source)))
    times = source.times("video0", 11)
    assert times is not None and times[:2].tolist() == [0.25, 0.75]
    assert BigFileFeatures(folder).times("video0", 11) is None
    assert source.description == "folder resnext101 of feature.bin"


def test_opened_features_are_sent_without_their_content(folder: pathlib.Path) -> None:
    source = BigFileFeatures(folder)
    before = len(pickle.dumps(source))
    source.read("video0")
    assert len(pickle.dumps(source)) == before


def test_a_list_of_frames_says_which_they_are(folder: pathlib.Path) -> None:
    (folder / "video2frames.txt").write_text("{'x': ['video0_2', 'video0_0'], 'y': ['a_1_0']}")
    source = BigFileFeatures(folder)
    assert source.ids() == {"x", "y"}
    np.testing.assert_array_equal(source.read("x"), VIDEOS["video0"][[2, 0]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("shape.txt", "12", r"shape\.txt: expected the numbers of rows and columns, found '12'"),
        ("shape.txt", "0 3", r"shape\.txt: expected the numbers of rows"),
        ("shape.txt", "12 4", r"feature\.bin: 144 bytes; .* 12 rows of 4 float32 values, which take 192"),
        ("id.txt", "video0_0 a_1_0", r"id\.txt: 2 ids; shape\.txt says 12 rows"),
        ("id.txt", "v_0 " * 12, r"id\.txt: ids occur twice: v_0; give"),
        (
            "id.txt",
            "v " + " ".join(f"w_{n}" for n in range(11)),
            r"expected ids VIDEO_NUMBER of frames, found v; list the frames of each video in video2frames\.txt",
        ),
        ("video2frames.txt", "open('x')", r"video2frames\.txt: no dictionary as Python writes it"),
        ("video2frames.txt", "{'x': 'video0_0'}", r"video2frames\.txt: expected \{'VIDEO'"),
        ("video2frames.txt", "{'x': [['video0_0']]}", r"video2frames\.txt: expected \{'VIDEO'"),
        ("video2frames.txt", "{}", r"video2frames\.txt: expected \{'VIDEO'"),
        ("video2frames.txt", "{'x': ['b_0']}", r"video2frames\.txt: frames that id\.txt does not have: b_0"),
    ],
)
def test_files_that_contradict_each_other_are_named(
    folder: pathlib.Path, name: str, content: str, message: str
) -> None:
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        open_features(folder)


def test_absent_videos_and_files_are_named(folder: pathlib.Path) -> None:
    source = BigFileFeatures(folder)
    for read in (source.read, lambda video_id: source.times(video_id, 1)):
        with pytest.raises(InputError, match=r"feature\.bin: no features of video 'video'"):
            read("video")
    (folder / "feature.bin").unlink()
    with pytest.raises(InputError, match=r"feature\.bin: cannot be read"):
        source.read("video0")
    with pytest.raises(InputError, match=r"no feature\.bin in this folder"):
        BigFileFeatures(folder)
    (folder / "shape.txt").unlink()
    with pytest.raises(InputError, match=r"shape\.txt: no such file"):
        BigFileFeatures(folder)
