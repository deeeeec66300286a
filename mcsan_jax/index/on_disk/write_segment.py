"""This module writes a segment, which appears whole; `segments` says what is in its files."""

import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.host.files import sha256_of
from mcsan_jax.index.on_disk.durable import sync
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

_ALIGNMENT = 64
"""Where an array begins at a multiple of it, the file itself is the memory of a CPU device: nothing is copied."""

_FILLED = b"filled"
"""Metadata that only make the beginning of the file longer."""


def write_segment(
    folder: pathlib.Path, number: int, arrays: Mapping[str, np.ndarray], table: pa.Table, fingerprint: str
) -> StoredSegment:
    """Writes a segment, which appears whole, and waits until it is on the disk.

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
        columns = {name: arrays[name] for name in _aligned_first(arrays) if arrays[name][:1].size}
        lists = [_fixed_lists(array) for array in columns.values()]
        batch = _with_aligned_body(pa.record_batch(lists, schema=pa.schema(_fields(columns, lists), stated)))
        with pa.ipc.new_file(partial / VECTORS_NAME, batch.schema) as file:
            file.write_batch(batch)
        rows = table.combine_chunks().replace_schema_metadata(stated)
        pq.write_table(rows, partial / TABLE_NAME, write_page_checksum=True)
        of_vectors, of_table = (_as_written(partial / name) for name in (VECTORS_NAME, TABLE_NAME))
        partial.replace(target)
        # What index.json names must be there before it; until then nobody reads it.
        sync(target / VECTORS_NAME, target / TABLE_NAME, target, target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return StoredSegment(number, table.num_rows, sha256, of_vectors, of_table)


def _aligned_first(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Returns the names of arrays, those first whose rows fill up whole units of `_ALIGNMENT`."""
    return sorted(arrays, key=lambda name: arrays[name][:1].nbytes % _ALIGNMENT != 0)


def _with_aligned_body(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns a batch whose first array begins at a multiple of `_ALIGNMENT` in its file."""
    stated = batch.schema.metadata
    # A file of one row begins with as many bytes.
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema.with_metadata({**stated, _FILLED: b" "})) as file:
        file.write_batch(batch.slice(0, 1).replace_schema_metadata({**stated, _FILLED: b" "}))
    whole = sink.getvalue()
    first = pa.ipc.open_file(whole).get_batch(0).column(0).flatten().buffers()[1]
    filled = b" " * (1 + -(first.address - whole.address) % _ALIGNMENT)
    return batch.replace_schema_metadata({**stated, _FILLED: filled})


def _fields(arrays: Mapping[str, np.ndarray], lists: Sequence[pa.Array]) -> list[pa.Field]:
    return [pa.field(name, one.type, nullable=False) for name, one in zip(arrays, lists, strict=True)]


def _fixed_lists(array: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array[0].size)


def _as_written(path: pathlib.Path) -> StoredFile:
    return StoredFile(sha256_of(path), path.stat().st_size)
