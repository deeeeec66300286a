"""Input that cannot be used ends with one message on standard error and status 2; odd captions are reported."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.corpus import (
    Corpus,
    all_features,
    make_features,
    official_json,
    read_records,
    read_report,
    run_command,
    write_hdf5,
)
from tests.support.small_sources import write_source

LONG = " ".join(f"word{i}" for i in range(500))


def _message(corpus: Corpus, capsys: pytest.CaptureFixture[str], *more: str, **replaced: object) -> str:
    """What a refused command says; nothing may be left of the result."""
    assert run_command(corpus.arguments(*more, **replaced)) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    (message,) = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert not corpus.out.exists() and not list(corpus.folder.rglob("*.unfinished"))
    return message


def _with_nan(array: np.ndarray) -> np.ndarray:
    array[1, 4] = np.nan
    return array


def _with_infinity(array: np.ndarray) -> np.ndarray:
    array[2, 0] = -np.inf
    return array


@pytest.mark.parametrize("video_id", ["train0", "train5", "val1"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with_nan, "1 values are NaN or infinite, the first in frame 1"),
        (_with_infinity, "1 values are NaN or infinite, the first in frame 2"),
        (lambda array: array[:0], "no frames (shape [0, 6])"),
        (lambda array: array[0], "expected [frames, dim] or [frames, regions, dim], found shape [6]"),
        (lambda array: array * 1e6, "values are larger than 65504, the limit of float16"),
        (lambda array: array.astype(np.int32), "expected floating-point features, found dtype int32"),
    ],
)
def test_broken_features(
    corpus: Corpus,
    capsys: pytest.CaptureFixture[str],
    video_id: str,
    change: Callable[[np.ndarray], np.ndarray],
    message: str,
) -> None:
    features = all_features()
    features[video_id] = change(features[video_id])
    write_hdf5(corpus.features, features)
    said = _message(corpus, capsys)
    assert f"HDF5 file features.h5, video '{video_id}'" in said and message in said


def test_another_dimension(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    write_hdf5(corpus.features, all_features() | {"val2": make_features("val2", dim=7)})
    said = _message(corpus, capsys)
    assert "video 'val2': a frame has dimension 7, but 6 in video 'train0'" in said


def test_no_video_has_features(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    write_hdf5(corpus.features, {"clip9": make_features("train0"), "clip8": make_features("train0")})
    said = _message(corpus, capsys)
    assert "none of the 12 annotated videos has features" in said
    assert "'train0'" in said and "'clip8'" in said


def test_no_training_video_has_features(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    write_hdf5(corpus.features, {"val0": make_features("val0")})
    assert "no training video has features" in _message(corpus, capsys)


def test_unknown_protocol(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    said = _message(corpus, capsys, protocol="1k-C")
    assert said == "error: msrvtt: no protocol '1k-C'; expected one of full, 1k-A, 1k-A-7k, 1k-B"


@pytest.mark.parametrize("flag", ["annotations", "features"])
def test_missing_files(corpus: Corpus, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    missing = corpus.folder / "nowhere"
    assert f"{missing}: no such file" in _message(corpus, capsys, **{flag: missing})
    assert "needs --annotations=PATH and --features=PATH" in _message(corpus, capsys, **{flag: None})


def test_folder_without_annotations(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus.folder / "empty").mkdir()
    said = _message(corpus, capsys, annotations=corpus.folder / "empty")
    assert "no file named *videodatainfo.json (or .gz) in this folder" in said


def test_result_cannot_be_made(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    said = _message(corpus, capsys, out=corpus.annotations / "data")
    assert f"{corpus.annotations}: no folder can be made in it" in said


def test_result_is_a_file(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    said = _message(corpus, capsys, "--overwrite", out=corpus.annotations)
    assert "exists already and is not a prepared data set" in said
    assert corpus.annotations.is_file()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["train.txt"], "--split_file=train.txt: expected SPLIT=FILE"),
        (["train={}", "train={}"], "expected SPLIT=FILE, each split once"),
        (["dev={}"], "no split 'dev'; expected one of train, val, test"),
        (["train={}/nowhere"], "cannot be read"),
        (["train={}", "val={}"], "a video belongs to one split"),
        (["val={}"], "no training video has features"),
    ],
)
def test_split_files(
    corpus: Corpus, capsys: pytest.CaptureFixture[str], values: list[str], message: str
) -> None:
    path = corpus.folder / "list.txt"
    path.write_text("train0\ntrain1\n")
    assert message in _message(corpus, capsys, *(f"--split_file={value.format(path)}" for value in values))


def test_split_file_names_an_unknown_video(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.folder / "list.txt"
    path.write_text("train0\n\nvideo77\n")
    said = _message(corpus, capsys, f"--split_file=train={path}")
    assert f"{path}, line 3: no msrvtt annotation for video77" in said


def test_blank_caption_is_left_out_and_listed(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.annotations.write_text(official_json({"train0": ["a man kicks a ball", " \t"], "val0": ["a dog"]}))
    assert run_command(corpus.arguments()) == 0
    assert read_report(corpus.out)["blank_captions"] == ["1"]
    assert "blank captions 1," in capsys.readouterr().out
    texts = read_records(corpus.out, "train")["train0"]["captions"]["texts"]
    assert texts.tolist() == [b"a man kicks a ball"]


def test_video_with_blank_captions_only(corpus: Corpus) -> None:
    corpus.annotations.write_text(official_json({"val0": ["", "  "]}))
    assert run_command(corpus.arguments()) == 0
    report = read_report(corpus.out)
    assert len(report["blank_captions"]) == 2 and report["features_without_captions"] == ["val0"]
    assert report["splits"]["val"]["videos"] == 2


def test_long_caption_is_cut_and_listed(corpus: Corpus) -> None:
    corpus.annotations.write_text(official_json({"train0": ["a man kicks a ball", LONG]}))
    assert run_command(corpus.arguments()) == 0
    assert read_report(corpus.out)["truncated_captions"] == ["1"]
    texts = read_records(corpus.out, "train")["train0"]["captions"]["texts"]
    assert texts.tolist() == [b"a man kicks a ball", " ".join(LONG.split()[:60]).encode()]


@pytest.mark.parametrize("max_words", [1, 500])
def test_max_words(corpus: Corpus, max_words: int) -> None:
    corpus.annotations.write_text(official_json({"train0": [LONG]}))
    assert run_command(corpus.arguments(max_words=max_words)) == 0
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
    assert run_command(corpus.arguments("--strict", dataset="jsonl", annotations=path)) == 2
    said = capsys.readouterr().err
    assert "1 blank captions: train0#1" in said and "1 truncated captions: train0#2" in said
    assert not corpus.out.exists()


def test_caption_without_noun_and_verb_is_kept(corpus: Corpus) -> None:
    texts = ["very slowly and quite beautifully", "?!", "a man kicks a ball"]
    corpus.annotations.write_text(official_json({"train0": texts}))
    assert run_command(corpus.arguments()) == 0
    captions = read_records(corpus.out, "train")["train0"]["captions"]
    assert [text.decode() for text in captions["texts"]] == texts
    assert (captions["token_counts"] > 0).all()
    assert captions["node_counts"].tolist()[:2] == [0, 0] and captions["node_counts"][2] == 3
    assert read_report(corpus.out)["captions_without_any_node"] == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a/x.h5", "b/x.h5"], "a second stream named 'x'"),
        (["a=a.h5", "a=b.h5"], "a second stream named 'a'"),
        (["=a.h5"], "a name or a path is empty"),
        (["a="], "a name or a path is empty"),
    ],
)
def test_stream_names(
    corpus: Corpus, capsys: pytest.CaptureFixture[str], values: list[str], message: str
) -> None:
    said = _message(corpus, capsys, *(f"--features={value}" for value in values), features=None)
    assert message in said and f"--features={values[-1]}" in said


def test_regions_alone_are_not_enough(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    write_hdf5(corpus.features, all_features(regions=2))
    assert "expected at least one 'frames'" in _message(corpus, capsys)


def test_damaged_cache(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    def cache() -> Path:
        (path,) = (corpus.folder / "graphs").iterdir()
        return path

    assert run_command(corpus.arguments(graph_cache=corpus.folder / "graphs", out=corpus.folder / "one")) == 0
    lines = cache().read_bytes().splitlines(keepends=True)
    cache().write_bytes(b"".join([lines[0], b"not JSON\n", *lines[2:]]))
    said = _message(corpus, capsys, graph_cache=corpus.folder / "graphs")
    assert f"{cache()}, line 2" in said and "Delete the file" in said


def _spoil_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return spoil


def _spoil_bytes(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name.removesuffix(".gz")).unlink(missing_ok=True)
        (folder / name).write_bytes(content)

    return spoil


def _as_objects(folder: Path) -> None:
    np.save(folder / "public_split" / "val_names.npy", np.array(["video1"], object), allow_pickle=True)


_MSRVTT, _VATEX = "train_val_videodatainfo.json", "vatex_training_v1.0.json"
_HGR = "annotation/RET/ref_captions.json"


@pytest.mark.parametrize(
    ("source", "spoil", "message"),
    [
        (
            "msrvtt",
            _spoil_json(_MSRVTT, lambda each: each.pop("sentences")),
            f"{_MSRVTT}.*'sentences' is missing",
        ),
        (
            "msrvtt",
            _spoil_json(_MSRVTT, lambda each: each["videos"].append(each["videos"][0])),
            "occurs twice",
        ),
        ("msrvtt", _spoil_json(_MSRVTT, lambda each: each["videos"][0].update(url=3)), "'url' must be str"),
        ("msrvtt", _spoil_bytes(f"{_MSRVTT}.gz", b"no archive"), "broken gzip archive"),
        (
            "vatex",
            _spoil_json(_VATEX, lambda each: each[0].update(enCap="a man")),
            f"{_VATEX}.*'enCap' must be list",
        ),
        ("vatex", _spoil_bytes("val_list.txt", b"b_000001_000011\n"), "also in split 'train'"),
        ("msvd", _spoil_bytes("val.txt", b"y_1_2 a caf\xe9\n"), "val.txt: expected UTF-8 text"),
        ("msvd", _spoil_bytes("val.txt", b"x_1_2 a man\n"), "video 'x_1_2' is in split"),
        (
            "hgr",
            _spoil_json(_HGR, lambda each: each.update(video0="a man sings")),
            "ref_captions.json.*video0",
        ),
        ("hgr", _as_objects, r"val_names.npy.*np\.save"),
        (
            "csv",
            _spoil_bytes("own.csv", b"video,caption,split\nx,a dog,train\n"),
            "own.csv: expected a header",
        ),
        (
            "csv",
            _spoil_bytes("own.csv", b"video_id,caption,split,start,end\nx,a dog,train,2,1\n"),
            "own.csv, line 2",
        ),
        (
            "jsonl",
            _spoil_bytes("own.jsonl", b'{"video_id": "x", "caption": ["a dog"], "split": "train"}'),
            "'caption'",
        ),
    ],
)
def test_every_malformed_source_ends_with_its_file_and_leaves_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    (tmp_path / "raw").mkdir()
    folder = write_source(tmp_path / "raw", source)
    spoil(folder)
    features = write_hdf5(
        tmp_path / "features.h5", {each: make_features(each) for each in ("x", "y", "video0")}
    )
    arguments = [f"--dataset={source}", f"--annotations={folder}", f"--features={features}"]
    assert run_command([*arguments, f"--out={tmp_path / 'made' / 'data'}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and re.search(message, said), said
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("flag", ["--tokenizer=wordpiece", "--tokenizer_file=tokenizer.json"])
def test_a_given_tokenizer_needs_its_kind_and_its_file(
    corpus: Corpus, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    unused = corpus.folder / "unused"
    said = _message(corpus, capsys, flag, graph_cache=unused)
    assert "expected a file for 'wordpiece'" in said
    # It is said before captions are parsed.
    assert not unused.exists()
