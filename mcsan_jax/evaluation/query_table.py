"""This module writes and reads the Parquet file of an evaluation, with the ranks and best answers of every query."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Shaped

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from mcsan_jax.ranking.ranks import Ranks

DIRECTIONS = ("t2v", "v2t")
VERSION = 2
"""Of the columns; the last change is that ``right_score`` of version 1 became ``relevant_score``."""
_VERSION_KEY = b"mcsan_jax.query_table"
_RANK_OF = "rank_"
_ANSWERS = ("answers", "answer_scores")


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_BEFORE_RANKS = (
    _required("direction", pa.string()),
    _required("query", pa.string()),
    pa.field("text", pa.string()),
    _required("video", pa.string()),
    *(pa.field(name, pa.int32()) for name in ("words", "nodes_entity", "nodes_action", "nodes_relationship")),
    _required("relevant_score", pa.float32()),
    *(_required(name, pa.int64()) for name in ("greater", "tied", "relevant")),
    _required("rank", pa.float64()),
)
_AFTER_RANKS = (
    _required("ap", pa.float64()),
    _required("ndcg10", pa.float64()),
    _required("relevant_items", pa.list_(pa.string())),
    _required("answers", pa.list_(pa.string())),
    _required("answer_scores", pa.list_(pa.float32())),
)


def query_schema(components: tuple[str, ...]) -> pa.Schema:
    """Returns the columns of a table; ``rank_<component>`` is the expected rank by that component alone."""
    ranks = (_required(_RANK_OF + component, pa.float64()) for component in components)
    return pa.schema([*_BEFORE_RANKS, *ranks, *_AFTER_RANKS], metadata={_VERSION_KEY: str(VERSION).encode()})


def write_query_table(path: pathlib.Path, columns: Mapping[str, Any]) -> None:
    """Writes the table of an evaluation; it appears under its name when it is complete.

    Args:
        path: of the Parquet file; its folder is made.
        columns: for every column of `query_schema`, the values of all queries: a list, an array of numpy or of
            pyarrow. Null is None, or masked in an array of numpy.

    Raises:
        ValueError: a column is missing or unknown, has a null where none may be, or another length.
    """
    components = _components_in(columns)
    schema = query_schema(components)
    missing, unknown = set(schema.names) - set(columns), set(columns) - set(schema.names)
    if missing or unknown:
        raise ValueError(f"columns of {path.name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    arrays = {field.name: _typed(columns[field.name], field.type) for field in schema}
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of {path.name} have different lengths: {lengths}")
    table = pa.table(arrays, schema=schema)
    holes = _columns_with_holes(table)
    if holes:
        raise ValueError(f"columns of {path.name} lack a value for some query: {holes}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)


@dataclasses.dataclass(frozen=True)
class QueryTable:
    """A query table holds the queries of one evaluation, a row for each query of both directions.

    Attributes:
        path: where the table was read.
        columns: the values of every column [q]. Texts are None and counts of words and nodes are −1 where the
            query is a video; columns of lists hold one list per query.
    """

    path: pathlib.Path
    columns: dict[str, Shaped[np.ndarray, " q"]]

    def __len__(self) -> int:
        return len(self.columns["query"])

    def __getitem__(self, column: str) -> Shaped[np.ndarray, " q"]:
        return self.columns[column]

    @property
    def components(self) -> tuple[str, ...]:
        """Returns the components of the score that have a column of ranks."""
        return _components_in(self.columns)

    def ranks(self) -> Ranks:
        """Returns the ranks by the fused score."""
        return Ranks(self["greater"], self["tied"], self["relevant"])

    def take(self, rows: Shaped[np.ndarray, " rows"]) -> "QueryTable":
        """Returns some rows, named by their indices or by a truth value for each row."""
        return QueryTable(self.path, {name: values[rows] for name, values in self.columns.items()})

    def of_direction(self, direction: str) -> "QueryTable":
        """Returns the queries of one direction, "t2v" or "v2t"."""
        return self.take(self["direction"] == direction)


def read_query_table(path: pathlib.Path, answers: bool = True) -> QueryTable:
    """Reads what `write_query_table` wrote.

    Args:
        path: of the Parquet file.
        answers: whether the best answers of each query are read too, most of the file.

    Raises:
        InputError: there is no such file, it is damaged, or it is no table of queries of this version.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; evaluate the run on this split first")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            names = _checked_names(path, file.schema_arrow)
            names = [name for name in names if answers or name not in _ANSWERS]
            # Reading leaves out a column that it does not find; selecting raises.
            table = file.read(names).select(names)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is damaged or no Parquet file ({error}); evaluate the run on this split again"
        ) from error
    found = QueryTable(path, {name: _as_numpy(table[name]) for name in table.column_names})
    _check_rows(found, _columns_with_holes(table))
    return found


