import pathlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.foil_figures import AskedFoils
from mcsan_jax.evaluation.foil_table import read_foil_table, write_foil_table
from mcsan_jax.ranking.foil_answers import FoilAnswers

VIDEOS = ["a", "b", "c"]
OF_RECORDS = AskedFoils(
    "prepared data",
    "prepared data",
    FoilAnswers(
        ["role", "order"],
        np.array([2, 0]),
        [("a dog chases a cat", "a cat chases a dog"), ("first", "second")],
        {"fused": np.array([1.0, 0.5]), "entity": np.array([0.0, 1.0])},
    ),
    np.array([0.5, np.nan]),
)
OF_FILE = AskedFoils(
    "own.jsonl",
    "JSON lines",
    FoilAnswers(["role"], np.array([1]), [("one", "two", "three")], {"fused": np.array([0.0])}),
    np.array([1.0]),
)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "eval" / "test_foils.parquet"
    write_foil_table(path, [OF_RECORDS, OF_FILE], VIDEOS)
    return path


def test_what_is_written_is_read(path: pathlib.Path) -> None:
    table = read_foil_table(path, "mcsan eval run")
    assert table.source.tolist() == ["prepared data", "prepared data", "own.jsonl"]
    assert table.kind.tolist() == ["role", "order", "role"]
    assert table.video.tolist() == ["c", "a", "b"]
    assert table.true.tolist() == ["a dog chases a cat", "first", "one"]
    assert table.fused.tolist() == [1.0, 0.5, 0.0]
    assert table.take(table.kind == "order").video.tolist() == ["a"]


def test_other_programs_read_every_answer(path: pathlib.Path) -> None:
    columns = pq.read_table(path).to_pydict()
    assert columns["texts"][2] == ["one", "two", "three"]
    assert columns["words"] == [0.5, None, 1.0]
    # Components that a file was not asked for are unknown.
    assert columns["right_entity"] == [0.0, 1.0, None]


def test_nothing_asked_is_no_file(path: pathlib.Path) -> None:
    nothing = FoilAnswers([], np.zeros(0, np.int64), [], {})
    write_foil_table(path, [AskedFoils("x", "y", nothing, np.zeros(0))], VIDEOS)
    assert not path.exists()
    with pytest.raises(InputError, match=r"test_foils.parquet: no such file; write it with: mcsan eval run"):
        read_foil_table(path, "mcsan eval run")


def test_damaged_and_foreign_files_are_refused(path: pathlib.Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"mcsan_jax.foil_table": b"7"}), path)
    with pytest.raises(InputError, match=r"of version 7, this program reads version 1; write it again with"):
        read_foil_table(path, "mcsan eval run")
    pq.write_table(table.drop_columns(["kind"]), path)
    with pytest.raises(InputError, match=r"damaged or no table of foils \(.*kind"):
        read_foil_table(path, "mcsan eval run")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged or no table of foils"):
        read_foil_table(path, "mcsan eval run")
