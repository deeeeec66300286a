"""From unusual sources through preparation, inspection and training: real commands, real files."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_pipeline.manifest import Manifest
from data_pipeline.text.word_vectors import WordVectors
from tests.support import ROOT
from tests.support.command_line import Ended, run_inspect, run_main, run_prepare
from tests.support.corpus import read_records, read_report

CLIPS = {"long1": "train", "long2": "train", "long3": "val"}


@pytest.fixture
def clips_of_long_videos(tmp_path: Path) -> Path:
    """A table of parts of three videos, and two streams of different frame rates with their times."""
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", "caption", "split", "start", "end"])
        for name, split in CLIPS.items():
            for part in range(3):
                writer.writerow([name, f"a man throws {part + 2} balls", split, 2 * part, 2 * part + 2])
                writer.writerow([name, "the dog is chasing a cat", split, 2 * part, 2 * part + 2])
    with h5py.File(tmp_path / "appearance.h5", "w") as file:
        for name in CLIPS:
            file[name] = np.arange(60, dtype=np.float32)[:, None] * np.ones(4, np.float32)
    (tmp_path / "audio").mkdir()
    for name in CLIPS:
        times = np.arange(6) + 0.5
        np.savez(tmp_path / "audio" / f"{name}.npz", features=np.repeat(times[:, None], 3, 1), times=times)
    return tmp_path


def glove(path: Path, words: list[str], dim: int) -> Path:
    rows = (f"{word} {' '.join(str(value) for value in range(n, n + dim))}\n" for n, word in enumerate(words))
    path.write_text("".join(rows))
    return path


@pytest.fixture
def parts(clips_of_long_videos: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """They, prepared with word vectors."""
    folder = clips_of_long_videos
    vectors = glove(folder / "glove.txt", ["man", "dog", "chasing", "unused"], 16)
    out = folder / "prepared"
    assert (
        run_prepare(
            [
                "--dataset=csv",
                f"--annotations={folder / 'clips.csv'}",
                f"--features=appearance={folder / 'appearance.h5'}",
                f"--features=audio={folder / 'audio'}",
                "--frame_rate=appearance=10",
                "--frame_alignment=time",
                "--frame_count=8",
                "--tokenizer=word",
                f"--word_vectors={vectors}",
                "--attribute_minimum_videos=1",
                f"--out={out}",
            ]
        )
        == 0
    )
    assert "words without a vector: a, " in capsys.readouterr().out
    return out


def train(parts: Path, word_width: int) -> Ended:
    """One epoch on parts of videos."""
    return run_main(
        f"--config={ROOT}/configs/custom.py:tiny",
        f"--config.data.dir={parts}",
        f"--workdir={parts.parent / 'run'}",
        "--config.train.epochs=1",
        "--config.train.batch_size=8",
        f"--config.model.word_width={word_width}",
    )


def test_parts_of_long_videos_with_streams_of_two_rates_and_word_vectors(
    parts: Path,
) -> None:
    record = read_records(parts, "train")["long1@2-4"]
    expected = np.round(np.linspace(0, 19, 8)).astype(int) + 20
    np.testing.assert_array_equal(record["frames"]["appearance"][:, 0], expected)
    np.testing.assert_allclose(record["frame_times"], (expected + 0.5) / 10, rtol=1e-6)
    # The audio frame nearest to each of them, and those from 2 s to 4 s only.
    np.testing.assert_array_equal(record["frames"]["audio"][:, 0], np.where(expected < 30, 2.5, 3.5))

    manifest, report = Manifest.load(parts), read_report(parts)
    assert manifest.word_vectors is not None
    assert (manifest.word_vectors.dim, manifest.word_vectors.known) == (16, 3)
    assert {"balls", "throws"} <= set(report["words_without_vector"])
    assert WordVectors.load(parts / manifest.word_vectors.file).known.sum() == 3

    page = parts.parent / "page.html"
    assert run_inspect(str(parts), f"--html={page}") == 0
    assert "<svg" in page.read_text()

    refused = train(parts, word_width=20)
    assert refused.status == 2 and "set --config.model.word_width=16" in refused.stderr


@pytest.mark.slow
def test_parts_of_long_videos_are_trained_on(parts: Path) -> None:
    trained = train(parts, word_width=16)
    assert trained.status == 0, trained.stderr
    # They have no test split.
    assert trained.stdout.count("the prepared data has no split 'test'") == 2
    assert "epoch 1/1  val Rsum" in trained.stdout


def test_role_graphs_that_people_have_are_used_as_they_are(tmp_path: Path) -> None:
    annotation, lists = tmp_path / "annotation" / "RET", tmp_path / "public_split"
    annotation.mkdir(parents=True)
    lists.mkdir()
    captions = {f"v{number}": ["a man cuts bread on the table", "a woman sings"] for number in range(6)}
    graph = [
        {
            "ROOT": {"role": "ROOT", "words": "a man cuts bread on the table".split(), "spans": [*range(7)]},
            "1": {"role": "V", "words": ["cuts"], "spans": [2]},
            "2": {"role": "ARG0", "words": ["a", "man"], "spans": [0, 1]},
            "3": {"role": "ARGM-LOC", "words": ["on", "the", "table"], "spans": [4, 5, 6]},
        },
        [["1", "2", "ARG0"], ["1", "3", "ARGM-LOC"]],
    ]
    (annotation / "ref_captions.json").write_text(json.dumps(captions))
    (annotation / "sent2rolegraph.augment.json").write_text(json.dumps({captions["v0"][0]: graph}))
    features = tmp_path / "ordered_feature" / "SA" / "resnet"
    features.mkdir(parents=True)
    for name, ids in (("trn", ["v0", "v1", "v2", "v3"]), ("val", ["v4"]), ("tst", ["v5"])):
        np.save(lists / f"{name}_names.npy", np.array(ids))
        with h5py.File(features / f"{name}_ft.hdf5", "w") as file:
            for video_id in ids:
                file[video_id] = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    out = tmp_path / "prepared"
    arguments = ["--dataset=hgr", f"--annotations={tmp_path}", f"--features={features}", f"--out={out}"]
    assert run_prepare([*arguments, "--attribute_minimum_videos=1"]) == 0
    manifest = Manifest.load(out)
    assert manifest.roles[-1] == "ARGM-LOC" and manifest.splits.keys() == {"train", "val", "test"}
    metadata = json.loads((out / manifest.records / "dataset_info.json").read_text())
    assert (
        "Hierarchical Graph Reasoning" in metadata["citation"] and metadata["redistributionInfo"]["license"]
    )
    assert "github.com/cshizhe/hgr_v2t" in str(metadata["location"])
    first = read_records(out, "val")["v4"]["captions"]
    edges = np.split(first["edges"], np.cumsum(first["edge_counts"])[:-1])
    assert [manifest.roles[role] for _, _, role, _ in edges[0]] == ["agent", "ARGM-LOC"]
    assert read_report(out)["captions_parsed_now"] == 1
    assert run_inspect(str(out)) == 0
