import gzip

import pytest

from data_pipeline.annotations.reading import (
    find_beside,
    find_files,
    read_json,
    read_lines,
    read_text,
)
from data_pipeline.errors import InputError


def test_text_is_read_without_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffcafé".encode())
    assert read_text(tmp_path / "a.txt") == "café"


def test_lines_keep_their_numbers_past_blank_ones(tmp_path):
    (tmp_path / "a.txt").write_text("a\n\n b\r\n")
    assert list(read_lines(tmp_path / "a.txt")) == [(1, "a"), (3, "b")]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json.gz", gzip.compress(b"[1, 2, 3]" * 50, mtime=0)[:-12], "broken gzip"),
        ("a.json.gz", b"[1, 2, 3]", "broken gzip"),
        ("a.json.gz", gzip.compress(b"[1, 2, 3]", mtime=0)[:12] + b"\xff" * 20, "broken gzip"),
        ("a.json", b"", "the file is empty"),
        ("a.json", b"[1, 2", "not JSON"),
        ("a.json", b"<html>not found</html>", "a web page"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.json", b"9" * 10_000, "not JSON"),
    ],
)
def test_broken_file_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        read_json(tmp_path / name)
    assert name in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.json: no such file"):
        read_json(tmp_path / "a.json")


def test_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)


def test_key_that_occurs_twice_is_named(tmp_path):
    (tmp_path / "a.json").write_text('[{"x": {"y": 1, "z": 2, "y": 3}}]')
    with pytest.raises(InputError, match=r"a\.json: key 'y' occurs twice"):
        read_json(tmp_path / "a.json")


def test_files_are_found_in_folders_and_beside(tmp_path):
    for name in ("b.json", "a.json.gz", "c.txt"):
        (tmp_path / name).touch()
    found = find_files([tmp_path, tmp_path / "c.txt"], ["*.json"])
    assert [path.name for path in found] == ["a.json.gz", "b.json", "c.txt"]
    assert find_beside([tmp_path / "c.txt"], "a.json") == tmp_path / "a.json.gz"


def test_absent_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"\*\.json"):
        find_files([tmp_path], ["*.json"])
    with pytest.raises(InputError, match="no annotation files given"):
        find_files([], ["*.json"])
    with pytest.raises(InputError, match=r"list\.txt"):
        find_beside([tmp_path], "list.txt")


@pytest.mark.parametrize("content", [b"", b" \n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_of_json_is_said_to_be_empty(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: the file is empty; download or write it again"):
        read_json(tmp_path / "a.json")
