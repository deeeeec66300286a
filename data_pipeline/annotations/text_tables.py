"""Tables in text files: a header line, and a row a line whose values are separated by commas, tabs or the like."""

import csv
import pathlib
from collections.abc import Collection, Iterator, Sequence

from data_pipeline.annotations.reading import read_text, split_lines
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
        if missing := [column for column in columns if column not in self.header]:
            hint = nearest_name(missing[0], self.header)
            if self._lines and self._lines[0][1].lstrip()[0] in "{[":
                hint = "if it is JSON, give --dataset=jsonl; "
            raise InputError(
                f"{path}: expected a header line with {', '.join(columns)}, found "
                f"{first_few(self.header) or 'nothing'}; {hint}add the column {missing[0]!r}"
            )
        for column in dict.fromkeys((*columns, *may_be_empty)):
            if self.header.count(column) > 1:
                raise InputError(
                    f"{path}: column {column!r} occurs {self.header.count(column)} times in the header; remove or "
                    "rename all but one"
                )

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
