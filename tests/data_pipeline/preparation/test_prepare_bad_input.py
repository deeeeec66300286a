"""Input that cannot be used ends with one message on standard error and status 2, and leaves nothing behind."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import run_prepare
from tests.support.corpus import (
    Corpus,
    all_features,
    make_features,
    official_json,
    write_hdf5,
)


def _message(corpus: Corpus, capsys: pytest.CaptureFixture[str], *more: str, **replaced: object) -> str:
    """What a refused command says; nothing may be left of the result."""
    assert run_prepare(corpus.arguments(*more, **replaced)) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    (message,) = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert not corpus.out.exists() and not list(corpus.folder.rglob("*.unfinished"))
    return message


@pytest.mark.parametrize(
    ("video_id", "change", "message"),
    [
        ("train0", lambda array: array[:0], "no frames (shape [0, 6])"),
        ("train5", lambda array: array * np.nan, " values are NaN or infinite, the first in frame 0"),
        ("val1", lambda array: array.astype(np.int32), "expected floating-point features, found dtype int32"),
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
    assert "videos like 'test0'" in said and "like 'clip8'; nearest: none are similar" in said


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
    assert (
        f"{corpus.annotations}: nothing can be written there (Not a directory); choose another --out" in said
    )


def test_result_is_a_file(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    said = _message(corpus, capsys, "--overwrite", out=corpus.annotations)
    assert "exists already and is not a prepared data set" in said
    assert corpus.annotations.is_file()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["train.txt"], "--split_file=train.txt: expected SPLIT=FILE"),
        (["train={}", "train={}"], "expected SPLIT=FILE, each split once"),
        (["dev={}"], "no split 'dev'; expected one of train, val, test; did you mean 'val'?"),
        (["Train={}"], "no split 'Train'; expected one of train, val, test; did you mean 'train'?"),
        (["tset={}"], "no split 'tset'; expected one of train, val, test; did you mean 'test'?"),
        (["other={}"], "no split 'other'; expected one of train, val, test"),
        (["train={}/nowhere"], "cannot be read"),
        (["train={}", "val={}"], "a video belongs to one split"),
        (["val={}"], "no video is in the split train, found val"),
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


def test_features_are_judged_before_a_caption_is_parsed(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    batched = {video_id: array[np.newaxis] for video_id, array in all_features().items()}
    write_hdf5(corpus.features, batched)
    tiny = {video_id: array * 1e-8 for video_id, array in all_features().items()}
    second = write_hdf5(corpus.folder / "second.h5", tiny)
    unused = corpus.folder / "unused"
    assert run_prepare(corpus.arguments(f"--features={second}", graph_cache=unused)) == 2
    said = capsys.readouterr().err
    assert "features.h5: all 12 videos have a first axis of length 1" in said
    assert "second.h5: 6 of 6 dimensions hold only values below 6.1e-05" in said
    assert not unused.exists() and not corpus.out.exists()


def test_regions_of_an_unknown_stream(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    said = _message(corpus, capsys, regions="feature")
    assert said == "error: --regions=feature: no stream of that name; expected one of features"


def test_damaged_cache(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    def cache() -> Path:
        (path,) = (corpus.folder / "graphs").iterdir()
        return path

    assert run_prepare(corpus.arguments(graph_cache=corpus.folder / "graphs", out=corpus.folder / "one")) == 0
    cache().write_bytes(b"graphs, but in no database\n" * 100)
    said = _message(corpus, capsys, graph_cache=corpus.folder / "graphs")
    assert f"{cache()}: expected an SQLite database" in said and "Delete the file" in said


def test_malformed_annotations(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.annotations.write_text(official_json().replace('"sentences"', '"sentence"'))
    said = _message(corpus, capsys)
    assert str(corpus.annotations) in said and "'sentences' is missing" in said


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tokenizer=bpe", "--tokenizer_file=x.json"], "expected a file for 'wordpiece'"),
        (["--tokenizer=auto", "--tokenizer_file=x.json"], "x.json: the tokenizer cannot be read"),
        (
            ["--tokenizer=auto", "--tokenizer_file=x.json", "--vocabulary_size=99"],
            "--vocabulary_size=99 has no use",
        ),
        (["--tokenizer=wordpiece", "--word_vectors=glove.txt"], "--word_vectors=glove.txt has no use"),
    ],
)
def test_flags_of_the_tokenizer_go_together(
    corpus: Corpus, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    unused = corpus.folder / "unused"
    assert message in _message(corpus, capsys, *flags, graph_cache=unused)
    # It is said before captions are parsed.
    assert not unused.exists()


def test_a_training_split_without_a_usable_part_says_where(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"video_id": "long", "caption": "a dog", "split": "train", "start": n + 2, "end": n} for n in range(9)
    ]
    rows.append({"video_id": "val0", "caption": "a dog", "split": "val"})
    path = corpus.folder / "captions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_hdf5(corpus.features, {name: make_features("val0") for name in ("long", "val0")})
    assert run_prepare(corpus.arguments(dataset="jsonl", annotations=path)) == 2
    _, reason = capsys.readouterr().err.splitlines()
    assert reason.startswith(
        f"  {path}, lines 1, 2, 3 and 6 more: expected 0 <= 'start' < 'end' in seconds, found 2 "
    )
