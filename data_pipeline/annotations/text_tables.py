"""Rows in text files: tables with a header line, whose values are separated by commas or the like, and JSON objects."""

import csv
import pathlib
import re
from collections.abc import Collection, Iterator, Sequence

from data_pipeline.annotations.reading import JSON, field, not_json, read_text, split_lines
from data_pipeline.errors import Faults, InputError, first_few, nearest_name, shown

_SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}


class TextTable:
    """A file of comma-separated values, or of values separated by tabs, semicolons or vertical bars.

    The separator is the first of these with which the header has the columns that are needed. A value may stand in
    double quotes, in which a double quote is written twice; it must end on the line on which it begins, so that
    a stray quote swallows no rows. Lines without any value are passed over.
    """

    def __init__(
        self, path: pathlib.Path, columns: Sequence[str], may_be_empty: Collection[str] = ()
    ) -> None:
        """Reads the file and its header.

        Args:
            path: the file, plain or gzip.
            columns: must stand in the header and have a value in every row.
            may_be_empty: columns whose values may be missing; only those named in ``columns`` too must stand in
                the header.

        Raises:
            InputError: the file cannot be read, the header lacks a column or has one twice.
        """
        self._path = path
        self._needed = [each for each in columns if each not in may_be_empty]
        numbered = enumerate(split_lines(read_text(path)), start=1)
        self._lines = [(number, line) for number, line in numbered if line.strip()]
        headers = {separator: self._header(separator) for separator in _SEPARATORS}
        # The first of those that have the most of the columns.
        self._separator = max(headers, key=lambda each: len(set(columns) & set(headers[each])))
        self.header = headers[self._separator]
        if not self._lines:
            raise InputError(
                f"{path}: the file is empty; expected a header line with {', '.join(columns)}, and rows below"
            )
        if missing := [column for column in columns if column not in self.header]:
            raise InputError(
                f"{path}: expected a header line with {', '.join(columns)}, found {first_few(self.header)}; "
                f"{self._remedy(missing, columns)}"
            )
        for column in dict.fromkeys((*columns, *may_be_empty)):
            if self.header.count(column) > 1:
                raise InputError(
                    f"{path}: column {column!r} occurs {self.header.count(column)} times in the header; remove or "
                    "rename all but one"
                )

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing below the header."""
        return len(self._lines) == 1

    def rows(self, faults: Faults) -> Iterator[tuple[int, dict[str, str]]]:
        """Line numbers and rows ``{column: value}``, without white space at the ends of the values.

        Args:
            faults: takes the faults of the rows that cannot be used; these are not among the rows.
        """
        for number, line in self._lines[1:]:
            with faults.gathered():
                where = f"{self._path}, line {number}"
                values = self._values(line, self._separator, where)
                if any(values):
                    yield number, self._row(values, where)

    def _remedy(self, missing: Sequence[str], columns: Sequence[str]) -> str:
        """What to do where columns are missing."""
        if self._lines[0][1].lstrip()[0] in "{[":
            return "if it is JSON, give --dataset=jsonl"
        near = {column: nearest_name(column, set(self.header) - set(columns)) for column in missing}
        remedies = [f"{hint}rename it to {column!r}" for column, hint in near.items() if hint]
        if added := [repr(column) for column, hint in near.items() if not hint]:
            remedies.append(f"add the column {' and the column '.join(added)}")
        if len(added) == len(columns):
            remedies.append(f"if there is no header, write {','.join(columns)} above the rows")
        return "; ".join(remedies)

    def _header(self, separator: str) -> list[str]:
        if not self._lines:
            return []
        number, line = self._lines[0]
        try:
            return self._values(line, separator, f"{self._path}, line {number}")
        except InputError:
            # What a wrong separator makes of the line may be no row at all.
            return [line]

    def _values(self, line: str, separator: str, where: str) -> list[str]:
        try:
            (values,) = csv.reader([line], delimiter=separator, strict=True)
        except csv.Error as error:
            raise InputError(
                f"{where}: {_fault_of(error)} in {shown(line)}; put such a value into double quotes, write a double "
                "quote inside them twice, and a line break inside a value as a space"
            ) from error
        return [value.strip() for value in values]

    def _row(self, values: list[str], where: str) -> dict[str, str]:
        if len(values) > len(self.header):
            raise InputError(
                f"{where}: more values ({len(values)}) than the header has columns ({len(self.header)}); put a value "
                f"that holds {_SEPARATORS[self._separator]} into double quotes, without a space before them"
            )
        if len(values) < len(self.header):
            raise InputError(
                f"{where}: no value for {shown(self.header[len(values)])}, the line ends before it; write an empty "
                "value where there is none, or repair the line"
            )
        row = dict(zip(self.header, values, strict=True))
        if empty := [column for column in self._needed if not row[column]]:
            raise InputError(f"{where}: no value for {empty[0]!r}; give one or remove the line")
        return row


def _fault_of(error: csv.Error) -> str:
    """What is wrong with a line, in the words of a person; those of the library speak of its own states."""
    said = str(error)
    if "unexpected end" in said:
        return "a double quote is opened and never closed"
    if "expected after" in said:
        return "text follows a closing double quote"
    return f"not a row of values ({said})"


def read_table_rows(
    path: pathlib.Path, columns: Sequence[str], may_be_empty: Collection[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a `TextTable`, with an empty value for each column that may be empty and is not there.

    Raises:
        InputError: the table cannot be read, or rows cannot be used.
    """
    faults = Faults()
    rows = list(TextTable(path, columns, may_be_empty).rows(faults))
    faults.check()
    return [(number, {**dict.fromkeys(may_be_empty, ""), **row}) for number, row in rows]


