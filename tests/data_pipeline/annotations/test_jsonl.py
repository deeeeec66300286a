import json

import pytest

from data_pipeline.annotations import own
from data_pipeline.annotations.caption import Caption
from data_pipeline.errors import InputError


def write(path, *records):
    path.write_text("\n".join(json.dumps(record) for record in records) + "\n\n")
    return path


def test_captions_are_numbered_per_video_over_all_files(tmp_path):
    write(tmp_path / "a.jsonl", {"video_id": "x", "caption": "a dog", "split": "train"})
    write(
        tmp_path / "b.jsonl",
        {"video_id": "y", "caption": "你好", "split": "test"},
        {"video_id": "x", "caption": "a cat", "split": "train"},
    )
    assert own.read_json_lines([tmp_path], "custom").captions == (
        Caption("x", "x#0", "a dog", "train"),
        Caption("y", "y#0", "你好", "test"),
        Caption("x", "x#1", "a cat", "train"),
    )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"caption": "a dog", "split": "train"}, "line 2.*'video_id' is missing"),
        ({"video_id": 7, "caption": "a dog", "split": "train"}, "line 2.*'video_id' must be str, found int"),
        ({"video_id": " ", "caption": "a dog", "split": "train"}, "line 2: 'video_id' is blank"),
        ({"video_id": "x", "caption": "a dog", "split": "held-out"}, "line 2.*found 'held-out'"),
        ({"video_id": "x", "caption": None, "split": "train"}, "line 2.*'caption' must be str"),
        ({"video_id": "x\ud800", "caption": "a dog", "split": "train"}, "found 'x.*is no character"),
        (["x", "a dog"], "line 2.*found list"),
    ],
)
def test_malformed_line_is_named(tmp_path, record, message):
    path = write(tmp_path / "a.jsonl", {"video_id": "x", "caption": "a cat", "split": "train"}, record)
    with pytest.raises(InputError, match=message):
        own.read_json_lines([path], "custom")


def test_line_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"video_id": "x", "caption": "a dog", "split": "train"}\n{"video_id": \n')
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: not JSON"):
        own.read_json_lines([path], "custom")
