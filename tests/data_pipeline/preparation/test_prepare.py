"""What the preparation of a small corpus writes."""

import dataclasses
import gzip
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.statistics import RELATIVE_FLOOR
from data_pipeline.graphs.cache import GraphCache
from data_pipeline.graphs.parser import CaptionParser, parser_identity
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import FRAMES, REGIONS, Manifest, SplitSummary
from data_pipeline.moving_shapes import dataset
from data_pipeline.moving_shapes.dataset import prepare_moving_shapes
from data_pipeline.preparation.prepare_folder import Options
from data_pipeline.preparation.runner import LocalRunner
from data_pipeline.text.sentencepiece_model import UNKNOWN_ID
from data_pipeline.text.tokenizer import PAD_ID
from data_pipeline.text.vocabulary import load_tokenizer
from tests.support import ROOT
from tests.support.command_line import run_prepare
from tests.support.corpus import (
    COMMAND,
    DIM,
    SPLITS,
    Corpus,
    all_features,
    captions_of,
    make_features,
    read_records,
    read_report,
    record_bytes,
    write_corpus,
    write_hdf5,
    write_npy,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, graph_cache: Path) -> Corpus:
    corpus = write_corpus(tmp_path_factory.mktemp("made"), graph_cache)
    assert run_prepare(corpus.arguments("--protocol=full")) == 0
    return corpus


def test_counts_of_videos_and_captions(made: Corpus) -> None:
    manifest, report = Manifest.load(made.out), read_report(made.out)
    assert (manifest.dataset, manifest.protocol) == ("msrvtt", "full")
    assert manifest.splits == {
        "train": SplitSummary(8, 24, 0),
        "val": SplitSummary(3, 9, 0),
        "test": SplitSummary(1, 3, 0),
    }
    assert report["splits"]["train"] == {"videos": 8, "captions": 24, "foils": 0}
    assert report["fingerprint"] == manifest.fingerprint
    assert report["warnings"] and all("not comparable" in warning for warning in report["warnings"])
    for key in (
        "videos_without_features",
        "features_without_captions",
        "blank_captions",
        "truncated_captions",
    ):
        assert report[key] == []


def test_each_distinct_caption_is_parsed_once(made: Corpus, graph_cache: Path) -> None:
    report = read_report(made.out)
    distinct = {text for ids in SPLITS.values() for video_id in ids for text in captions_of(video_id)}
    assert report["captions_parsed_now"] + report["captions_from_cache"] == len(distinct) < 36
    cached = GraphCache(graph_cache, parser_identity()).graphs_of(sorted(distinct), CaptionParser)
    assert (cached.cached, cached.parsed) == (len(distinct), 0)


def test_vocabularies_and_tokenizer_know_training_captions_only(made: Corpus) -> None:
    attributes = json.loads((made.out / "attributes.json").read_text())
    names = {level: [name for name, _ in attributes[level]] for level in NODE_LEVELS}
    assert {"man", "park", "ball"} <= set(names["entity"])
    assert {"chase", "hold", "kick", "watch"} == set(names["action"])
    assert any(name.startswith("chase|agent|") for name in names["relationship"])
    everything = " ".join(name for level in names.values() for name in level)
    assert not any(word in everything for word in ("zebra", "juggle", "zither"))
    assert {level: len(level_names) for level, level_names in names.items()} == Manifest.load(
        made.out
    ).attribute_sizes

    tokenizer = load_tokenizer(made.out / "tokenizer.model", "unigram")
    assert UNKNOWN_ID not in tokenizer.encode("the dog kicks a car").ids
    assert UNKNOWN_ID in tokenizer.encode("zebra").ids  # No training caption has a z.


