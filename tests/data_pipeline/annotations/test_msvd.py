import gzip

import pytest

from data_pipeline.annotations import msvd
from data_pipeline.annotations.caption import Caption
from data_pipeline.annotations.sources import count_warnings, split_mismatches
from data_pipeline.errors import InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.txt").write_text("x_1_2 a dog runs\n\nx_1_2 a cat\ny_1_2 a man\r\n")
    (tmp_path / "val.txt.gz").write_bytes(gzip.compress("z_1_2 a café\u2028scene\n".encode()))
    return tmp_path


def test_lines_become_captions(folder):
    assert msvd.read([folder], "official").captions == (
        Caption("x_1_2", "x_1_2#0", "a dog runs", "train"),
        Caption("x_1_2", "x_1_2#1", "a cat", "train"),
        Caption("y_1_2", "y_1_2#0", "a man", "train"),
        Caption("z_1_2", "z_1_2#0", "a café\u2028scene", "val"),
    )


def test_missing_split_is_reported_as_a_count(folder):
    warnings = count_warnings(msvd.read([folder], "official"))
    assert len(warnings) == 3
    assert "0 test videos" in warnings[2] and "670" in warnings[2]


def test_line_without_caption_is_named(folder):
    (folder / "train.txt").write_text("x_1_2 a dog\nx_1_2\n")
    with pytest.raises(InputError, match=r"train\.txt, line 2.*found 'x_1_2'"):
        msvd.read([folder], "official")


def test_file_of_another_name_is_refused(folder):
    path = folder / "captions.txt"
    path.write_text("x_1_2 a dog\n")
    with pytest.raises(InputError, match=r"captions\.txt: the name"):
        msvd.read([path], "official")


def test_video_in_two_splits_is_refused(folder):
    (folder / "test.txt").write_text("x_1_2 a dog\n")
    with pytest.raises(InputError, match="found 'x_1_2' in split 'test' and in split 'train'"):
        msvd.read([folder], "official")


def numbered(numbers, name="clip{}"):
    return "".join(f"{name.format(number)} a dog\n" for number in numbers)


@pytest.mark.parametrize("name", ["clip{}", "vid{}"])
def test_ids_are_compared_by_number(tmp_path, name):
    if name != "vid{}":
        (tmp_path / "youtube_mapping.txt").write_text("".join(f"clip{n} vid{n}\n" for n in range(1, 1971)))
    (tmp_path / "train.txt").write_text(numbered([*range(1, 1200), 1201], name))
    (tmp_path / "val.txt").write_text(numbered(range(1202, 1301), name))
    (tmp_path / "test.txt").write_text(numbered(range(1301, 1971), name))
    annotations = msvd.read([tmp_path], "official")
    assert split_mismatches(annotations) == {
        "train": {"missing": [name.format(1200)], "unexpected": [name.format(1201)]},
        "val": {"missing": [name.format(1201)], "unexpected": []},
        "test": {"missing": [], "unexpected": []},
    }
    train, val = count_warnings(annotations)
    assert f"has 1,200 (missing: {name.format(1200)}; unexpected: {name.format(1201)})" in train
    assert f"99 val videos, the published protocol has 100 (missing: {name.format(1201)})" in val


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x_1_2\n", r"youtube_mapping\.txt, line 1: expected a clip id.*found 'x_1_2'"),
        ("x_1_2 vid1\n", r"youtube_mapping\.txt: no clip is numbered vid2, vid3, .* \(1969 in all\)"),
    ],
)
def test_malformed_mapping_is_named(folder, text, message):
    (folder / "youtube_mapping.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        msvd.read([folder], "official")


def test_real(shared_data):
    annotations = msvd.read([shared_data / "annotations" / "msvd"], "official")
    assert [len(annotations.video_ids(split)) for split in ("train", "val", "test")] == [1200, 100, 670]
    assert annotations.official_ids.keys() == {"train", "val", "test"}
    assert len(annotations.captions) == 48_774 + 4_290 + 27_763
    assert count_warnings(annotations) == []
