import dataclasses
import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.captions.tokenizers.loading import load_tokenizer
from data_pipeline.captions.tokenizers.protocol import PAD_ID
from data_pipeline.captions.tokenizers.sentencepiece_model import UNKNOWN_ID
from data_pipeline.features.statistics import RELATIVE_FLOOR
from data_pipeline.manifest import FRAMES, REGIONS, Manifest, SplitSummary
from data_pipeline.moving_shapes import dataset
from data_pipeline.moving_shapes.source import prepare_moving_shapes
from data_pipeline.preparation import Options
from mcsan_jax.errors import InputError
from mcsan_jax.levels import NODE_LEVELS
from tests.support import ROOT
from tests.support.corpus import (
    COMMAND,
    DIM,
    SPLITS,
    Corpus,
    all_features,
    captions_of,
    make_features,
    official_json,
    read_records,
    read_report,
    record_bytes,
    run_command,
    write_corpus,
    write_hdf5,
    write_npy,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, graph_cache: Path) -> Corpus:
    corpus = write_corpus(tmp_path_factory.mktemp("made"), graph_cache)
    assert run_command(corpus.arguments("--protocol=full")) == 0
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
    (lines,) = (path.read_text().splitlines()[1:] for path in graph_cache.iterdir())
    texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) == len(set(texts)) and distinct <= set(texts)


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

    tokenizer = load_tokenizer(made.out / "tokenizer.model")
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
    assert run_command(arguments) == 0
    assert record_bytes(corpus.out) == record_bytes(made.out)
    assert len(record_bytes(corpus.out)) == 3


def test_another_tokenizer_parses_nothing(made: Corpus, corpus: Corpus) -> None:
    assert run_command(corpus.arguments(tokenizer="bpe", max_words=50)) == 0
    report = read_report(corpus.out)
    assert report["captions_parsed_now"] == 0 < report["captions_from_cache"]
    assert report["tokenizer"]["kind"] == "bpe" == Manifest.load(corpus.out).tokenizer.kind
    assert (corpus.out / "attributes.json").read_bytes() == (made.out / "attributes.json").read_bytes()
    assert record_bytes(corpus.out) != record_bytes(made.out)


def test_graph_cache_lies_beside_the_result_by_default(corpus: Corpus) -> None:
    assert run_command(corpus.arguments(graph_cache=None)) == 0
    assert sorted(path.name for path in corpus.out.parent.iterdir()) == ["data", "graph_cache"]
    assert read_report(corpus.out)["captions_from_cache"] == 0


def test_split_files_replace_the_protocol(corpus: Corpus) -> None:
    (corpus.folder / "a.txt").write_text("val1\ntrain0\ntrain3\n")
    (corpus.folder / "b.txt").write_text("train1\n\nval0\n")
    split_files = ("--split_file", f"train={corpus.folder}/a.txt", f"--split_file=val={corpus.folder}/b.txt")
    assert run_command(corpus.arguments(*split_files)) == 0
    manifest, report = Manifest.load(corpus.out), read_report(corpus.out)
    assert manifest.protocol == "custom"
    assert set(read_records(corpus.out, "train")) == {"val1", "train0", "train3"}
    assert set(read_records(corpus.out, "val")) == {"train1", "val0"}
    assert report["warnings"] == ["7 videos on no split list were left out"]


def test_no_validation_split_is_needed(corpus: Corpus) -> None:
    (corpus.folder / "a.txt").write_text("train0\ntrain1\n")
    assert run_command(corpus.arguments(f"--split_file=train={corpus.folder}/a.txt")) == 0
    assert list(Manifest.load(corpus.out).splits) == ["train"]