def test_statistics_are_those_of_training_features(made: Corpus) -> None:
    (stream,) = Manifest.load(made.out).streams
    frames = np.concatenate([make_features(video_id).astype(np.float16) for video_id in SPLITS["train"]])
    deviation = frames.std(axis=0, dtype=np.float64)
    assert (deviation > RELATIVE_FLOOR * np.sqrt(np.mean(deviation**2))).all()
    np.testing.assert_allclose(stream.mean, frames.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(stream.std, deviation, rtol=1e-6)
    assert (stream.name, stream.kind, stream.dim) == ("features", FRAMES, DIM)


def test_records_hold_features_captions_and_graphs(made: Corpus) -> None:
    for official, split in (("train", "train"), ("validate", "val"), ("test", "test")):
        records = read_records(made.out, split)
        assert set(records) == set(SPLITS[official])
        for video_id, record in records.items():
            expected = make_features(video_id).astype(np.float16)
            np.testing.assert_array_equal(record["frames"]["features"], expected)
            captions = record["captions"]
            assert [text.decode() for text in captions["texts"]] == captions_of(video_id)
            assert captions["token_counts"].sum() == len(captions["token_ids"]) > 0
            assert PAD_ID not in captions["token_ids"]
            assert (captions["node_counts"] > 0).all()
            assert (record["attributes"]["entity"].size > 0) == (split != "val")


@pytest.mark.parametrize("protocol", ["full", None])
def test_gzip_npy_and_float16_give_the_same_records(
    made: Corpus, corpus: Corpus, protocol: str | None
) -> None:
    packed = corpus.annotations.with_name(f"{corpus.annotations.name}.gz")
    packed.write_bytes(gzip.compress(corpus.annotations.read_bytes()))
    folder = write_npy(corpus.folder / "npy", all_features(dtype=np.float16))
    arguments = corpus.arguments(annotations=packed, features=f"features={folder}", protocol=protocol)
    assert run_prepare(arguments) == 0
    assert record_bytes(corpus.out) == record_bytes(made.out)
    assert len(record_bytes(corpus.out)) == 3


def test_another_tokenizer_parses_nothing(made: Corpus, corpus: Corpus) -> None:
    assert run_prepare(corpus.arguments(tokenizer="bpe", max_words=50)) == 0
    report = read_report(corpus.out)
    assert report["captions_parsed_now"] == 0 < report["captions_from_cache"]
    assert report["tokenizer"]["kind"] == "bpe" == Manifest.load(corpus.out).tokenizer.kind
    assert (corpus.out / "attributes.json").read_bytes() == (made.out / "attributes.json").read_bytes()
    assert record_bytes(corpus.out) != record_bytes(made.out)


def test_the_installed_encoder_reads_captions_unless_another_tokenizer_is_asked_for(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_prepare(corpus.arguments(tokenizer=None)) == 0
    printed, manifest = capsys.readouterr().out, Manifest.load(corpus.out)
    assert "\ntokens 30522 (wordpiece); " in printed
    assert printed.count("--tokenizer=unigram trains one on the captions instead\n") == 1
    asked = corpus.arguments("--tokenizer_file=minilm", "--overwrite", tokenizer="wordpiece")
    assert run_prepare(asked) == 0
    assert Manifest.load(corpus.out).fingerprint == manifest.fingerprint
    assert "--tokenizer=unigram" not in capsys.readouterr().out


@pytest.mark.usefixtures("second_model")
def test_the_manifest_names_the_model_that_was_asked_for(corpus: Corpus) -> None:
    assert run_prepare(corpus.arguments("--parser_model=en_core_web_sm")) == 0
    assert Manifest.load(corpus.out).parser == parser_identity("en_core_web_sm")
    assert read_report(corpus.out)["captions_from_cache"] == 0


def test_graph_cache_lies_beside_the_result_by_default(corpus: Corpus) -> None:
    assert run_prepare(corpus.arguments(graph_cache=None)) == 0
    assert sorted(path.name for path in corpus.out.parent.iterdir()) == ["data", "graph_cache"]
    assert read_report(corpus.out)["captions_from_cache"] == 0


def test_streams_and_regions(corpus: Corpus) -> None:
    motion = write_npy(corpus.folder / "motion", all_features(dim=3))
    objects = all_features(dim=5, regions=2)
    del objects["val2"]
    objects["stranger"] = make_features("train0", dim=5, regions=2)
    streams = (
        f"--features=motion={motion}",
        f"--features=objects={write_hdf5(corpus.folder / 'o.h5', objects)}",
    )
    arguments = corpus.arguments(*streams, "--allow_missing", features=f"appearance={corpus.features}")
    assert run_prepare(arguments) == 0
    manifest, report = Manifest.load(corpus.out), read_report(corpus.out)
    shapes = [(stream.name, stream.kind, stream.dim, stream.regions) for stream in manifest.streams]
    assert shapes == [("appearance", FRAMES, 6, 0), ("motion", FRAMES, 3, 0), ("objects", REGIONS, 5, 2)]
    assert report["videos_without_features"] == ["val2"]
    assert report["features_without_captions"] == ["stranger"]
    record = read_records(corpus.out, "val")["val0"]
    expected = objects["val0"].astype(np.float16)
    np.testing.assert_array_equal(record["regions"]["objects"], expected)
    assert record["frames"]["motion"].shape[1] == 3
    regions = np.concatenate([objects[each].astype(np.float16).reshape(-1, 5) for each in SPLITS["train"]])
    np.testing.assert_allclose(manifest.streams[2].mean, regions.mean(axis=0, dtype=np.float64), rtol=1e-6)


def assert_for_people(corpus: Corpus, output: str, errors: str) -> None:
    distinct = {text for ids in SPLITS.values() for video_id in ids for text in captions_of(video_id)}
    assert [line.split(" in ")[0] for line in errors.splitlines()] == [
        "reading features: 12 videos",
        f"parsing captions: {len(distinct)} captions",
        "writing train: 8 videos",
        "writing val: 3 videos",
        "writing test: 1 videos",
    ]
    first, *lines, last = output.splitlines()
    assert first.startswith("stream features (HDF5 file features.h5): 12 videos read; frames 3 to 8 (median")
    (counted,) = [line for line in lines if line.startswith("msrvtt (full)")]
    assert counted.startswith("msrvtt (full): train 8 videos / 24 captions, val 3 videos / 9 captions")
    assert last.startswith(f"written to {corpus.out} in ")


def test_output_is_for_people(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_prepare(corpus.arguments(graph_cache=corpus.folder / "graphs")) == 0
    captured = capsys.readouterr()
    assert_for_people(corpus, captured.out, captured.err)
    assert run_prepare(corpus.arguments(graph_cache=corpus.folder / "graphs")) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")


@pytest.mark.slow
def test_libraries_add_nothing_to_the_output(corpus: Corpus) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    command = [*COMMAND, *corpus.arguments(graph_cache=corpus.folder / "graphs")]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 0
    assert_for_people(corpus, done.stdout, done.stderr)
    again = run()
    assert again.returncode == 2
    assert again.stderr.startswith("error: ") and len(again.stderr.splitlines()) == 1


def test_moving_shapes_heeds_the_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, count in (("train", 12), ("val", 2), ("test", 3)):
        monkeypatch.setitem(dataset.SPLITS, split, count)
    arguments = ["--dataset=moving_shapes", f"--out={tmp_path / 'shapes'}"]
    assert run_prepare(arguments) == 0
    manifest = Manifest.load(tmp_path / "shapes")
    assert [split.videos for split in manifest.splits.values()] == [12, 2, 3]
    assert manifest.splits["test"].foils > 0 and manifest.splits["train"].foils > 0
    assert run_prepare(arguments) == 2
    assert "give --overwrite" in capsys.readouterr().err
    assert (
        run_prepare([*arguments, "--overwrite", "--tokenizer=word", "--vocabulary_size=30", "--foils=0"]) == 0
    )
    changed = Manifest.load(tmp_path / "shapes")
    assert changed.splits["train"].foils == 0
    assert changed.tokenizer.kind == "word" and changed.tokenizer.size <= 30 < manifest.tokenizer.size
    assert run_prepare([*arguments, "--overwrite", "--protocol=full"]) == 2
    assert "--protocol has no use with --dataset=moving_shapes" in capsys.readouterr().err

    with pytest.raises(InputError, match="give --overwrite"):
        prepare_moving_shapes(tmp_path / "shapes")
    options = dataclasses.replace(Options(), overwrite=True, attribute_minimum_videos=13)
    report = prepare_moving_shapes(tmp_path / "shapes", 0.5, options=options)
    assert report["splits"]["train"]["videos"] == 6
    assert report["attributes"] == {"entity": 0, "action": 0, "relationship": 0}


@pytest.mark.slow
@pytest.mark.parametrize("shard_bytes", [2**27, 100_000])
def test_two_processes_write_what_one_does(
    tmp_path: Path, graph_cache: Path, monkeypatch: pytest.MonkeyPatch, shard_bytes: int
) -> None:
    """They make the records of one shard, or write several shards each."""
    monkeypatch.setattr("data_pipeline.moving_shapes.dataset.SPLITS", {"train": 40, "val": 3, "test": 4})
    for module in ("preparation.runner", "foils.make_foils"):
        monkeypatch.setattr(f"data_pipeline.{module}._WORTH_A_PROCESS", 1)
    monkeypatch.setattr("data_pipeline.preparation.runner._WORTH_WRITING", 1)
    options = dataclasses.replace(dataset.MOVING_SHAPES_OPTIONS, shard_bytes=shard_bytes)
    files = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        prepare_moving_shapes(out, run=LocalRunner(graph_cache, processes), options=options)
        files.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    one, two = files
    report = Path("prepare_report.json")
    assert one.pop(report) and two.pop(report), "it counts what an earlier preparation had parsed"
    assert len([path for path in one if "-train.tfrecord" in path.name]) == (1 if shard_bytes == 2**27 else 4)
    assert one == two
