"""This module has the types that a column of metadata can have, and brings columns into them."""

import pathlib
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from data_pipeline.errors import InputError

TYPES: Mapping[str, pa.DataType] = {
    str(kind): kind
    for kind in (
        pa.bool_(),
        pa.int64(),
        pa.float64(),
        pa.string(),
        pa.date32(),
        pa.timestamp("us"),
        pa.timestamp("us", tz="UTC"),
        pa.time64("us"),
        pa.list_(pa.string()),
    )
}


def arrow_type(name: str) -> pa.DataType:
    """Returns the type that ``index.json`` calls so.

    Raises:
        InputError: there is none.
    """
    if name not in TYPES:
        raise InputError(
            f"index.json: no column can have the type {name!r}; expected one of {', '.join(TYPES)}"
        )
    return TYPES[name]


def in_usual_type(
    path: pathlib.Path, name: str, column: pa.ChunkedArray, known: str | None
) -> pa.ChunkedArray:
    """Returns a column in the one of the usual types that holds it.

    Raises:
        InputError: there is none, or the index has the column in another type.
    """
    kind = column.type
    if known is not None:
        wanted = arrow_type(known)
    elif pa.types.is_null(kind):
        wanted = pa.string()
    elif pa.types.is_timestamp(kind):
        wanted = pa.timestamp("us", tz="UTC" if kind.tz else None)
    elif pa.types.is_time(kind):
        wanted = pa.time64("us")
    elif pa.types.is_list(kind) and pa.types.is_null(kind.value_type):
        wanted = pa.list_(pa.string())
    else:
        wanted = kind
    if str(wanted) not in TYPES:
        raise InputError(
            f"{path}, column {name!r}: holds {kind}, which no column of an index can have; write texts"
        )
    try:
        if pa.types.is_floating(kind):
            # Other programs write it where there is no value.
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
            if pc.any(pc.is_inf(column)).as_py():
                raise InputError(f"{path}, column {name!r}: found an infinite number; leave the cell empty")
        return column.cast(wanted)
    except pa.ArrowException as error:
        raise InputError(
            f"{path}, column {name!r}: found {kind}, expected {wanted}, as the index has it ({first_line(error)})"
        ) from error


def first_line(error: Exception) -> str:
    """Returns what an error of a library says, without the lines of its own that may follow."""
    return str(error).partition("\n")[0]