_AN_OBJECT_A_LINE = "write an object for each caption, one a line"


def json_rows(path: pathlib.Path, faults: Faults) -> Iterator[tuple[str, object]]:
    """Yields where each object of a file stands, and the object; text between them that is no JSON becomes a fault.

    Raises:
        InputError: the file cannot be read.
    """
    text = read_text(path)
    if not text.strip():
        faults.add(f"{path}: the file is empty; {_AN_OBJECT_A_LINE}")
    elif text.lstrip()[0] not in "{[":
        faults.add(
            f"{path}, line 1: not JSON, found {shown(text.lstrip()[:200])}; {_AN_OBJECT_A_LINE}, or give a table with "
            "--dataset=csv"
        )
        return
    line, counted = 1, 0
    place = _next_value(text, 0)
    while place < len(text):
        line, counted = line + text.count("\n", counted, place), place
        where = f"{path}, line {line}"
        try:
            value, end = JSON.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            faults.add(str(not_json(error, where, line)))
            # The rest of a broken array is as broken.
            end = len(text) if text[place] == "[" else _next_line(text, place)
        else:
            if value == []:
                faults.add(f"{where}: the array is empty; {_AN_OBJECT_A_LINE}")
            yield from _rows_in(value, where, path)
        place = _next_value(text, end)


def _rows_in(value: object, where: str, path: pathlib.Path) -> Iterator[tuple[str, object]]:
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        yield from ((f"{path}, item {number}", each) for number, each in enumerate(value, start=1))
    else:
        yield where, value


def _next_value(text: str, start: int) -> int:
    """Index of the first character from ``start`` on that is no white space of JSON."""
    found = re.compile(r"[ \t\r\n]*").match(text, start)
    assert found is not None
    return found.end()


def _next_line(text: str, start: int) -> int:
    """Index of the next line that begins with an object, after a value that cannot be read."""
    found = re.compile(r"[\r\n]+(?=\{)").search(text, start)
    return found.end() if found else len(text)


def seconds_or_none(text: str, column: str, where: str) -> float | None:
    """The number of seconds in a column of a table; None where it is empty.

    Raises:
        InputError: it is no number.
    """
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"{where}: column {column!r} must be a number of seconds, found {shown(text)}; correct it or leave it empty"
        ) from None


def text_value(row: dict[str, object], key: str, where: str, may_be_listed: bool = False) -> str:
    """The text under a key of a row.

    Args:
        row: the row.
        key: of the text.
        where: the row stands, for messages.
        may_be_listed: whether people write several of these texts in a list, perhaps under another key.

    Raises:
        InputError: there is no text; the message says how to write it.
    """
    for name, listed in row.items() if may_be_listed else ():
        if (
            (name == key or key not in row)
            and isinstance(listed, list)
            and listed
            and isinstance(listed[0], str)
        ):
            raise InputError(
                f"{where}: key {key!r} must be str, found the list {name!r}; write an object for each of its texts"
            )
    value = field(row, key, object, where, "")
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float)
    remedy = "write it in double quotes" if is_number else "give one text, or leave the object out"
    raise InputError(
        f"{where}: key {key!r} must be str, found {type(value).__name__} ({shown(value)}); {remedy}"
    )
