"""Metadata keep their values and types from CSV and JSON lines, and what cannot be kept is named with its place."""

import datetime
import pathlib

import pyarrow as pa
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.metadata.linked_clips import find_clips
from mcsan_jax.index.metadata.metadata_table import aligned, read_metadata
from mcsan_jax.index.metadata.own_captions import example_queries

CSV = """id,camera,year,score,night,day,at,note
007,north,2020,0.5,true,2024-05-31,2024-05-31 18:00:00,"a, b"
b,,,,,,,NA
"""


def written(folder: pathlib.Path, name: str, text: str) -> pathlib.Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_types_are_inferred_and_empty_cells_are_no_value(tmp_path: pathlib.Path) -> None:
    table = read_metadata(written(tmp_path, "videos.csv", CSV), {})
    first, second = table.to_pylist()
    assert first == {
        "id": "007",
        "camera": "north",
        "year": 2020,
        "score": 0.5,
        "night": True,
        "day": datetime.date(2024, 5, 31),
        "at": datetime.datetime(2024, 5, 31, 18),
        "note": "a, b",
    }
    assert second == {name: None for name in first} | {"id": "b", "note": "NA"}


def test_json_lines_may_have_lists_of_texts_and_gaps(tmp_path: pathlib.Path) -> None:
    lines = (
        '{"video_id": "a", "tags": ["x", "y"], "n": 1}\n\n{"video_id": "b", "late": null, "text": "ü😀"}\n'
    )
    table = read_metadata(written(tmp_path, "videos.jsonl", lines), {})
    assert table.to_pylist() == [
        {"id": "a", "tags": ["x", "y"], "n": 1, "late": None, "text": None},
        {"id": "b", "tags": None, "n": None, "late": None, "text": "ü😀"},
    ]


def test_a_known_column_is_read_in_its_type(tmp_path: pathlib.Path) -> None:
    known = {"code": "string", "score": "double", "year": "int64"}
    path = written(tmp_path, "videos.csv", "id,code,score,year\na,007,1,2020\n")
    assert read_metadata(path, known).to_pylist() == [{"id": "a", "code": "007", "score": 1.0, "year": 2020}]
    lines = written(tmp_path, "videos.jsonl", '{"id": "a", "code": null, "score": 1, "year": 2020}\n')
    assert read_metadata(lines, known).to_pylist() == [{"id": "a", "code": None, "score": 1.0, "year": 2020}]
    for name, text in (("x.csv", "id,year\na,soon\n"), ("x.jsonl", '{"id": "a", "year": "soon"}\n')):
        with pytest.raises(InputError, match=rf"{name}[:,] .*(year.* types|types?.*year)"):
            read_metadata(written(tmp_path, name, text), known)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "a.csv",
            "name,year\na,1\n",
            "no column of ids; .*expected a column `id` or `video_id`, found name, year",
        ),
        ("a.csv", "ID,year\na,1\n", "is 'ID' meant?"),
        ("a.csv", "id,clip\na,1\n", "column 'clip' has the name of the column of files"),
        ("a.csv", "id,x,x\na,1,2\n", "columns of the same name: x"),
        ("a.csv", "id,x\na,1\nb\nc,1,2\n", "lines 3 and 4: found 1 values, expected 2"),
        ("a.csv", "id,x\na,1\na,2\n,3\n", "row 2: found id 'a' again, as in row 1"),
        ("a.csv", "", "not readable as CSV"),
        ("a.csv", "id,x\na,inf\n", "column 'x': found an infinite number"),
        ("a.jsonl", "", "has no line"),
        ("a.jsonl", '{"id": "a"}\n[1]\n', "line 2: found list, expected an object"),
        ("a.jsonl", '{"id": "a", "x": {"y": 1}}\n', "line 1, column 'x': found nested values"),
        ("a.jsonl", '{"id": "a", "x": [1]}\n', "line 1, column 'x': found nested values"),
        ("a.jsonl", '{"id": "a"\n', "line 1: no valid JSON"),
        ("a.jsonl", '{"id": "a", "x": 1}\n{"id": "b", "x": "one"}\n', "several types"),
        ("a.txt", "id\na\n", "expected metadata as .csv or .jsonl"),
    ],
)
def test_what_cannot_be_kept_is_named(name: str, text: str, said: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=said):
        read_metadata(written(tmp_path, name, text), {})


def test_a_file_that_is_no_text_is_refused(tmp_path: pathlib.Path) -> None:
    for name in ("a.csv", "a.jsonl"):
        (tmp_path / name).write_bytes(b"id,x\n\xff\xfe,\xff\n")
        with pytest.raises(InputError, match=name):
            read_metadata(tmp_path / name, {})
    with pytest.raises(InputError, match="no such file"):
        read_metadata(tmp_path / "none.csv", {})


def test_a_value_of_another_type_than_in_the_index_is_named_by_its_column(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, "a.csv", 'id,"the year",x\na,2019,1\nb,nineteen,2\n')
    with pytest.raises(InputError, match=r"row 3, column 'the year': not readable .*'nineteen'"):
        read_metadata(path, {"the year": "int64"})


def test_rows_follow_the_videos(tmp_path: pathlib.Path) -> None:
    table = read_metadata(written(tmp_path, "videos.csv", "id,x\nb,2\na,1\n"), {})
    assert aligned(table, ["a", "c", "b"], {"c": "/clips/c.mp4"}).to_pylist() == [
        {"id": "a", "clip": None, "x": 1},
        {"id": "c", "clip": "/clips/c.mp4", "x": None},
        {"id": "b", "clip": None, "x": 2},
    ]


def test_clips_are_found_by_id_and_named_from_the_index_where_they_lie_in_it(tmp_path: pathlib.Path) -> None:
    inside, outside = tmp_path / "index" / "clips", tmp_path / "clips"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
        for name in ("a.webm", "a.mp4", "b.MOV", "c.txt", "d.mp4"):
            (folder / name).touch()
    index = tmp_path / "index"
    assert find_clips(outside, ["a", "b", "c"], index) == {"a": f"{outside}/a.mp4", "b": f"{outside}/b.MOV"}
    assert find_clips(inside, ["a", "../clips/a"], index) == {"a": "clips/a.mp4"}
    with pytest.raises(InputError, match=r"no file of 1 video; expected <id> .* such as x.mp4, found a.mp4"):
        find_clips(outside, ["x"], index)
    with pytest.raises(InputError, match="no such folder"):
        find_clips(tmp_path / "none", ["x"], index)


def test_examples_are_short_captions_of_several_videos() -> None:
    captions = [[f"a dog of number {row}", "it runs"] for row in range(200)]
    captions[0], captions[1] = ["x" * 200], []
    found = example_queries(pa.table({"id": list(map(str, range(200))), "captions": captions}))
    assert len(found) == len(set(found)) == 4
    assert set(found) <= {texts[0] for texts in captions[2:]}
    assert example_queries(pa.table({"id": ["a"], "captions": [["a cat sleeps"]]})) == ("a cat sleeps",)
    assert example_queries(pa.table({"id": ["a"]})) == ()
