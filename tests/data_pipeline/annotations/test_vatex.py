import json

import pytest

from data_pipeline.annotations import vatex
from data_pipeline.annotations.caption import Caption
from data_pipeline.annotations.sources import count_warnings, split_mismatches
from data_pipeline.errors import InputError

RECORDS = [
    {"videoID": "b_000001_000011", "enCap": ["A dog.", "A cat runs."], "chCap": ["狗"]},
    {"videoID": "a_000001_000011", "enCap": ["A man."], "chCap": []},
    {"videoID": "c_000001_000011", "enCap": ["A boy."], "chCap": []},
    {"videoID": "d_000001_000011", "enCap": ["Left out."], "chCap": []},
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vatex_training_v1.0.json").write_text(json.dumps(RECORDS))
    for split, name in (("train", "b"), ("val", "a"), ("test", "c")):
        (tmp_path / f"{split}_list.txt").write_text(f"{name}_000001_000011\n")
    return tmp_path


def test_english_captions_follow_the_lists(folder):
    annotations = vatex.read([folder], "hgr")
    assert annotations.captions == (
        Caption("b_000001_000011", "b_000001_000011#0", "A dog.", "train"),
        Caption("b_000001_000011", "b_000001_000011#1", "A cat runs.", "train"),
        Caption("a_000001_000011", "a_000001_000011#0", "A man.", "val"),
        Caption("c_000001_000011", "c_000001_000011#0", "A boy.", "test"),
    )
    assert annotations.notes == ("1 videos are in no split list and were left out: d_000001_000011",)


def test_chinese_captions_are_optional(folder):
    annotations = vatex.read([folder], "hgr-bilingual")
    assert annotations.captions[:3] == (
        Caption("b_000001_000011", "b_000001_000011#0", "A dog.", "train"),
        Caption("b_000001_000011", "b_000001_000011#1", "A cat runs.", "train"),
        Caption("b_000001_000011", "b_000001_000011#zh0", "狗", "train", language="zh"),
    )
    assert len(annotations.captions) == 5


def test_listed_videos_without_captions_are_named(folder):
    with (folder / "test_list.txt").open("a") as file:
        file.write("e_000001_000011\n")
    annotations = vatex.read([folder], "hgr")
    assert split_mismatches(annotations)["test"] == {"missing": ["e_000001_000011"], "unexpected": []}
    train, _, test = count_warnings(annotations)
    assert "missing: e_000001_000011" in test
    assert "the list of ids itself is of another length" in train


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"videos": []}, "expected a list of videos, found dict"),
        (
            [{"videoID": "a", "enCap": "A dog."}],
            r"vatex_training_v1\.0\.json.*record 0 \(a\).*'enCap' must be list, found str",
        ),
        (
            [{"videoID": "a", "enCap": ["A dog.", 3]}],
            r"record 0 \(a\): .*list of texts, found int \(3\) at index 1",
        ),
        ([{"videoID": "a", "chCap": ["狗"]}], "'enCap' is missing"),
        ([{"enCap": ["A dog."]}], "'videoID' is missing"),
        ([*RECORDS, RECORDS[0]], "occurs twice"),
        ([RECORDS[3]], "no caption found"),
    ],
)
def test_malformed_content_is_named(folder, content, message):
    (folder / "vatex_training_v1.0.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        vatex.read([folder], "hgr")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"videoID": "a", "enCap": ["A dog."]}, r"\(a\): key 'chCap' is missing"),
        ({"videoID": "a", "enCap": ["A dog."], "chCap": "狗"}, r"\(a\): key 'chCap' must be list, found str"),
        ({"videoID": "a", "enCap": ["A dog."], "chCap": [None]}, "'chCap' must be a list of texts"),
    ],
)
def test_malformed_chinese_captions_are_named_where_they_are_read(folder, record, message):
    records = [*RECORDS, record]
    (folder / "vatex_training_v1.0.json").write_text(json.dumps(records))
    assert len(vatex.read([folder], "hgr").captions) == 4
    with pytest.raises(InputError, match=message):
        vatex.read([folder], "hgr-bilingual")


def test_video_in_two_lists_is_refused(folder):
    (folder / "test_list.txt").write_text("c_000001_000011\na_000001_000011\n")
    with pytest.raises(InputError, match=r"test_list\.txt, line 2.*'val'"):
        vatex.read([folder], "hgr")


def test_missing_list_is_named(folder):
    (folder / "val_list.txt").unlink()
    with pytest.raises(InputError, match=r"val_list\.txt"):
        vatex.read([folder], "hgr")


def test_real_lists_have_the_published_sizes(shared_data, tmp_path):
    ids = []
    for split in ("train", "val", "test"):
        path = shared_data / "annotations" / "vatex" / f"{split}_list.txt"
        (tmp_path / path.name).symlink_to(path.resolve())
        ids += path.read_text().split()
    records = [{"videoID": each, "enCap": ["a dog"], "chCap": []} for each in ids]
    (tmp_path / "vatex.json").write_text(json.dumps(records))
    annotations = vatex.read([tmp_path], "hgr")
    assert [len(annotations.video_ids(split)) for split in ("train", "val", "test")] == [25_991, 1500, 1500]
    assert count_warnings(annotations) == []
