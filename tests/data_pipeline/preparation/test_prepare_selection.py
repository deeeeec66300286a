"""Which videos and captions are prepared; what is left out or cut off is listed, or refused when strict."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.manifest import REGIONS, Manifest
from tests.support.command_line import run_prepare
from tests.support.corpus import (
    Corpus,
    all_features,
    make_features,
    official_json,
    read_records,
    read_report,
    write_corpus,
    write_hdf5,
)


def test_split_files_replace_the_protocol(corpus: Corpus) -> None:
    (corpus.folder / "a.txt").write_text("val1\ntrain0\ntrain3\n")
    (corpus.folder / "b.txt").write_text("train1\n\nval0\n")
    split_files = ("--split_file", f"train={corpus.folder}/a.txt", f"--split_file=val={corpus.folder}/b.txt")
    assert run_prepare(corpus.arguments(*split_files)) == 0
    manifest, report = Manifest.load(corpus.out), read_report(corpus.out)
    assert manifest.protocol == "custom"
    assert set(read_records(corpus.out, "train")) == {"val1", "train0", "train3"}
    assert set(read_records(corpus.out, "val")) == {"train1", "val0"}
    assert report["warnings"] == ["7 videos on no split list were left out"]


def test_no_validation_split_is_needed(corpus: Corpus) -> None:
    (corpus.folder / "a.txt").write_text("train0\ntrain1\n")
    assert run_prepare(corpus.arguments(f"--split_file=train={corpus.folder}/a.txt")) == 0
    assert list(Manifest.load(corpus.out).splits) == ["train"]


def test_what_is_left_out_is_listed(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    features = all_features()
    features["stranger"] = features.pop("val1")
    del features["train7"]
    write_hdf5(corpus.features, features)
    assert run_prepare(corpus.arguments("--allow_missing")) == 0
    report = read_report(corpus.out)
    assert report["videos_without_features"] == ["train7", "val1"]
    assert report["features_without_captions"] == ["stranger"]
    assert report["splits"]["train"]["videos"] == 7
    printed = capsys.readouterr().out
    assert "videos without features 2, parts without frames 0, features without captions 1" in printed
    assert "\nvideos without features: train7, val1\n" in printed


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
    assert run_prepare(arguments) == (2 if message else 0)
    if message:
        assert message in capsys.readouterr().err
        assert not corpus.out.exists()


def test_strict_heeds_split_lists(corpus: Corpus) -> None:
    (corpus.folder / "a.txt").write_text("train0\ntrain1\n")
    write_hdf5(corpus.features, {each: make_features(each) for each in ("train0", "train1")})
    assert run_prepare(corpus.arguments("--strict", f"--split_file=train={corpus.folder}/a.txt")) == 0
    assert read_report(corpus.out)["warnings"] == ["10 videos on no split list were left out"]


def test_features_are_described_and_ids_that_look_alike_match(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # With a cache of its own, because other tests parse the same texts.
    corpus = write_corpus(tmp_path, tmp_path / "graph_cache")
    features = {f"v_{video_id}.mp4": array for video_id, array in all_features().items()}
    write_hdf5(corpus.features, features)
    assert run_prepare(corpus.arguments("--strict")) == 0
    printed = capsys.readouterr().out
    lengths = sorted(len(array) for array in features.values())
    described, *_ = printed.splitlines()
    assert described.startswith(
        f"stream features (HDF5 file features.h5): 12 videos read; frames {lengths[0]} to {lengths[-1]} (median "
    )
    report = read_report(corpus.out)
    (match,) = [warning for warning in report["warnings"] if "ids of features" in warning]
    assert match.startswith("stream 'features': 12 ids of features match those of the annotations")
    assert match.endswith("such as 'v_test0.mp4' and 'test0'")
    lines = printed.splitlines()
    parsed, without = (
        lines.index(line) for line in lines if line.startswith(("different texts:", "captions w"))
    )
    assert lines.index(f"note: {match}") < parsed == without - 1
    assert lines[parsed].endswith(f" parsed now {report['captions_parsed_now']}, from the cache 0")
    assert lines[without].endswith(f" without action {report['captions_without_action']}")
    assert [printed.count(warning) for warning in report["warnings"]] == [1] * len(report["warnings"])
    assert report["streams"][0]["frames"][::2] == [lengths[0], lengths[-1]]
    assert set(read_records(corpus.out, "val")) == {"val0", "val1", "val2"}


def test_one_frame_of_regions_is_taken_when_it_is_said(corpus: Corpus) -> None:
    objects = {video_id: make_features("train0")[np.newaxis] for video_id in all_features()}
    second = write_hdf5(corpus.folder / "objects.h5", objects)
    assert run_prepare(corpus.arguments(f"--features={second}")) == 2
    assert run_prepare(corpus.arguments(f"--features={second}", "--regions=objects")) == 0
    _, stream = Manifest.load(corpus.out).streams
    assert (stream.kind, stream.regions) == (REGIONS, len(make_features("train0")))


LONG = " ".join(f"word{i}" for i in range(500))


def test_blank_caption_is_left_out_and_listed(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.annotations.write_text(official_json({"train0": ["a man kicks a ball", " \t"], "val0": ["a dog"]}))
    assert run_prepare(corpus.arguments()) == 0
    assert read_report(corpus.out)["blank_captions"] == ["1"]
    assert "blank captions 1," in capsys.readouterr().out
    texts = read_records(corpus.out, "train")["train0"]["captions"]["texts"]
    assert texts.tolist() == [b"a man kicks a ball"]


def test_video_with_blank_captions_only(corpus: Corpus) -> None:
    corpus.annotations.write_text(official_json({"val0": ["", "  "]}))
    assert run_prepare(corpus.arguments("--allow_missing")) == 0
    report = read_report(corpus.out)
    assert len(report["blank_captions"]) == 2 and report["features_without_captions"] == ["val0"]
    assert report["splits"]["val"]["videos"] == 2


def test_long_caption_is_cut_and_listed(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.annotations.write_text(official_json({"train0": ["a man kicks a ball", LONG]}))
    assert run_prepare(corpus.arguments()) == 0
    assert "\ntruncated captions: 1; --max_words=N keeps N words\n" in capsys.readouterr().out
    assert read_report(corpus.out)["truncated_captions"] == ["1"]
    texts = read_records(corpus.out, "train")["train0"]["captions"]["texts"]
    assert texts.tolist() == [b"a man kicks a ball", " ".join(LONG.split()[:60]).encode()]


@pytest.mark.parametrize("max_words", [1, 500])
def test_max_words(corpus: Corpus, max_words: int) -> None:
    corpus.annotations.write_text(official_json({"train0": [LONG]}))
    assert run_prepare(corpus.arguments(max_words=max_words)) == 0
    (text,) = read_records(corpus.out, "train")["train0"]["captions"]["texts"]
    assert len(text.split()) == max_words
    assert len(read_report(corpus.out)["truncated_captions"]) == (36 - 3 + 1 if max_words == 1 else 0)


def test_strict_refuses_blank_and_long_captions(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {"video_id": "train0", "caption": text, "split": "train"} for text in ("a man kicks a ball", "", LONG)
    ]
    path = corpus.folder / "captions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    write_hdf5(corpus.features, {"train0": make_features("train0")})
    assert run_prepare(corpus.arguments("--strict", dataset="jsonl", annotations=path)) == 2
    said = capsys.readouterr().err
    assert "1 blank captions: train0#1" in said and "1 truncated captions: train0#2; --max_words=N" in said
    assert not corpus.out.exists()


def test_caption_without_noun_and_verb_is_kept(corpus: Corpus) -> None:
    texts = ["very slowly and quite beautifully", "?!", "a man kicks a ball"]
    corpus.annotations.write_text(official_json({"train0": texts}))
    assert run_prepare(corpus.arguments()) == 0
    captions = read_records(corpus.out, "train")["train0"]["captions"]
    assert [text.decode() for text in captions["texts"]] == texts
    assert (captions["token_counts"] > 0).all()
    assert captions["node_counts"].tolist()[:2] == [0, 0] and captions["node_counts"][2] == 3
    assert read_report(corpus.out)["captions_without_any_node"] == 2
