"""The user's own data as JSON lines and as comma-separated values: both obey the same rules."""

import csv
import gzip
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
        ({"start": 0, "end": float("nan")}, "'end' must be a number of seconds, found nan"),
        ({"start": 0, "end": float("inf")}, "'end' must be a number of seconds, found inf"),
        ({"start": 0, "end": "ten"}, "'end' must be a number of seconds, found 'ten'"),
        ({"start": True, "end": 2}, "'start' must be a number of seconds, found '?True"),
        ({"start": 0.00000012, "end": 100.0002}, "already the name of Segment.*round 'start' and 'end'"),
        ({"video_id": "x@1.2e-07-100"}, "already the name of Segment.*found a whole video"),
        ({"split": "held-out"}, "'split' must be one of train, val, test, found 'held-out'"),
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
        ("", r"own\.csv: the file is empty; expected a header line with video_id, caption, split, and rows"),
        (
            "x,a dog,train\n",
            r"own\.csv: expected a header line.*found x, a dog, train; add the column 'video_id'",
        ),
        ("video_id,split\nx,train\n", "add the column 'caption'"),
        ("video_id,caption,split\nx,a dog\n", "line 2: no value for 'split'"),
        ("video_id,caption,split\n,a dog,train\n", "line 2: no value for 'video_id'"),
        ("video_id,caption,split\nx,a dog, a cat,train\n", "line 2: more values .*that holds commas"),
        ("video_id,caption,split\n", r"own\.csv: no row below the header"),
        ("video_id,text,Split\nx,a dog,train\n", "'Split'. rename it to 'split'; add the column 'caption'$"),
    ],
)
def test_malformed_table_is_named(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_annotations("csv", [path])


@both
@pytest.mark.parametrize(("start", "end"), [(-1, 1), (2, 2), (3, 2)])
def test_a_part_that_does_not_last_is_left_out_and_listed(tmp_path, source, start, end):
    rows = [ROW, {**ROW, "start": start, "end": end}, {**ROW, "video_id": "y", "start": start, "end": end}]
    annotations = read_annotations(source, [write(tmp_path, source, rows)])
    assert [caption.video_id for caption in annotations.captions] == ["x"]
    line = 2 if source == "jsonl" else 3
    first, second = annotations.unusable_captions
    assert f"line {line}: expected 0 <= 'start' < 'end' in seconds, found {start} and {end}" in first
    assert f"line {line + 1}: " in second
    # A split may not lose too many: it is known which videos were left out.
    name = f"@{start}-{end}"
    assert annotations.videos_without_captions == {f"x{name}": "train", f"y{name}": "train"}


def test_a_text_of_half_a_character_is_left_out_and_listed(tmp_path):
    rows = [ROW, {**ROW, "caption": "a \ud800 dog"}, {**ROW, "caption": "a \0 dog"}]
    annotations = read_annotations("jsonl", [write(tmp_path, "jsonl", rows)])
    assert [caption.caption_id for caption in annotations.captions] == ["x#0"]
    assert annotations.unusable_captions == (
        "caption 'x#1': 'a \\ud800 dog' holds what is no character",
        "caption 'x#2': 'a \\x00 dog' holds what is no character",
    )


def test_an_input_of_unusable_captions_alone_is_refused(tmp_path):
    path = write(tmp_path, "jsonl", [{**ROW, "start": 3, "end": 2}, {**ROW, "caption": " "}])
    with pytest.raises(
        InputError, match=r"no caption found, 1 are blank, 1 cannot be used \(.*found 3 and 2\)"
    ):
        read_annotations("jsonl", [path])


@both
def test_all_faults_are_said_at_once(tmp_path, source):
    rows = [ROW, {**ROW, "start": 1}, {**ROW, "split": "none"}, {**ROW, "start": 0, "end": "ten"}, ROW]
    with pytest.raises(InputError) as error:
        read_annotations(source, [write(tmp_path, source, rows)])
    first, *faults = str(error.value).split("\n  ")
    assert first == "3 faults:"
    assert all(
        text in fault for text, fault in zip(("'end' is missing", "'none'", "'ten'"), faults, strict=True)
    )


def test_of_one_kind_of_fault_the_first_places_are_said(tmp_path):
    path = write(tmp_path, "jsonl", [{"video_id": "x", "split": "train", "caption" * 20: 1}] * 5000)
    with pytest.raises(
        InputError, match=r"own\.jsonl, lines 1, 2, 3 and 4,997 more: key 'caption' is"
    ) as error:
        read_annotations("jsonl", [path])
    assert len(str(error.value)) < 1000


def test_of_many_kinds_of_faults_the_first_are_said(tmp_path):
    path = write(tmp_path, "jsonl", [{"video_id": "x", "split": "train", "x" * n: 1} for n in range(3, 5003)])
    with pytest.raises(InputError, match=r"5,000 faults:(?s:.*)line 10: (?s:.*)… and 4,990 more$") as error:
        read_annotations("jsonl", [path])
    assert len(str(error.value)) < 5000


ARRAY = [{**ROW, "video_id": name} for name in "abc"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ARRAY),
        json.dumps(ARRAY, indent=1) + "\n",
        "\ufeff" + json.dumps(ARRAY),
        "\n\n".join(json.dumps(row, indent=2) for row in ARRAY),
        "\r\n".join(map(json.dumps, ARRAY)),
        "\r".join(map(json.dumps, ARRAY)),
        " ".join(map(json.dumps, ARRAY)),
    ],
)
def test_objects_may_stand_in_any_layout(tmp_path, text):
    (tmp_path / "own.jsonl").write_bytes(text.encode())
    assert [one.video_id for one in read_annotations("jsonl", [tmp_path]).captions] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps([*ARRAY, {"video_id": "d"}]), r"own\.jsonl, item 4: key 'split' is missing"),
        (json.dumps([*ARRAY, 5]), r"own\.jsonl, line 1: .*found list"),
        (json.dumps(ARRAY, indent=1)[:-9], r"own\.jsonl, line 1: not JSON"),
        ("video_id,caption\nx,a dog\n", r"own\.jsonl, line 1: not JSON.*table with --dataset=csv"),
        (f"{json.dumps(ROW)},\n{json.dumps(ROW)}\n", r"own\.jsonl, line 1: not JSON"),
        (json.dumps({f"v{n:05}": {"sentences": ["a"]} for n in range(900)}), r"found: v00000, .*900 in all"),
        ('{"video_id": "x", "video_id": "y"}', r"line 1: key 'video_id' occurs twice"),
        (
            '{"video_id": "' + "x" * 9000 + '", "caption": "a", "split": "' + "y" * 9000 + '"}',
            "must be one of",
        ),
        ('{"' + "x" * 9000 + '": 1, "' + "x" * 9000 + '": 1}', "occurs twice"),
    ],
)
def test_malformed_json_is_named(tmp_path, text, message):
    (tmp_path / "own.jsonl").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_annotations("jsonl", [tmp_path])
    assert len(str(error.value)) < 900