def test_what_is_left_out_is_listed(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    features = all_features()
    features["stranger"] = features.pop("val1")
    del features["train7"]
    write_hdf5(corpus.features, features)
    assert run_command(corpus.arguments()) == 0
    report = read_report(corpus.out)
    assert report["videos_without_features"] == ["train7", "val1"]
    assert report["features_without_captions"] == ["stranger"]
    assert report["splits"]["train"]["videos"] == 7
    assert "videos without features 2, features without captions 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("removed", "added", "message"),
    [
        ("val1", "val1", None),
        ("val1", None, "1 videos without features: val1"),
        (None, "stranger", "1 features without captions: stranger"),
    ],
)
def test_strict_refuses_omissions(
    corpus: Corpus,
    capsys: pytest.CaptureFixture[str],
    removed: str | None,
    added: str | None,
    message: str | None,
) -> None:
    features = all_features()
    features.pop(removed or "", None)
    if added:
        features[added] = make_features("train0")
    write_hdf5(corpus.features, features)
    arguments = corpus.arguments("--strict")
    assert run_command(arguments) == (2 if message else 0)
    if message:
        assert message in capsys.readouterr().err
        assert not corpus.out.exists()


def test_streams_and_regions(corpus: Corpus) -> None:
    motion = write_npy(corpus.folder / "motion", all_features(dim=3))
    objects = all_features(dim=5, regions=2)
    del objects["val2"]
    objects["stranger"] = make_features("train0", dim=5, regions=2)
    streams = (
        f"--features=motion={motion}",
        f"--features=objects={write_hdf5(corpus.folder / 'o.h5', objects)}",
    )
    arguments = corpus.arguments(*streams, features=f"appearance={corpus.features}")
    assert run_command(arguments) == 0
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


