"""Tables in text files: no row is lost, whatever separates the values and whatever is wrong with a line."""

import csv
import io

import pytest

from data_pipeline.annotations.text_tables import TextTable, read_table_rows
from data_pipeline.errors import Faults, InputError

COLUMNS = ["video_id", "caption", "split"]
ROWS = [["a", 'a "red" ball, and a cat; a dog', "train"], ["b", "x|y", "val"]]


def write(folder, text, encoding="utf-8"):
    (folder / "own.csv").write_bytes(text.encode(encoding))
    return folder / "own.csv"


def rows_of(path, columns=("x", "y"), may_be_empty=()):
    return read_table_rows(path, columns, may_be_empty)


def table_text(separator, line_end="\n"):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=line_end).writerows([COLUMNS, *ROWS])
    return text.getvalue()


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_header_tells_the_separator(tmp_path, separator):
    found = rows_of(write(tmp_path, table_text(separator)), COLUMNS)
    assert found == [
        (number, dict(zip(COLUMNS, row, strict=True))) for number, row in enumerate(ROWS, start=2)
    ]


def test_commas_win_where_the_header_is_one_of_commas(tmp_path):
    path = write(tmp_path, "x,y\n1;2,3\t4\n")
    assert rows_of(path) == [(2, {"x": "1;2", "y": "3\t4"})]


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n\n \n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_byte_order_marks(tmp_path, line_end, encoding):
    found = rows_of(write(tmp_path, table_text(",", line_end), encoding), COLUMNS)
    assert [list(row.values()) for _, row in found] == ROWS


def test_separators_of_lines_in_unicode_are_part_of_a_value(tmp_path):
    assert rows_of(write(tmp_path, "x,y\n1,a\u2028b\x0b\x85c\n")) == [
        (2, {"x": "1", "y": "a\u2028b\x0b\x85c"})
    ]


def test_names_and_values_lose_white_space_at_their_ends(tmp_path):
    assert rows_of(write(tmp_path, "x , y\n 1 , 2\n")) == [(2, {"x": "1", "y": "2"})]


def test_a_quote_inside_an_unquoted_value_is_part_of_it(tmp_path):
    path = write(tmp_path, 'x,y\n1,a 12" screen\n2,a "red" ball\n3,"a ""red"" ball"\n')
    assert [row["y"] for _, row in rows_of(path)] == ['a 12" screen', 'a "red" ball', 'a "red" ball']


def test_lines_without_any_value_are_passed_over(tmp_path):
    assert rows_of(write(tmp_path, "\nx,y\n,\n1,2\n , \n")) == [(4, {"x": "1", "y": "2"})]


STRAY_QUOTES = [
    ('x,y\n1,"stop\n2,b\n3,c\n', [2], "opened and never closed"),
    ('x,y\n1,"stop, is\n2,a 12", b\n3,c\n', [2, 3], "opened and never closed"),
    ('x,y\n1,"stop" is\n2,b\n', [2], "text follows a closing"),
    ('x,y\n1,"a\n b"\n2,c\n', [2, 3], "opened and never closed"),
    ('x;y\n1;"stop\n2;a 12"\n', [2], "opened and never closed"),
    ("x,y\n1,a\rb\n", [2], "not a row of values"),
    ("x,y\n1,a,b\n", [2], "more values .3. than the header has columns .2.; put a value that holds commas"),
    ("x,y\n1\n2,b\n", [2], "no value for 'y'"),
    ("x,y\n,b\n", [2], "no value for 'x'"),
]


@pytest.mark.parametrize(("text", "lines", "message"), STRAY_QUOTES)
def test_a_faulty_line_swallows_no_other_one(tmp_path, text, lines, message):
    """Each line is a row or a fault of its own."""
    path = write(tmp_path, text)
    faults = Faults()
    kept = [number for number, _ in TextTable(path, ["x", "y"]).rows(faults)]
    with pytest.raises(InputError, match=message) as error:
        faults.check()
    named = [number for number in range(1, 9) if f"own.csv, line {number}:" in str(error.value)]
    rows = len([line for line in text.split("\n") if line]) - 1
    assert set(lines) <= set(named) and sorted(kept + named) == list(range(2, rows + 2))


@pytest.mark.parametrize("name", ["x", "z"])
def test_a_column_that_is_read_occurs_once(tmp_path, name):
    with pytest.raises(InputError, match=rf"own\.csv: column '{name}' occurs 2 times in the header"):
        rows_of(write(tmp_path, f"x,y,{name}, z\n1,2,3,4\n"), ["x", "y"], ["z"])


def test_columns_that_are_not_read_may_have_any_name(tmp_path):
    path = write(tmp_path, "x,y,,,z,z\n1,2,,,3,4\n")
    assert [row["y"] for _, row in rows_of(path)] == ["2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; expected a header line with x, y, and rows below"),
        ("x\n1\n", "found x; add the column 'y'"),
        ("X,y\n1,2\n", r"did you mean 'X'\? rename it to 'x'"),
        (
            "a\n1\n",
            "found a; add the column 'x' and the column 'y'; if there is no header, write x,y above the rows",
        ),
        ('{"x": 1, "y": 2}\n', "if it is JSON, give --dataset=jsonl"),
        ("x," + ",".join(f"column{number}" for number in range(900)), r"column3, … \(901 in all\)"),
        ("x\n" + "1" * 200_000, "add the column 'y'"),
    ],
)
def test_a_header_without_the_columns_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        rows_of(write(tmp_path, text))
    assert len(str(error.value)) < 500


def test_an_oversized_value_is_named(tmp_path):
    with pytest.raises(InputError, match=r"line 2: not a row of values \(field larger") as error:
        rows_of(write(tmp_path, "x\n" + "1" * 200_000), ["x"])
    assert len(str(error.value)) < 500


def test_values_that_may_be_empty(tmp_path):
    path = write(tmp_path, "x,y\n1,\n2,3\n")
    assert rows_of(path, ["x", "y"], ["y", "z"]) == [
        (2, {"x": "1", "y": "", "z": ""}),
        (3, {"x": "2", "y": "3", "z": ""}),
    ]
    with pytest.raises(InputError, match="add the column 'z'"):
        rows_of(path, ["x", "z"], ["z"])
