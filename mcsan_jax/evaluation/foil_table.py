"""This module writes and reads the Parquet file of an evaluation with its answers to every question about foils."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Shaped

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from mcsan_jax.evaluation.foil_figures import AskedFoils
from mcsan_jax.scoring.multi_level import FUSED

VERSION = 1
"""Of the columns."""
_VERSION_KEY = b"mcsan_jax.foil_table"
_RIGHT = "right_"


def write_foil_table(path: pathlib.Path, asked: Sequence[AskedFoils], videos: Sequence[str]) -> None:
    """Writes a row for each question; the file appears under its name when it is complete.

    Where nothing was asked there is no file, and one of an earlier evaluation is deleted. The columns are ``source``,
    ``kind``, ``video``, ``texts`` (the true caption first), ``words`` (the answer of words alone, null where there is
    none) and for each component of the score ``right_<component>``, as in `foil_answers.FoilAnswers.right`.

    Args:
        path: of the Parquet file; its folder is made.
        asked: the questions by source.
        videos: the ids of the videos of the split.
    """
    tables = [_table_of(one, np.asarray(videos, object)) for one in asked if one.answers.kinds]
    if not tables:
        path.unlink(missing_ok=True)
        return
    joined = pa.concat_tables(tables, promote_options="default")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        pq.write_table(
            joined.replace_schema_metadata({_VERSION_KEY: str(VERSION)}),
            partial,
            compression="zstd",
            write_page_checksum=True,
        )


@dataclasses.dataclass(frozen=True)
class FoilTable:
    """It holds the answers to the questions about foils, those about one source and kind after another.

    Attributes:
        source, kind, video, true: of each question [q].
        fused: what the answer of the fused score is worth, as in `foil_answers.FoilAnswers.right` [q].
    """

    source: Shaped[np.ndarray, " q"]
    kind: Shaped[np.ndarray, " q"]
    video: Shaped[np.ndarray, " q"]
    true: Shaped[np.ndarray, " q"]
    fused: Float[np.ndarray, " q"]

    def take(self, rows: Shaped[np.ndarray, " rows"]) -> "FoilTable":
        """Returns some questions, named by their indices or by a truth value for each."""
        return FoilTable(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    def in_order(self) -> "FoilTable":
        """Returns the questions in the order of their source, kind, video and true caption."""
        keys = (self.true, self.video, self.kind, self.source)
        return self.take(np.lexsort([key.astype(str) for key in keys]))

    def same_questions(self, other: "FoilTable") -> bool:
        """Returns whether the questions of another table, both in order, are the same."""
        names = ("source", "kind", "video", "true")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)


def read_foil_table(path: pathlib.Path, command: str) -> FoilTable:
    """Reads what `write_foil_table` wrote.

    Args:
        path: of the Parquet file.
        command: evaluates the run again; messages name it.

    Raises:
        InputError: there is no such file, it is damaged, or it is no table of foils of this version.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with: {command}")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode(errors="replace")
        if version != str(VERSION):
            raise InputError(
                f"{path} is a table of foils of version {version}, this program reads version {VERSION}; write it "
                f"again with: {command}"
            )
        columns = {name: table[name].to_numpy() for name in ("source", "kind", "video", _RIGHT + FUSED)}
        true = np.array([texts[0] for texts in table["texts"].to_pylist()], object)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is damaged or no table of foils ({error}); write it again with: {command}"
        ) from error
    return FoilTable(columns["source"], columns["kind"], columns["video"], true, columns[_RIGHT + FUSED])


def _table_of(asked: AskedFoils, videos: np.ndarray) -> pa.Table:
    answers = asked.answers
    return pa.table(
        {
            "source": pa.array([asked.source] * len(answers.kinds), pa.string()),
            "kind": pa.array(answers.kinds, pa.string()),
            "video": pa.array(videos[answers.videos], pa.string()),
            "texts": pa.array([list(texts) for texts in answers.texts], pa.list_(pa.string())),
            "words": pa.array(asked.words, pa.float64(), mask=np.isnan(asked.words)),
            **{
                _RIGHT + component: pa.array(right, pa.float64())
                for component, right in answers.right.items()
            },
        }
    )
