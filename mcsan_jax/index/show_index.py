"""This module shows what an index holds: its videos, its size, and a table of it for other programs."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from mcsan_jax.index.on_disk.index_description import MODEL_NAME, SCHEMA_VERSION
from mcsan_jax.index.on_disk.segments import CLIP, ID, TABLE_NAME, VECTORS_NAME
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE
from mcsan_jax.index.on_disk.video_ids import counted_videos
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model_folder import read_description as read_model_description

EXPORTS = (".parquet", ".csv", ".jsonl")
_ROWS = 4096
"""Rows of a table that are in memory at a time."""


@dataclasses.dataclass(frozen=True)
class IndexStatistics:
    """Statistics of an index.

    Attributes:
        videos: how many it has.
        removed: rows of removed videos that are still on the disk.
        segments: how many.
        files: bytes by kind: ``vectors``, ``metadata``, ``model``, ``other``.
        bytes_per_video: of vectors and metadata.
        model: name of the model's configuration, and its training step.
        fingerprint: of the model.
        number_type: how directions of frames are kept.
        widths: numbers that a video has of each array.
        schema_version: of the index.
        columns: types of the columns of metadata.
        clips: how many videos have a file to play.
        missing_clips: how many of these files are gone.
        calibration: its threshold and how well it holds, by name; empty without one.
    """

    videos: int
    removed: int
    segments: int
    files: dict[str, int]
    bytes_per_video: float
    model: str
    fingerprint: str
    number_type: str
    widths: dict[str, int]
    schema_version: int
    columns: dict[str, str]
    clips: int
    missing_clips: int
    calibration: dict[str, float]


def statistics_of(folder: pathlib.Path) -> IndexStatistics:
    """Returns how large an index is, and what it holds.

    Raises:
        InputError: there is no index, or it is damaged.
    """
    index = VideoIndex.open(folder)
    described = index.description
    files = {"vectors": 0, "metadata": 0, "model": 0, "other": 0}
    kinds = {VECTORS_NAME: "vectors", TABLE_NAME: "metadata"}
    for path in folder.rglob("*"):
        if path.is_file():
            of_model = path.relative_to(folder).parts[0] == MODEL_NAME
            files["model" if of_model else kinds.get(path.name, "other")] += path.stat().st_size
    model = read_model_description(index.model_folder)
    clips = index.table[CLIP].drop_null().to_pylist()
    rows = sum(stored.rows for stored in described.segments)
    return IndexStatistics(
        described.videos,
        rows - described.videos,
        len(described.segments),
        files,
        (files["vectors"] + files["metadata"]) / max(rows, 1),
        f"{model.config['name']}, step {model.step}",
        described.fingerprint,
        described.number_type,
        {name: stored.width for name, stored in described.arrays.items()},
        SCHEMA_VERSION,
        dict(described.columns),
        len(clips),
        sum(not (folder / clip).is_file() for clip in clips),
        _calibration_of(index),
    )


def _calibration_of(index: VideoIndex) -> dict[str, float]:
    own = index.calibration
    return {} if own is None else {"threshold": own.threshold, "ece": own.fitted_on.ece}


def render_statistics(statistics: IndexStatistics) -> list[str]:
    """Returns statistics as lines for people."""
    one = statistics
    columns = ", ".join(f"{name} ({kind})" for name, kind in one.columns.items()) or "none"
    calibration = ", ".join(f"{name} {value:.3f}" for name, value in one.calibration.items()) or "none"
    sizes = ", ".join(f"{kind} {size:,}" for kind, size in one.files.items())
    segments = "1 segment" if one.segments == 1 else f"{one.segments:,} segments"
    return [
        f"videos          {one.videos:,} in {segments}; {one.removed:,} removed ones still on the disk",
        f"clips           {one.clips:,} videos have a file to play; {one.missing_clips:,} of these are gone",
        f"bytes           {sizes}; {one.bytes_per_video:,.0f} a video",
        f"numbers         {one.number_type}; stage-1 vector of width {one.widths.get(STAGE_ONE, 0)}",
        f"model           {one.model}",
        f"fingerprint     {one.fingerprint}",
        f"calibration     {calibration}",
        f"schema version  {one.schema_version}",
        f"columns         {columns}",
    ]


def listed(folder: pathlib.Path, where: str) -> list[dict[str, Any]]:
    """Returns id, clip and metadata of the videos that a filter lets through, as plain values.

    Raises:
        InputError: there is no index, or the filter has a fault.
    """
    index = VideoIndex.open(folder)
    return index.table.filter(pa.array(index.matching(where))).to_pylist()


def render_list(rows: list[dict[str, Any]]) -> list[str]:
    """Returns videos as lines with a tab between the columns, the names of the columns first."""
    names = [
        name for name in (rows[0] if rows else {ID: None}) if name != CLIP or any(row[CLIP] for row in rows)
    ]
    return ["\t".join(names), *("\t".join(_cell(row[name]) for name in names) for row in rows)]


def _cell(value: Any) -> str:
    """Returns a value on one line, without characters that a terminal would obey."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else as_json(value) if isinstance(value, list) else str(value)
    return text if text.isprintable() else json.dumps(text)


def as_json(value: Any) -> str:
    """Returns a value as JSON; dates and times are texts."""
    return json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)


def export_index(folder: pathlib.Path, out: pathlib.Path) -> str:
    """Writes ids, clips and metadata as a table; Parquet also has the stage-1 vectors.

    Returns:
        A line that says so.

    Raises:
        InputError: there is no index, or the ending is unknown.
    """
    writers = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_json_lines}
    if out.suffix not in writers:
        raise InputError(f"--out={out}: expected a file that ends in {', '.join(EXPORTS)}")
    index = VideoIndex.open(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial:
        writers[out.suffix](index, partial)
    return f"written to {out}: {counted_videos(len(index))}"


def _write_parquet(index: VideoIndex, path: pathlib.Path) -> None:
    width = index.description.arrays[STAGE_ONE].width if index.description.arrays else 0
    schema = index.table.schema.append(pa.field(STAGE_ONE, pa.list_(pa.float32(), width)))
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(index), _ROWS):
            rows = index.table.slice(start, _ROWS)
            vectors = index.content.gathered(STAGE_ONE, np.arange(start, start + len(rows))).astype(
                np.float32
            )
            lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width)
            writer.write_table(rows.append_column(schema.field(STAGE_ONE), lists))


def _write_csv(index: VideoIndex, path: pathlib.Path) -> None:
    table = index.table
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [None if one is None else as_json(one) for one in table[field.name].to_pylist()]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    csv.write_csv(table, path)


def _write_json_lines(index: VideoIndex, path: pathlib.Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for start in range(0, len(index), _ROWS):
            rows: list[Mapping[str, Any]] = index.table.slice(start, _ROWS).to_pylist()
            file.writelines(f"{as_json(row)}\n" for row in rows)
