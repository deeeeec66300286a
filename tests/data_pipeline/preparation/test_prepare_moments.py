"""Parts and paragraphs of longer videos, from the files of their authors to records."""

from pathlib import Path

import numpy as np
import pytest

from data_pipeline.manifest import Manifest
from tests.support.command_line import run_prepare
from tests.support.corpus import make_features, read_records, read_report, write_bigfile, write_npy
from tests.support.small_sources import write_source


@pytest.fixture
def arguments(tmp_path: Path, graph_cache: Path) -> list[str]:
    (tmp_path / "raw").mkdir()
    return [
        f"--annotations={tmp_path}/raw",
        f"--features={tmp_path}/features",
        f"--out={tmp_path}/data",
        f"--graph_cache={graph_cache}",
        "--attribute_minimum_videos=1",
    ]


def test_parts_get_their_frames_from_one_binary_file(tmp_path: Path, arguments: list[str]) -> None:
    write_source(tmp_path / "raw", "charades_sta")
    features = {
        each: np.arange(62, dtype=np.float32).reshape(31, 2) for each in ("AO8RW", "Y6R7T", "3MSZA", "spare")
    }
    write_bigfile(tmp_path / "features", features)
    assert run_prepare(["--dataset=charades_sta", "--frame_rate=1", *arguments]) == 0
    assert {name: split.videos for name, split in Manifest.load(tmp_path / "data").splits.items()} == {
        "train": 1,
        "val": 1,
        "test": 1,
    }
    [(video_id, record)] = read_records(tmp_path / "data", "test").items()
    assert video_id == "3MSZA@24.3-30.4"
    assert record["frame_times"].tolist() == [24.5, 25.5, 26.5, 27.5, 28.5, 29.5]
    np.testing.assert_array_equal(record["frames"]["features"], features["3MSZA"][24:30])
    [record] = read_records(tmp_path / "data", "val").values()
    assert [text.decode() for text in record["captions"]["texts"]] == [
        "a person puts a book on a shelf.",
        "person smiles.",
    ]
    report = read_report(tmp_path / "data")
    assert report["features_without_captions"] == ["spare"]
    assert "there is no validation split: 1 of 2 training videos were made one" in report["warnings"]
    assert sum("the published protocol has 12,408" in warning for warning in report["warnings"]) == 1


def test_paragraphs_are_captions_of_whole_videos(tmp_path: Path, arguments: list[str]) -> None:
    write_source(tmp_path / "raw", "youcook2")
    write_npy(tmp_path / "features", {each: make_features(each) for each in ("a1", "b2", "c3")})
    assert run_prepare(["--dataset=youcook2", "--protocol=paragraph", *arguments, "--strict"]) == 0
    records = {split: read_records(tmp_path / "data", split) for split in ("train", "val", "test")}
    assert {split: list(found) for split, found in records.items()} == {
        "train": ["a1"],
        "val": ["b2"],
        "test": ["c3"],
    }
    assert records["train"]["a1"]["captions"]["texts"].tolist() == [b"dice the onion. fry it"]
    assert len(records["train"]["a1"]["frames"]["features"]) == len(make_features("a1"))
