"""This module reads tables of metadata from CSV files and from files with a JSON object a line."""

import csv as csv_text
import json
import pathlib
import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.json as pajson
from pyarrow import csv

from data_pipeline.errors import Faults, InputError
from mcsan_jax.index.metadata.column_types import first_line


def read_csv_file(path: pathlib.Path, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Reads a CSV file with the names of the columns in its first line; an empty cell is no value.

    Args:
        path: of the file.
        types: of some columns; those of others are inferred.

    Raises:
        InputError: it is no such file, or names every line with another number of values.
    """
    faults = Faults()

    def note(row: csv.InvalidRow) -> str:
        where = f"{path}, line {row.number}" if row.number else f"{path}, {row.text[:60]!r}"
        faults.add(
            f"{where}: found {row.actual_columns} values, expected {row.expected_columns}; quote commas"
        )
        return "skip"

    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False, block_size=1 << 26),
            parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=csv.ConvertOptions(
                column_types=dict(types), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        raise InputError(_csv_fault(path, first_line(error))) from error
    faults.check()
    return table


def _csv_fault(path: pathlib.Path, said: str) -> str:
    """Returns what is wrong with a CSV file from what the library says, with the column's name for its number."""
    found = re.fullmatch(r"In CSV column #(\d+): (?:Row #(\d+): )?(.*)", said, flags=re.DOTALL)
    if found is None:
        return f"{path}: not readable as CSV with the types of the index ({said})"
    with path.open(encoding="utf-8", errors="replace", newline="") as lines:
        names = next(csv_text.reader(lines), [])
    number, row, fault = int(found[1]), found[2], found[3]
    where = f"{path}, row {row}" if row else str(path)
    name = repr(names[number]) if number < len(names) else f"{number + 1}"
    return f"{where}, column {name}: not readable with the types of the index ({fault})"


def read_json_lines(path: pathlib.Path, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Reads a file with a JSON object a line; the values of a column have one type.

    Args:
        path: of the file.
        types: of some columns; those of others are inferred.

    Raises:
        InputError: it is no such file, or names every line that is no object of plain values.
    """
    faults = Faults()
    names: dict[str, None] = {}
    with path.open(encoding="utf-8", errors="strict") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                with faults.gathered():
                    names |= dict.fromkeys(_object_of(line, f"{path}, line {number}"))
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is no UTF-8 ({error}); save it as UTF-8") from error
    faults.check()
    if not names:
        raise InputError(
            f'{path}: has no line; expected an object a line, such as {{"id": "a", "year": 2020}}'
        )
    schema = pa.schema([(name, types[name]) for name in names if name in types])
    try:
        return pajson.read_json(
            path,
            read_options=pajson.ReadOptions(use_threads=False, block_size=1 << 26),
            parse_options=pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
        ).select(list(names))
    except pa.ArrowException as error:
        raise InputError(
            f"{path}: the values of a column have several types, or another one than in the index "
            f"({first_line(error)})"
        ) from error


def _object_of(line: str, where: str) -> dict[str, object]:
    """Returns the object of a line, with values that a column can hold."""
    try:
        content = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: no valid JSON ({error}); write an object a line") from error
    if not isinstance(content, dict):
        raise InputError(f"{where}: found {type(content).__name__}, expected an object with a column `id`")
    for name, value in content.items():
        texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if isinstance(value, dict | list) and not texts:
            raise InputError(
                f"{where}, column {name!r}: found nested values, expected a number, a text, true or false, or a list "
                "of texts; give each value a column of its own"
            )
    return content
