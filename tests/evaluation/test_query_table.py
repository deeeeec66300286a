import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_pipeline.errors import InputError
from data_pipeline.levels import LEVELS
from mcsan_jax.evaluation.query_table import query_schema, read_query_table, write_query_table
from tests.support.fake_evaluation import query_columns

COMPONENTS = ("fused", *LEVELS)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "eval" / "test_queries.parquet"


def test_what_was_written_is_read(path: pathlib.Path) -> None:
    columns = query_columns()
    write_query_table(path, columns)
    table = read_query_table(path)
    assert len(table) == 48
    assert table.components == COMPONENTS
    for name, values in columns.items():
        if name in ("words", "nodes_entity", "nodes_action", "nodes_relationship"):
            assert table[name].tolist() == [*values[:36], *[-1] * 12]
        elif name == "relevant_score":
            np.testing.assert_array_equal(table[name], np.asarray(values, np.float32))
        else:
            assert table[name].tolist() == list(values), name
    np.testing.assert_array_equal(table.ranks().expected_rank(), columns["rank"])
    assert list(path.parent.iterdir()) == [path]


def test_types_are_those_of_the_schema(path: pathlib.Path) -> None:
    write_query_table(path, query_columns())
    schema = pq.read_schema(path)
    assert schema.remove_metadata() == query_schema(COMPONENTS).remove_metadata()
    assert schema.names[:4] == ["direction", "query", "text", "video"]
    assert schema.field("rank_global").type == pa.float64()
    assert schema.field("answers").type == pa.list_(pa.string())
    assert schema.field("greater").type == pa.int64()
    assert not schema.field("rank").nullable
    assert schema.field("text").nullable


def test_masked_and_arrow_columns(path: pathlib.Path) -> None:
    columns = query_columns()
    of_videos = np.repeat([False, True], [36, 12])
    columns["words"] = np.ma.masked_array(np.arange(48), of_videos)
    offsets = np.arange(0, 98, 2, dtype=np.int32)
    columns["answers"] = pa.ListArray.from_arrays(offsets, pa.array(["clip03", "clip07"] * 48))
    write_query_table(path, columns)
    table = read_query_table(path)
    assert table["words"].tolist() == [*range(36), *[-1] * 12]
    assert table["answers"].tolist() == [["clip03", "clip07"]] * 48


def test_answers_may_be_left_out_and_directions_chosen(path: pathlib.Path) -> None:
    write_query_table(path, query_columns())
    table = read_query_table(path, answers=False)
    assert "answers" not in table.columns
    assert "answer_scores" not in table.columns
    videos = table.of_direction("v2t")
    assert videos["query"].tolist() == [f"clip{i:02}" for i in range(12)]
    assert videos["text"].tolist() == [None] * 12
    assert videos.take(np.array([3, 1]))["query"].tolist() == ["clip03", "clip01"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": None}, r"missing \['rank'\]"),
        ({"colour": [1] * 48}, r"unknown \['colour'\]"),
        ({"tied": [1] * 47}, "different lengths"),
        ({"video": ["clip00"] * 47 + [None]}, r"lack a value for some query: \['video'\]"),
    ],
)
def test_wrong_columns_are_not_written(path: pathlib.Path, changes: dict, message: str) -> None:
    columns = {name: values for name, values in (query_columns() | changes).items() if values is not None}
    with pytest.raises(ValueError, match=message):
        write_query_table(path, columns)
    assert not path.exists()


def test_no_file(path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"test_queries.parquet: no such file; evaluate"):
        read_query_table(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_damaged_file(path: pathlib.Path, share: float) -> None:
    write_query_table(path, query_columns())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="damaged or no Parquet file"):
        read_query_table(path)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_a_changed_byte(path: pathlib.Path, share: float) -> None:
    write_query_table(path, query_columns())
    content = bytearray(path.read_bytes())
    pages = pq.read_metadata(path).row_group(0)
    last = pages.column(pages.num_columns - 1)
    content[int(share * (last.data_page_offset + last.total_compressed_size))] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged or no Parquet file"):
        read_query_table(path)


def rewritten(path: pathlib.Path, table: pa.Table) -> pathlib.Path:
    pq.write_table(table, path)
    return path


def test_a_foreign_file(path: pathlib.Path) -> None:
    write_query_table(path, query_columns())
    foreign = pq.read_table(path).replace_schema_metadata(None)
    with pytest.raises(InputError, match="was not written by an evaluation"):
        read_query_table(rewritten(path, foreign))


def test_another_version(path: pathlib.Path) -> None:
    write_query_table(path, query_columns())
    table = pq.read_table(path).replace_schema_metadata({"mcsan_jax.query_table": "1"})
    with pytest.raises(InputError, match="of version 1, this program reads version 2"):
        read_query_table(rewritten(path, table))


def test_other_columns_under_the_same_version(path: pathlib.Path) -> None:
    write_query_table(path, query_columns())
    table = pq.read_table(path)
    with pytest.raises(InputError, match="column 'ap' should be double, found no such column"):
        read_query_table(rewritten(path, table.drop_columns(["ap"])))
    narrow = table.set_column(
        table.column_names.index("greater"), "greater", table["greater"].cast(pa.int32())
    )
    with pytest.raises(InputError, match="column 'greater' should be int64, found int32"):
        read_query_table(rewritten(path, narrow))
    with pytest.raises(InputError, match="unknown columns colour"):
        read_query_table(rewritten(path, table.append_column("colour", table["rank"])))


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("direction", 2, "v2v", r"direction should be one of \('t2v', 'v2t'\), found 'v2v'"),
        ("query", 5, "clip00#0", "query 'clip00#0' of t2v stands there 2 times"),
        ("greater", 1, -1, "query 'clip00#1' has greater -1, tied 1, relevant 1; expected"),
        ("relevant", 3, 2, "query 'clip01#0' has greater .*, tied 1, relevant 2; expected"),
    ],
)
def test_impossible_values(path: pathlib.Path, column: str, row: int, value: object, message: str) -> None:
    columns = query_columns()
    columns[column] = list(columns[column])
    columns[column][row] = value
    write_query_table(path, columns)
    with pytest.raises(InputError, match=message):
        read_query_table(path)


def test_missing_values_and_no_queries(path: pathlib.Path) -> None:
    write_query_table(path, query_columns())
    table = pq.read_table(path)
    loose = pa.schema([field.with_nullable(True) for field in table.schema], table.schema.metadata)
    rows = table.to_pylist()
    rows[4]["video"] = None
    with pytest.raises(InputError, match="a value is missing in video"):
        read_query_table(rewritten(path, pa.Table.from_pylist(rows, loose)))
    with pytest.raises(InputError, match="holds no query"):
        read_query_table(rewritten(path, table.slice(0, 0)))