def test_a_broken_line_loses_no_other_one(tmp_path):
    """What follows it is read, and its faults are named too."""
    lines = [json.dumps(ROW), '{"video_id": ', json.dumps({**ROW, "split": "none"}), '{"a"', json.dumps(ROW)]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    with pytest.raises(
        InputError, match=r"3 faults:(?s:.*line 2: not JSON.*line 3: 'split'.*line 4: not JSON)"
    ):
        read_annotations("jsonl", [tmp_path])


@both
def test_what_is_not_read_is_named_once(tmp_path, source):
    rows = [ROW, {**ROW, "video_id": "y"}]
    path = tmp_path / f"own.{source}"
    if source == "jsonl":
        path.write_text("".join(json.dumps({"url": "u", **row, "language": "en"}) + "\n" for row in rows))
    else:
        path.write_text(",url,caption,video_id,split,language\n0,u,a dog,x,train,en\n1,u,a cat,y,train,en\n")
    annotations = read_annotations(source, [path])
    unnamed = "(a column without a name), " if source == "csv" else ""
    assert annotations.notes == (
        f"not read: {unnamed}url, language (first at {path}, line {1 if source == 'jsonl' else 2})",
    )
    assert len(annotations.captions) == 2


@both
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("start_time", "end_time"),
        ("Start", "END"),
        ("startTime", "endTime"),
        ("t_begin", "t_end"),
        ("starts", "stop"),
    ],
)
def test_times_of_another_name_are_no_whole_videos(tmp_path, source, start, end):
    path = tmp_path / f"own.{source}"
    if source == "jsonl":
        path.write_text("".join(json.dumps({**ROW, start: n, end: n + 1}) + "\n" for n in range(9)))
    else:
        path.write_text(f"video_id,{start},{end},caption,split\n" + "x,0,1,a dog,train\n" * 9)
    line = 1 if source == "jsonl" else 2
    with pytest.raises(InputError) as error:
        read_annotations(source, [path])
    assert f"line {line}: not read: {start}, {end}; did you mean start and end?" in str(error.value)
    assert str(error.value).count("did you mean") == 1


