"""Preparation of real MSR-VTT captions and features, a part of them for the sake of time."""

import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_pipeline.manifest import FRAMES, Manifest, SplitSummary
from data_pipeline.text.sentencepiece_model import UNKNOWN_ID
from data_pipeline.text.vocabulary import load_tokenizer
from tests.support.command_line import run_prepare
from tests.support.corpus import read_records, read_report

COUNTS = {"train": 60, "val": 10}
VIDEOS = sum(COUNTS.values())


@pytest.fixture(scope="module")
def lists(shared_data: Path) -> dict[str, list[str]]:
    return {
        split: (shared_data / "msrvtt_800" / f"{split}.txt").read_text().split()[:count]
        for split, count in COUNTS.items()
    }


@pytest.fixture(scope="module")
def made(shared_data: Path, lists: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    split_files = []
    for split, ids in lists.items():
        (folder / f"{split}.txt").write_text("\n".join(ids))
        split_files += ["--split_file", f"{split}={folder / split}.txt"]
    status = run_prepare(
        [
            "--dataset=msrvtt",
            f"--annotations={shared_data / 'annotations' / 'msrvtt'}",
            f"--features={shared_data / 'msrvtt_800' / 'vgg16_ae128.hdf5'}",
            f"--out={folder / 'data'}",
            *split_files,
        ]
    )
    assert status == 0
    return folder / "data"


@pytest.mark.slow
def test_report(made: Path, lists: dict[str, list[str]]) -> None:
    report = read_report(made)
    assert report["splits"] == {
        split: {"videos": count, "captions": 20 * count, "foils": 0} for split, count in COUNTS.items()
    }
    assert report["captions_from_cache"] == 0
    assert 0.875 * 20 * VIDEOS < report["captions_parsed_now"] <= 20 * VIDEOS
    assert report["videos_without_features"] == report["truncated_captions"] == []
    assert len(report["features_without_captions"]) == 800 - VIDEOS
    assert report["warnings"] == [f"{10_000 - VIDEOS} videos on no split list were left out"]
    assert report["captions_without_entity"] < 0.01 * 20 * VIDEOS
    assert report["captions_without_action"] < 0.2 * 20 * VIDEOS


def test_manifest_and_statistics(made: Path, lists: dict[str, list[str]], shared_data: Path) -> None:
    manifest = Manifest.load(made)
    assert (manifest.dataset, manifest.protocol) == ("msrvtt", "custom")
    assert manifest.splits == {split: SplitSummary(count, 20 * count, 0) for split, count in COUNTS.items()}
    (stream,) = manifest.streams
    assert (stream.name, stream.kind, stream.dim) == ("vgg16_ae128", FRAMES, 128)
    with h5py.File(shared_data / "msrvtt_800" / "vgg16_ae128.hdf5") as file:
        frames = np.concatenate([file[video_id][()] for video_id in lists["train"]]).astype(np.float64)
    np.testing.assert_allclose(stream.mean, frames.mean(axis=0), rtol=1e-5, atol=1e-6)
    varying = frames.std(axis=0) > 0.02 * np.sqrt(frames.var(axis=0).mean())
    np.testing.assert_allclose(np.array(stream.std)[varying], frames.std(axis=0)[varying], rtol=1e-5)
    assert varying.sum() > 100
    assert all(size > 20 for size in manifest.attribute_sizes.values())


def test_records(made: Path, lists: dict[str, list[str]], shared_data: Path) -> None:
    tokenizer = load_tokenizer(made / "tokenizer.json", "wordpiece")
    with h5py.File(shared_data / "msrvtt_800" / "vgg16_ae128.hdf5") as file:
        for split, ids in lists.items():
            records = read_records(made, split)
            assert set(records) == set(ids)
            for video_id, record in itertools.islice(records.items(), 10):
                np.testing.assert_array_equal(record["frames"]["vgg16_ae128"], file[video_id][()])
                captions = record["captions"]
                tokens = np.split(captions["token_ids"], np.cumsum(captions["token_counts"])[:-1])
                assert len(tokens) == 20
                for text, ids_ in zip(captions["texts"], tokens, strict=True):
                    assert split == "val" or UNKNOWN_ID not in ids_
                    assert tokenizer.encode(text.decode()).ids == ids_.tolist()
                assert (captions["node_counts"] > 0).mean() > 0.9
                assert record["attributes"]["entity"].size > 0
