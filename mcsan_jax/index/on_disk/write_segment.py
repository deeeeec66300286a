"""This module writes a segment, which appears whole; `segments` says what is in its files."""

import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.host.files import sha256_of
from mcsan_jax.index.on_disk.index_description import StoredFile, StoredSegment
from mcsan_jax.index.on_disk.segments import (
    ID,
    STATED,
    TABLE_NAME,
    VECTORS_NAME,
    segment_folder,
    statement,
    videos_sha256,
)


def write_segment(
    folder: pathlib.Path, number: int, arrays: Mapping[str, np.ndarray], table: pa.Table, fingerprint: str
) -> StoredSegment:
    """Writes a segment, which appears whole.

    Args:
        folder: of the index.
        number: of the segment; what an interrupted command left under this number is replaced.
        arrays: by name, each with a row for every video.
        table: ids, clips and metadata of the videos.
        fingerprint: of the model.
    """
    target = segment_folder(folder, number)
    partial = target.with_name(f".{target.name}.partial")
    for left in (partial, target):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    sha256 = videos_sha256(table[ID].to_pylist())
    stated = {STATED: json.dumps(statement(number, sha256, fingerprint), sort_keys=True).encode()}
    try:
        columns = {name: array for name, array in arrays.items() if array[:1].size}
        lists = [_fixed_lists(array) for array in columns.values()]
        batch = pa.record_batch(lists, schema=pa.schema(_fields(columns, lists), stated))
        with pa.ipc.new_file(partial / VECTORS_NAME, batch.schema) as file:
            file.write_batch(batch)
        rows = table.combine_chunks().replace_schema_metadata(stated)
        pq.write_table(rows, partial / TABLE_NAME, write_page_checksum=True)
        of_vectors, of_table = (_as_written(partial / name) for name in (VECTORS_NAME, TABLE_NAME))
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return StoredSegment(number, table.num_rows, sha256, of_vectors, of_table)


def _fields(arrays: Mapping[str, np.ndarray], lists: Sequence[pa.Array]) -> list[pa.Field]:
    return [pa.field(name, one.type, nullable=False) for name, one in zip(arrays, lists, strict=True)]


def _fixed_lists(array: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array[0].size)


def _as_written(path: pathlib.Path) -> StoredFile:
    return StoredFile(sha256_of(path), path.stat().st_size)
