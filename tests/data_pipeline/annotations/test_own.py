"""The user's own data as JSON lines and as comma-separated values: both obey the same rules."""

import csv
import json

import pytest

from data_pipeline.annotations.caption import Caption, Segment
from data_pipeline.annotations.sources import read_annotations
from data_pipeline.errors import InputError

ROW = {"video_id": "x", "caption": "a dog", "split": "train"}


def write(folder, source, rows):
    path = folder / f"own.{source}"
    if source == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["video_id", "caption", "split", "start", "end"])
            writer.writeheader()
            writer.writerows(rows)
    return path


both = pytest.mark.parametrize("source", ["jsonl", "csv"])


@both
def test_parts_of_longer_videos_become_videos_of_their_own(tmp_path, source):
    rows = [
        ROW,
        {**ROW, "video_id": "long", "start": 0, "end": 12.5},
        {**ROW, "video_id": "long", "start": 12.5, "end": 1000, "caption": "a, b"},
        {**ROW, "video_id": "long", "start": 0.0, "end": 12.5, "caption": "a cat"},
        {**ROW, "video_id": "y", "split": "val"},
    ]
    annotations = read_annotations(source, [write(tmp_path, source, rows)])
    assert annotations.captions == (
        Caption("x", "x#0", "a dog", "train"),
        Caption("long@0-12.5", "long@0-12.5#0", "a dog", "train"),
        Caption("long@12.5-1000", "long@12.5-1000#0", "a, b", "train"),
        Caption("long@0-12.5", "long@0-12.5#1", "a cat", "train"),
        Caption("y", "y#0", "a dog", "val"),
    )
    assert annotations.segments == {
        "long@0-12.5": Segment("long", 0.0, 12.5),
        "long@12.5-1000": Segment("long", 12.5, 1000.0),
    }
    assert annotations.notes == ()


@both
def test_parts_of_one_video_in_two_splits_are_noted(tmp_path, source):
    rows = [{**ROW, "start": 0, "end": 1}, {**ROW, "start": 1, "end": 2, "split": "test"}]
    annotations = read_annotations(source, [write(tmp_path, source, rows)])
    assert annotations.notes == ("1 longer videos have parts in more than one split: x",)


@both
def test_blank_captions_are_listed(tmp_path, source):
    annotations = read_annotations(source, [write(tmp_path, source, [ROW, {**ROW, "caption": " "}])])
    assert annotations.blank_captions == ("x#1",)
    assert len(annotations.captions) == 1


@both
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"start": 1}, "'end' is missing; give both"),
        ({"end": 1}, "'start' is missing; give both"),
        ({"start": -1, "end": 1}, "found -1 and 1; correct"),
        ({"start": 2, "end": 2}, "found 2 and 2"),
        ({"start": 3, "end": 2}, "found 3 and 2"),
        ({"start": 0, "end": float("nan")}, "'end' must be a number of seconds, found nan"),
        ({"start": 0, "end": float("inf")}, "'end' must be a number of seconds, found inf"),
        ({"start": 0, "end": "ten"}, "'end' must be a number of seconds, found 'ten'"),
        ({"start": True, "end": 2}, "'start' must be a number of seconds, found '?True"),
        ({"start": 0.00000012, "end": 100.0002}, "already the name of Segment.*round 'start' and 'end'"),
        ({"video_id": "x@1.2e-07-100"}, "already the name of Segment.*found a whole video"),
        ({"split": "validate"}, "'split' must be one of train, val, test, found 'validate'"),
    ],
)
def test_malformed_row_is_named(tmp_path, source, row, message):
    path = write(tmp_path, source, [{**ROW, "start": 0.00000012, "end": 100}, {**ROW, **row}])
    with pytest.raises(InputError, match=message) as error:
        read_annotations(source, [path])
    assert f"{path}, line {2 if source == 'jsonl' else 3}" in str(error.value)


@pytest.mark.parametrize("end", ["5", [5], 10**400])
def test_json_value_that_is_no_number_is_named(tmp_path, end):
    path = write(tmp_path, "jsonl", [{**ROW, "start": 0, "end": end}])
    with pytest.raises(InputError, match="line 1: 'end' must be a number of seconds"):
        read_annotations("jsonl", [path])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"own\.csv: expected a header line with video_id, caption, split, found nothing"),
        (
            "x,a dog,train\n",
            r"own\.csv: expected a header line.*found x, a dog, train; add the column 'video_id'",
        ),
        ("video_id,split\nx,train\n", "add the column 'caption'"),
        ("video_id,caption,split\nx,a dog\n", "line 2: no value for 'split'"),
        ("video_id,caption,split\n,a dog,train\n", "line 2: no value for 'video_id'"),
        ("video_id,caption,split\nx,a dog, a cat,train\n", "line 2: more values than .*quote commas"),
        ("video_id,caption,split\n", "no caption found"),
    ],
)
def test_malformed_table_is_named(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_annotations("csv", [path])


def test_further_columns_are_not_read(tmp_path):
    (tmp_path / "own.csv").write_text("index,split,caption,video_id\n0,train,a dog,x\n")
    assert read_annotations("csv", [tmp_path]).captions == (Caption("x", "x#0", "a dog", "train"),)
