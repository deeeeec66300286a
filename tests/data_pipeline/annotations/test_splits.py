import dataclasses

import pytest

from data_pipeline.annotations.caption import Caption, make_annotations
from data_pipeline.annotations.sources import apply_split_files, count_warnings, split_mismatches
from data_pipeline.errors import InputError

ANNOTATIONS = make_annotations(
    [Caption(video, f"{video}#{n}", f"caption {n}", "train") for video in "abcd" for n in range(2)],
    name="msvd",
    protocol="official",
    licence="",
    citation="",
)


def write(path, text):
    path.write_text(text)
    return path


def test_lists_replace_the_splits_and_leave_the_rest_out(tmp_path):
    files = {
        "val": write(tmp_path / "val.txt", "\nc\n\n"),
        "train": write(tmp_path / "train.txt", "b\r\na\nb\n"),
    }
    split = apply_split_files(ANNOTATIONS, files)
    assert [(caption.caption_id, caption.split) for caption in split.captions] == [
        ("a#0", "train"),
        ("a#1", "train"),
        ("b#0", "train"),
        ("b#1", "train"),
        ("c#0", "val"),
        ("c#1", "val"),
    ]
    assert split.protocol == "custom"
    assert split.notes == ("1 videos on no split list were left out",)


def test_counts_are_compared_for_published_protocols_only(tmp_path):
    assert len(count_warnings(ANNOTATIONS)) == 3
    split = apply_split_files(ANNOTATIONS, {"test": write(tmp_path / "test.txt", "a\n")})
    assert count_warnings(split) == []


def test_ids_are_compared_even_where_the_counts_agree(tmp_path):
    official = {"train": ["a", "b", "c", "e"], "test": ["f"]}
    annotations = dataclasses.replace(ANNOTATIONS, protocol="other", official_ids=official)
    assert split_mismatches(annotations) == {
        "train": {"missing": ["e"], "unexpected": ["d"]},
        "test": {"missing": ["f"], "unexpected": []},
    }
    assert count_warnings(annotations) == [
        "msvd, protocol other: 4 train videos, the published protocol has 4 (missing: e; unexpected: d); "
        "results are not comparable with published ones",
        "msvd, protocol other: 0 test videos, the published protocol has 1 (missing: f); "
        "results are not comparable with published ones",
    ]
    split = apply_split_files(annotations, {"test": write(tmp_path / "test.txt", "a\n")})
    assert split_mismatches(split) == {} and count_warnings(split) == []


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        ("a\nx\ny\n", "b\n", r"train\.txt, line 2.*x, y"),
        ("\n".join(f"x{n}" for n in range(9)), "b\n", r"line 1.*x4, … \(9 in all\)"),
        ("a\nb\n", "c\nb\n", r"val\.txt, line 2: already in .*train\.txt: b"),
        ("a\n", " \n", r"val\.txt: no video ids"),
    ],
)
def test_malformed_lists_are_named(tmp_path, train, val, message):
    files = {"train": write(tmp_path / "train.txt", train), "val": write(tmp_path / "val.txt", val)}
    with pytest.raises(InputError, match=message):
        apply_split_files(ANNOTATIONS, files)


def test_unknown_split_missing_file_and_no_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no split 'dev'"):
        apply_split_files(ANNOTATIONS, {"dev": write(tmp_path / "dev.txt", "a\n")})
    with pytest.raises(InputError, match=r"nowhere\.txt: no such file"):
        apply_split_files(ANNOTATIONS, {"train": tmp_path / "nowhere.txt"})
    with pytest.raises(InputError, match="no split files given"):
        apply_split_files(ANNOTATIONS, {})
