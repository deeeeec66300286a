"""A small corpus in the official MSR-VTT form, and the preparation command run in this process."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SPLITS = {"train": [f"train{i}" for i in range(8)], "validate": ["val0", "val1", "val2"], "test": ["test0"]}
DIM = 6

_SUBJECTS = ["a man", "a woman", "the dog", "a child"]
_VERBS = ["is chasing", "is holding", "kicks", "watches"]
_OBJECTS = ["a ball", "a cat", "a car", "the bird"]


def captions_of(video_id: str) -> list[str]:
    """Three captions; words of the validation videos occur in no other split, and many captions repeat."""
    if video_id.startswith("val"):
        return ["a zebra juggles a zither", f"a zebra juggles {video_id[3:]} zithers", "a zebra"]
    number = int(video_id.removeprefix("train").removeprefix("test"))
    return [
        f"{_SUBJECTS[(number + i) % 4]} {_VERBS[(number + i) % 4]} {_OBJECTS[number % 4]} in the park"
        for i in range(3)
    ]


def make_features(video_id: str, dim: int = DIM, regions: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Frames of a video; their number differs from video to video."""
    rng = np.random.default_rng(list(video_id.encode()))
    shape = (int(rng.integers(3, 9)), *([regions] if regions else []), dim)
    return (rng.normal(size=shape) * np.arange(1, dim + 1) + 3).astype(dtype)


def all_features(**options: Any) -> dict[str, np.ndarray]:
    return {video_id: make_features(video_id, **options) for ids in SPLITS.values() for video_id in ids}


def write_hdf5(path: Path, features: Mapping[str, np.ndarray]) -> Path:
    with h5py.File(path, "w") as file:
        for video_id, array in features.items():
            file[video_id] = array
    return path


def write_npy(folder: Path, features: Mapping[str, np.ndarray]) -> Path:
    folder.mkdir()
    for video_id, array in features.items():
        np.save(folder / f"{video_id}.npy", array)
    return folder


def write_bigfile(folder: Path, features: Mapping[str, np.ndarray]) -> Path:
    """Writes features as hybrid_space does; the frames stand in the order of their ids as texts."""
    rows = {f"{video_id}_{n}": row for video_id, array in features.items() for n, row in enumerate(array)}
    folder.mkdir()
    matrix = np.array([rows[frame_id] for frame_id in sorted(rows)], "<f4")
    (folder / "feature.bin").write_bytes(matrix.tobytes())
    (folder / "id.txt").write_text(" ".join(sorted(rows)))
    (folder / "shape.txt").write_text(f"{matrix.shape[0]} {matrix.shape[1]}")
    return folder


def official_json(captions: Mapping[str, Iterable[str]] | None = None) -> str:
    """The corpus as `*_videodatainfo.json`; ``captions`` replaces those of some videos or adds a training video."""
    split_of = {video_id: split for split, ids in SPLITS.items() for video_id in ids}
    split_of |= {video_id: "train" for video_id in captions or {} if video_id not in split_of}
    sentences: list[dict[str, Any]] = []
    for video_id in split_of:
        for text in (captions or {}).get(video_id) or captions_of(video_id):
            sentences.append({"sen_id": len(sentences), "video_id": video_id, "caption": text})
    videos = [
        {"video_id": video_id, "split": split, "url": f"https://example.org/{video_id}"}
        for video_id, split in split_of.items()
    ]
    return json.dumps({"videos": videos, "sentences": sentences})


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Files to prepare, the folder of parsed captions that all tests share, and an unused folder for the result."""

    folder: Path
    graph_cache: Path

    @property
    def annotations(self) -> Path:
        return self.folder / "corpus_videodatainfo.json"

    @property
    def features(self) -> Path:
        return self.folder / "features.h5"

    @property
    def out(self) -> Path:
        return self.folder / "made" / "data"

    def arguments(self, *more: str, **replaced: Any) -> list[str]:
        values = {
            "dataset": "msrvtt",
            "annotations": self.annotations,
            "features": self.features,
            "out": self.out,
            "graph_cache": self.graph_cache,
            "attribute_minimum_videos": 2,
            "tokenizer": "unigram",
            **replaced,
        }
        return [*(f"--{key}={value}" for key, value in values.items() if value is not None), *more]


def write_corpus(folder: Path, graph_cache: Path) -> Corpus:
    corpus = Corpus(folder, graph_cache)
    corpus.annotations.write_text(official_json())
    write_hdf5(corpus.features, all_features())
    return corpus


COMMAND = [sys.executable, "-m", "data_pipeline.prepare"]


def read_report(out: Path) -> dict[str, Any]:
    content = json.loads((out / "prepare_report.json").read_text())
    assert isinstance(content, dict)
    return content


def read_records(out: Path, split: str) -> dict[str, dict[str, Any]]:
    """Records by video id, read without the project's own reader."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(out / "records" / "video_text" / "1.0.0"))
    records = tfds.as_numpy(builder.as_dataset(split=split))
    return {record["video_id"].decode(): record for record in records}


def record_bytes(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.rglob("*.tfrecord-*"))}