def test_a_pair_of_times_is_no_whole_video(tmp_path):
    path = write(tmp_path, "jsonl", [{**ROW, "timestamp": [0, 1.5]}])
    with pytest.raises(InputError, match="not read: timestamp; did you mean start and end"):
        read_annotations("jsonl", [path])


def test_names_that_only_resemble_times_are_notes(tmp_path):
    rows = [{**ROW, "start": 0, "end": 1, "start_frame": 5, "trend": 1, "timestamp": "2020", "duration": 3}]
    annotations = read_annotations("jsonl", [write(tmp_path, "jsonl", rows)])
    assert [note.partition(" (")[0] for note in annotations.notes] == [
        "not read: start_frame, trend, timestamp, duration"
    ]


def numbered(numbers, **changes):
    return [
        {**ROW, "video_id": f"v{number}", "caption": f"A dog, number {number}.", **changes}
        for number in numbers
    ]


@both
def test_a_file_is_given_once(tmp_path, source):
    path = write(tmp_path, source, numbered(range(4)))
    (tmp_path / "link").symlink_to(path)
    copy = tmp_path / "copy.txt"
    copy.write_bytes(path.read_bytes())
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for again in (
        path,
        tmp_path / "link",
        copy,
        packed,
        path.parent / "nowhere" / ".." / path.name,
        tmp_path,
    ):
        (tmp_path / "nowhere").mkdir(exist_ok=True)
        with pytest.raises(InputError, match=r"again, or a copy of it; give each annotation file once"):
            read_annotations(source, [path, again])


@both
def test_an_old_copy_beside_the_new_file_is_refused(tmp_path, source):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    olden = write(old, source, numbered(range(6), caption="a cat") + numbered(range(10, 20)))
    newer = write(new, source, [{**row, "caption": row["caption"].upper()} for row in numbered(range(5, 40))])
    with pytest.raises(InputError, match=r"10 of its 35 captions are those of .*old.*old copy"):
        read_annotations(source, [olden, newer])


@both
def test_captions_that_repeat_are_noted(tmp_path, source):
    one = write(tmp_path, source, [*numbered(range(8)), ROW, {**ROW, "caption": "A dog."}])
    more = tmp_path / "more"
    more.mkdir()
    two = write(more, source, [*numbered([7]), *numbered(range(20, 30)), {**ROW, "caption": "a cat"}])
    annotations = read_annotations(source, [one, two])
    first = 1 if source == "jsonl" else 2
    assert annotations.notes == (
        f"2 captions repeat another one of the same video: {one}, line {9 + first}, {two}, line {first}",
        "2 videos have captions in more than one file: v7, x",
    )
    assert len(annotations.captions) == 22


def test_further_columns_are_not_read(tmp_path):
    (tmp_path / "own.csv").write_text("index,split,caption,video_id\n0,train,a dog,x\n")
    assert read_annotations("csv", [tmp_path]).captions == (Caption("x", "x#0", "a dog", "train"),)


def test_a_folder_may_hold_tables_separated_by_tabs(tmp_path):
    (tmp_path / "own.tsv").write_text("video_id\tcaption\tsplit\nx\ta dog, a cat\ttrain\n")
    assert read_annotations("csv", [tmp_path]).captions == (Caption("x", "x#0", "a dog, a cat", "train"),)