def test_an_error_leaves_nothing_behind(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    features = all_features()
    features["test0"][-1, 2] = np.nan
    write_hdf5(corpus.features, features)
    assert run_command(corpus.arguments()) == 2
    assert "video 'test0': 1 values are NaN" in capsys.readouterr().err
    assert list(corpus.out.parent.iterdir()) == []


def test_result_is_replaced_only_on_demand(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(corpus.arguments()) == 0
    before = record_bytes(corpus.out)
    assert run_command(corpus.arguments(tokenizer="bpe")) == 2
    assert "give --overwrite to replace it" in capsys.readouterr().err
    assert record_bytes(corpus.out) == before

    features = all_features()
    features["test0"][0, 0] = np.inf
    broken = write_hdf5(corpus.folder / "broken.h5", features)
    assert run_command(corpus.arguments("--overwrite", features=broken)) == 2
    assert record_bytes(corpus.out) == before

    (corpus.out / "leftover").touch()
    assert run_command(corpus.arguments("--overwrite", tokenizer="bpe")) == 0
    assert record_bytes(corpus.out) != before
    assert not (corpus.out / "leftover").exists()
    assert [path.name for path in corpus.out.parent.iterdir()] == ["data"]


def test_only_prepared_data_is_ever_replaced(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.out.mkdir(parents=True)
    (corpus.out / "thesis.tex").touch()
    assert run_command(corpus.arguments("--overwrite")) == 2
    assert "is not a prepared data set" in capsys.readouterr().err
    assert (corpus.out / "thesis.tex").exists()
    (corpus.out / "thesis.tex").unlink()
    assert run_command(corpus.arguments()) == 0


def _wait_for_file_in(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not list(folder.glob("*")):
        assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.002)


def _open_when_read(fifo: Path, process: subprocess.Popen[bytes]) -> int:
    """Descriptor of a named pipe, as soon as the process reads from it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
            time.sleep(0.01)


def test_killed_runs_leave_no_trace_in_the_result(corpus: Corpus) -> None:
    extra = {
        f"more{i}": [f"{number} people dance with {i} dogs" for number in range(3, 8)] for i in range(120)
    }
    corpus.annotations.write_text(official_json(extra))
    features = all_features() | {video_id: make_features(video_id) for video_id in extra}
    folder = write_npy(corpus.folder / "npy", features)
    undisturbed = corpus.arguments(
        features=folder, out=corpus.folder / "undisturbed", graph_cache=corpus.folder / "a"
    )
    disturbed = corpus.arguments(features=folder, graph_cache=corpus.folder / "b")
    assert run_command(undisturbed) == 0

    with subprocess.Popen([*COMMAND, *disturbed], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        _wait_for_file_in(corpus.folder / "b", process)
        process.send_signal(signal.SIGKILL)
    assert not corpus.out.exists()

    # Reading this video's features waits until something is written into the pipe.
    pipe = folder / "more119.npy"
    pipe.rename(corpus.folder / "kept.npy")
    os.mkfifo(pipe)
    with subprocess.Popen([*COMMAND, *disturbed], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        descriptor = _open_when_read(pipe, process)
        process.send_signal(signal.SIGKILL)
    os.close(descriptor)
    assert not corpus.out.exists()
    assert (corpus.out.parent / ".data.unfinished" / "tokenizer.model").exists()

    pipe.unlink()
    (corpus.folder / "kept.npy").rename(pipe)
    assert run_command(disturbed) == 0
    assert record_bytes(corpus.out) == record_bytes(corpus.folder / "undisturbed")
    assert [path.name for path in corpus.out.parent.iterdir()] == ["data"]


def test_terminal_output_is_for_people(corpus: Corpus) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    arguments = corpus.arguments(graph_cache=corpus.folder / "graphs")
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    distinct = {text for ids in SPLITS.values() for video_id in ids for text in captions_of(video_id)}
    assert [line.split(" in ")[0] for line in done.stderr.splitlines()] == [
        f"parsing captions: {len(distinct)} captions",
        "writing train: 8 videos",
        "writing val: 3 videos",
        "writing test: 1 videos",
    ]
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("msrvtt (full): train 8 videos / 24 captions, val 3 videos / 9 captions")
    assert last.startswith(f"written to {corpus.out} in ")

    again = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 2
    assert again.stderr.startswith("error: ") and len(again.stderr.splitlines()) == 1


def test_moving_shapes_heeds_the_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, count in (("train", 12), ("val", 2), ("test", 3)):
        monkeypatch.setitem(dataset.SPLITS, split, count)
    arguments = ["--dataset=moving_shapes", f"--out={tmp_path / 'shapes'}"]
    assert run_command(arguments) == 0
    manifest = Manifest.load(tmp_path / "shapes")
    assert [split.videos for split in manifest.splits.values()] == [12, 2, 3]
    assert manifest.splits["test"].foils > 0 == manifest.splits["train"].foils
    assert run_command(arguments) == 2
    assert "give --overwrite" in capsys.readouterr().err
    assert run_command([*arguments, "--overwrite", "--tokenizer=word", "--vocabulary_size=30"]) == 0
    changed = Manifest.load(tmp_path / "shapes")
    assert changed.tokenizer.kind == "word" and changed.tokenizer.size <= 30 < manifest.tokenizer.size
    assert run_command([*arguments, "--overwrite", "--protocol=full"]) == 2
    assert "--protocol has no use with --dataset=moving_shapes" in capsys.readouterr().err

    with pytest.raises(InputError, match="give --overwrite"):
        prepare_moving_shapes(tmp_path / "shapes")
    options = dataclasses.replace(Options(), overwrite=True, attribute_minimum_videos=13)
    report = prepare_moving_shapes(tmp_path / "shapes", 0.5, options=options)
    assert report["splits"]["train"]["videos"] == 6
    assert report["attributes"] == {"entity": 0, "action": 0, "relationship": 0}


def test_strict_heeds_split_lists(corpus: Corpus) -> None:
    (corpus.folder / "a.txt").write_text("train0\ntrain1\n")
    write_hdf5(corpus.features, {each: make_features(each) for each in ("train0", "train1")})
    assert run_command(corpus.arguments("--strict", f"--split_file=train={corpus.folder}/a.txt")) == 0
    assert read_report(corpus.out)["warnings"] == ["10 videos on no split list were left out"]
