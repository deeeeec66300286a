"""A filter lets through what its condition says, nothing else of SQL, and a fault of it is shown with its place."""

import datetime

import pyarrow as pa
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.metadata.filter_syntax import LONGEST
from mcsan_jax.index.metadata.filters import matching_rows

_DAY = datetime.date(2024, 5, 31)
TABLE = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "camera": ["north", "south", None, "north%east"],
        "year": pa.array([2019, 2020, 2021, None], pa.int64()),
        "score": [0.5, None, -3.0, 4e3],
        "night": [True, False, None, True],
        "day": [_DAY, datetime.date(2025, 1, 1), None, _DAY],
        "at": [datetime.datetime(2024, 5, 31, hour) for hour in (0, 6, 12, 18)],
        "texts": pa.array([["x"], [], None, ["y", "z"]], pa.list_(pa.string())),
        "odd name": [1, 2, 3, 4],
        "set": ["train", "test", "test", "it's"],
        "other": [2019.0, 1.0, 2021.0, 0.0],
    }
)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "abcd"),
        ('camera = "north" and year > 2018', "a"),
        ("camera = 'north' or year >= 2021", "ac"),
        ("not camera = 'north'", "bd"),
        ("camera != 'north'", "bd"),
        ("year <> 2020", "ac"),
        ("year == 2020", "b"),
        ("year < 2020.5", "ab"),
        ("year between 2020 and 2021", "bc"),
        ("year not between 2020 and 2021", "a"),
        ("year in (2019, 2021)", "ac"),
        ("year not in (2019)", "bc"),
        ("camera like 'north%'", "ad"),
        ("camera like 'n_rth'", "a"),
        (r"camera like 'north\%%'", "d"),
        ("camera is null", "c"),
        ("camera is not null and not (id = 'a')", "bd"),
        ("night", "ad"),
        ("not night", "b"),
        ("night = false or night is null", "bc"),
        ("score > -4 and score < -1", "c"),
        ("score = 4e3", "d"),
        ("day = '2024-05-31'", "ad"),
        ('day > "2024-12-31"', "b"),
        ("at >= '2024-05-31 06:00:00'", "bcd"),
        ("at < '2024-05-31 12:00'", "ab"),
        ("`odd name` > 2", "cd"),
        ("set = 'test'", "bc"),
        ("set = 'it''s'", "d"),
        ('set = "it\'s"', "d"),
        ("year = other", "ac"),
        ("2020 <= year", "bc"),
        ("((((year = 2019))))", "a"),
        ("year = 2019 OR\n  year = 2021", "ac"),
        (" or ".join(["year = 2019"] * 600), "a"),
        ("id in (" + ", ".join(f"'{n}'" for n in range(800)) + ", 'd')", "d"),
    ],
)
def test_a_filter_lets_through_what_it_says(where: str, found: str) -> None:
    kept = matching_rows(where, TABLE)
    assert kept.dtype == bool and "".join(TABLE["id"].filter(pa.array(kept)).to_pylist()) == found


@pytest.mark.parametrize(
    ("where", "said", "line", "column"),
    [
        ("year > = 3", "something is missing", 1, 8),
        ("year >", "something is missing", 1, 6),
        ("year > 3 and", "something is missing", 1, 10),
        ("(year > 3", "expecting )", 1, 9),
        ("year = 3 id", "this word is not expected", 1, 10),
        ("year = 3 and\nid = 'a;b'; night", "a filter is one condition", 2, 11),
        ('camera = "north', "the quote that opens here is not closed", 1, 10),
        ("camera = 'a' and\n id = 'b", "the quote that opens here is not closed", 2, 7),
        ("cemara = 'a'", "no column 'cemara'; did you mean 'camera'?", 1, 1),
        ("night and YEAR > 3", "no column 'YEAR'; did you mean 'year'?", 1, 11),
        ("year > 'x'", "column 'year' holds whole numbers, and is compared with 'x'", 1, 1),
        (
            "id = 'a' and camera = 3",
            "column 'camera' holds texts, and is compared with 3; write it in quotes",
            1,
            14,
        ),
        ("night = 1", "column 'night' holds true or false", 1, 1),
        ("year = true", "column 'year' holds whole numbers", 1, 1),
        (
            "day > 'soon'",
            "column 'day' holds dates, and is compared with 'soon'; write it as 2024-05-31",
            1,
            1,
        ),
        ("year", "column 'year' alone is no condition", 1, 1),
        ("year like '2%'", "`like` is for texts", 1, 1),
        ("camera like 3", "expected a text after `like`", 1, 1),
        ("texts = 'x'", "column 'texts' holds lists", 1, 1),
        ("camera = null", "nothing equals null; write camera is null", 1, 1),
        ("year in ()", "expected values in brackets", 1, 1),
        ("night is true", "expected `null` after `is`", 1, 1),
        ("camera = year", "'camera' holds texts and 'year' whole numbers", 1, 10),
        ("year > 99999999999999999999", "too large a number", 1, 1),
        (
            '"odd name" = 3',
            "'odd name' in quotes is a text; write the column of this name as `odd name`",
            1,
            1,
        ),
        ("night and 1 = 1", "expected a column here, found literal", 1, 11),
        ('night and ""', "is not allowed in a filter", 1, 11),
        ("x.year = 3", "a name with one stands in backquotes", 1, 1),
    ],
)
def test_a_fault_is_shown_with_its_place(where: str, said: str, line: int, column: int) -> None:
    with pytest.raises(InputError) as raised:
        matching_rows(where, TABLE)
    message = str(raised.value)
    assert f"the filter, line {line}, column {column}: " in message and said in message
    text, mark = message.splitlines()[-2:]
    assert text == f"  {where.splitlines()[line - 1]}" and mark == f"  {' ' * (column - 1)}^"


@pytest.mark.parametrize(
    "where",
    [
        "upper(camera) = 'NORTH'",
        "year + 1 = 2020",
        "year = (select 1)",
        "year in (select 1)",
        "exists (select 1)",
        "case when night then true else false end",
        "camera || 'x' = 'y'",
        "camera ilike 'n%'",
        "camera rlike '.*'",
        "year = @variable",
        "year = :parameter",
        "year <=> 3",
        "cast(year as text) = 'x'",
        "year::text = 'x'",
        "1 = 1",
        "true",
        "'a' = 'a'",
        "count(*) > 3",
        "select * from videos",
        "drop table videos",
        "year = 1 union select 2",
        "*",
        "",
    ],
)
def test_nothing_else_of_sql_is_let_through(where: str) -> None:
    with pytest.raises(InputError, match="the filter"):
        matching_rows(where or ";", TABLE)


def test_the_syntax_is_told_where_it_helps() -> None:
    for where, told in (("upper(camera) = 'a'", True), ("year > = 3", True), ("cemara = 'a'", False)):
        with pytest.raises(InputError) as raised:
            matching_rows(where, TABLE)
        assert ("a filter has columns, values" in str(raised.value)) == told


def test_long_and_deep_filters_end_with_a_message() -> None:
    with pytest.raises(InputError, match="expected at most 10,000"):
        matching_rows("a" * (LONGEST + 1), TABLE)
    for where in ("(" * 4000 + "night" + ")" * 4000, "not " * 2000 + "night"):
        with pytest.raises(InputError, match="the filter"):
            matching_rows(where, TABLE)
    with pytest.raises(InputError, match="the filter") as raised:
        matching_rows("id = 'a' and " * 500 + "camera == = 3", TABLE)
    # Of a long line, what is around the place is shown.
    assert all(len(line) < 200 for line in str(raised.value).splitlines()[1:])