def _components_in(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the components of the score for which one of the columns holds ranks."""
    return tuple(name.removeprefix(_RANK_OF) for name in names if name.startswith(_RANK_OF))


def _typed(values: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.cast(kind)
    return pa.array(values, kind)


def _as_numpy(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_list(column.type):
        lists = np.empty(len(column), object)
        lists[:] = column.to_pylist()
        return lists
    if pa.types.is_integer(column.type):
        column = column.fill_null(-1)
    return column.to_numpy()


def _columns_with_holes(table: pa.Table) -> list[str]:
    nullable = {field.name for field in (*_BEFORE_RANKS, *_AFTER_RANKS) if field.nullable}
    return [name for name in table.column_names if name not in nullable and table[name].null_count]


def _checked_names(path: pathlib.Path, schema: pa.Schema) -> list[str]:
    """Returns the names of the columns, after it compared them with those of this version."""
    version = (schema.metadata or {}).get(_VERSION_KEY)
    if version is None:
        raise InputError(
            f"{path} was not written by an evaluation: its schema lacks {_VERSION_KEY.decode()!r}; "
            "give the ..._queries.parquet of a run's folder eval"
        )
    if version != str(VERSION).encode():
        raise InputError(
            f"{path} is a table of queries of version {version.decode(errors='replace')}, this program reads "
            f"version {VERSION}; evaluate the run on this split again"
        )
    components = _components_in(schema.names)
    expected = query_schema(components)
    unknown = sorted(set(schema.names) - set(expected.names))
    if unknown:
        raise InputError(f"{path}: unknown columns {', '.join(unknown)}; evaluate the run again")
    for field in expected:
        found = schema.field(field.name).type if field.name in schema.names else "no such column"
        if found != field.type:
            raise InputError(
                f"{path}: column {field.name!r} should be {field.type}, found {found}; evaluate the run again"
            )
    return expected.names


def _check_rows(table: QueryTable, holes: list[str]) -> None:
    """Refuses values that cannot be true of any evaluation."""

    def refuse(what: str) -> None:
        raise InputError(f"{table.path}: {what}; evaluate the run on this split again")

    if not len(table):
        refuse("holds no query")
    if holes:
        refuse(f"a value is missing in {', '.join(holes)}")
    foreign = ~np.isin(table["direction"], DIRECTIONS)
    if foreign.any():
        refuse(f"direction should be one of {DIRECTIONS}, found {table['direction'][foreign][0]!r}")
    greater, tied, relevant = (table[name] for name in ("greater", "tied", "relevant"))
    impossible = (greater < 0) | (relevant < 1) | (tied < relevant)
    if impossible.any():
        row = int(np.argmax(impossible))
        refuse(
            f"query {table['query'][row]!r} has greater {greater[row]}, tied {tied[row]}, relevant {relevant[row]}; "
            "expected 0 <= greater and 1 <= relevant <= tied"
        )
    for direction in DIRECTIONS:
        ids, times = np.unique(table["query"][table["direction"] == direction], return_counts=True)
        if np.any(times > 1):
            refuse(f"query {ids[times > 1][0]!r} of {direction} stands there {times.max()} times")