@both
def test_other_names_of_the_splits_are_read_and_noted(tmp_path, source):
    names = ("Train", "validation", "dev", "TEST", "train")
    rows = [
        {**ROW, "video_id": str(n), "caption": f"a dog {n}", "split": name} for n, name in enumerate(names)
    ]
    annotations = read_annotations(source, [write(tmp_path, source, rows)])
    assert [caption.split for caption in annotations.captions] == ["train", "val", "val", "test", "train"]
    assert annotations.notes == (
        "splits are read 'Train' as train, 'validation' as val, 'dev' as val, 'TEST' as test",
    )


@both
def test_a_split_that_nothing_means_is_named_with_the_nearest(tmp_path, source):
    rows = [{**ROW, "video_id": str(n), "caption": f"a dog {n}", "split": "tran"} for n in range(20)]
    with pytest.raises(InputError) as error:
        read_annotations(source, [write(tmp_path, source, rows)])
    numbers = "1, 2, 3" if source == "jsonl" else "2, 3, 4"
    assert str(error.value) == (
        f"{tmp_path}/own.{source}, lines {numbers} and 17 more: 'split' must be one of train, val, test, found 'tran'; "
        "did you mean 'train'? correct it"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": 7}, "'video_id' must be str, found int (7); write it in double quotes"),
        ({"video_id": 7.5}, "'video_id' must be str, found float (7.5); write it in double quotes"),
        ({"caption": ["a dog", "a cat"]}, "found the list 'caption'; write an object for each of its texts"),
        (
            {"caption": None},
            "'caption' must be str, found NoneType (None); give one text, or leave the object out",
        ),
        ({"split": 1}, "'split' must be str, found int (1); write it in double quotes"),
        ({"caption": {"en": "a dog"}}, "found dict ({'en': 'a dog'}); give one text"),
    ],
)
def test_a_value_of_another_type_is_named_with_what_to_write(tmp_path, changes, message):
    with pytest.raises(InputError) as error:
        read_annotations("jsonl", [write(tmp_path, "jsonl", [{**ROW, **changes}])])
    assert message in str(error.value) and "official" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "value", "message"),
    [
        ("caption", "captions", "a dog", "did you mean 'captions'? rename it to 'caption'"),
        ("video_id", "videoId", "x", "did you mean 'videoId'? rename it to 'video_id'"),
        (
            "caption",
            "sentences",
            ["a dog", "a cat"],
            "found the list 'sentences'; write an object for each of",
        ),
        ("split", "fold", "train", "key 'split' is missing (found: video_id, caption, fold); add the key"),
    ],
)
def test_a_key_of_another_name_is_to_be_renamed(tmp_path, old, new, value, message):
    row = {key: text for key, text in ROW.items() if key != old} | {new: value}
    with pytest.raises(InputError) as error:
        read_annotations("jsonl", [write(tmp_path, "jsonl", [row])])
    assert message in str(error.value) and "official" not in str(error.value)


def test_all_faults_of_a_row_are_said_at_once(tmp_path):
    rows = [{"video_id": n, "captions": [f"a dog {n}"], "split": "none"} for n in range(12)]
    with pytest.raises(InputError) as error:
        read_annotations("jsonl", [write(tmp_path, "jsonl", rows)])
    head, *lines = str(error.value).splitlines()
    assert head == "36 faults:" and all("own.jsonl, lines 1, 2, 3 and 9 more: " in line for line in lines)
    assert "found int (0), int (1), int (2), int (3), int (4), …; write" in lines[0]
    assert "found 'none'" in lines[1] and "found the list 'captions'" in lines[2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.jsonl", "", "own.jsonl: the file is empty; write an object for each caption"),
        ("own.jsonl", " \n\n", "own.jsonl: the file is empty; write an object for each caption"),
        ("own.jsonl", "[]", "own.jsonl, line 1: the array is empty; write an object for each caption"),
        ("own.csv", "\n", "own.csv: the file is empty; expected a header line with video_id, caption, split"),
        (
            "own.csv",
            "video_id,caption,split\n",
            "own.csv: no row below the header; write a row for each caption",
        ),
    ],
)
def test_an_empty_file_is_said_to_be_empty(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as error:
        read_annotations(name.partition(".")[2], [tmp_path])
    assert message in str(error.value)
