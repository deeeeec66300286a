"""This module keeps a segment: neighbouring videos in a file of arrays and a file of metadata, which never change.

``vectors.arrow`` is an Arrow IPC file of one record batch: a column of fixed-size lists for each array, which is read
by mapping the file into memory, without a copy. ``videos.parquet`` has the columns ``id`` and ``clip`` and those of the
metadata. Both state the number of the segment, the fingerprint of the model and a hash of the ids, so that a file of
another segment is noticed.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.errors import InputError
from data_pipeline.host.files import checksum_problem
from mcsan_jax.index.on_disk.index_description import (
    ADVICE,
    SEGMENTS_NAME,
    IndexDescription,
    StoredArray,
    StoredSegment,
)

VECTORS_NAME = "vectors.arrow"
TABLE_NAME = "videos.parquet"
ID, CLIP = "id", "clip"
STATED = b"mcsan"


def segment_folder(folder: pathlib.Path, number: int) -> pathlib.Path:
    """Returns the folder of a segment of an index."""
    return folder / SEGMENTS_NAME / f"{number:06d}"


def videos_sha256(ids: Sequence[str]) -> str:
    """Returns a hash of ids in their order."""
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()


def statement(number: int, sha256: str, fingerprint: str) -> dict[str, object]:
    """Returns what both files of a segment state."""
    return {"segment": number, "videos_sha256": sha256, "fingerprint": fingerprint}


@dataclasses.dataclass(frozen=True)
class OpenSegment:
    """A segment is opened for reading; its arrays stay mapped while it is held, even when its files are removed.

    Attributes:
        stored: its description.
        arrays: by name, in the numbers in which they are kept; each has a row for every video, live or removed.
        table: ids, clips and metadata of all rows.
    """

    stored: StoredSegment
    arrays: dict[str, np.ndarray]
    table: pa.Table

    @functools.cached_property
    def live(self) -> np.ndarray:
        """Returns the rows of the videos that are not removed, rising [v]."""
        kept = np.ones(self.stored.rows, bool)
        kept[list(self.stored.removed)] = False
        return np.flatnonzero(kept)

    @functools.cached_property
    def ids(self) -> list[str]:
        """Returns the ids of all rows."""
        return self.table[ID].to_pylist()

    def followed_by(
        self, arrays: Mapping[str, np.ndarray], table: pa.Table
    ) -> tuple[dict[str, np.ndarray], pa.Table]:
        """Returns arrays and table of the live videos and of further ones after them."""
        own = self.table.take(pa.array(self.live))
        return (
            {name: np.concatenate([self.arrays[name][self.live], more]) for name, more in arrays.items()},
            pa.concat_tables([own, table], promote_options="default"),
        )


def open_segments(
    folder: pathlib.Path, description: IndexDescription, opened: Sequence[OpenSegment] = ()
) -> list[OpenSegment]:
    """Opens all segments of an index, but for those that are open already.

    Raises:
        FileNotFoundError: a file is missing.
        InputError: a file is damaged, or that of another segment.
    """
    known = {(one.stored.number, one.stored.vectors.sha256): one for one in opened}
    found = []
    for stored in description.segments:
        own = known.get((stored.number, stored.vectors.sha256))
        if own is None:
            own = open_segment(folder, stored, description.arrays, description.fingerprint)
        elif own.stored != stored:
            # It has the same files, and other videos are removed.
            own = OpenSegment(stored, own.arrays, own.table)
        found.append(own)
    return found


def open_segment(
    folder: pathlib.Path, stored: StoredSegment, layout: Mapping[str, StoredArray], fingerprint: str
) -> OpenSegment:
    """Opens a segment, and checks sizes, shapes, and that both files belong to it; contents are for `verify`.

    Raises:
        FileNotFoundError: a file is missing.
        InputError: a file is damaged, or that of another segment.
    """
    place = segment_folder(folder, stored.number)
    vectors, table = place / VECTORS_NAME, place / TABLE_NAME
    for path, expected in ((vectors, stored.vectors), (table, stored.table)):
        if (size := path.stat().st_size) != expected.size:
            raise InputError(
                f"{path}: has {size:,} bytes and was written with {expected.size:,}: it is cut or was changed. {ADVICE}"
            )
    expected_statement = statement(stored.number, stored.videos_sha256, fingerprint)
    try:
        # The map lives as long as the arrays that point into it.
        batch = pa.ipc.open_file(pa.memory_map(str(vectors))).get_batch(0)
        # `read_table` would load what reads many files, and pandas with it.
        with pq.ParquetFile(table, page_checksum_verification=True) as file:
            read = file.read()
        found = videos_sha256(read[ID].to_pylist())
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise InputError(f"{place}: a file is damaged ({_first_line(error)}). {ADVICE}") from error
    for path, metadata in ((vectors, batch.schema.metadata), (table, read.schema.metadata)):
        if _stated_in(metadata) != expected_statement:
            raise InputError(
                f"{path}: is the file of another segment, another index or another model: it states "
                f"{_stated_in(metadata)}, expected {expected_statement}. {ADVICE}"
            )
    arrays = {name: _mapped(batch, name, one, stored.rows, vectors) for name, one in layout.items()}
    segment = OpenSegment(stored, arrays, read.replace_schema_metadata(None))
    if batch.num_rows != stored.rows or found != stored.videos_sha256:
        raise InputError(f"{place}: the files have other videos than when they were written. {ADVICE}")
    return segment


def segment_problems(
    folder: pathlib.Path, stored: StoredSegment, layout: Mapping[str, StoredArray], fingerprint: str
) -> list[str]:
    """Returns what is wrong with the files of a segment, every byte of which is read; empty where nothing is."""
    place = segment_folder(folder, stored.number)
    files = ((place / VECTORS_NAME, stored.vectors), (place / TABLE_NAME, stored.table))
    problems = [fault for path, expected in files if (fault := checksum_problem(path, expected.sha256))]
    if problems:
        return problems
    try:
        open_segment(folder, stored, layout, fingerprint)
    except (InputError, FileNotFoundError) as error:
        return [str(error)]
    return []


def _mapped(
    batch: pa.RecordBatch, name: str, expected: StoredArray, rows: int, path: pathlib.Path
) -> np.ndarray:
    """Returns a column as an array that points into the file."""
    if expected.width == 0:
        return np.zeros((rows, *expected.shape), expected.dtype)
    column = batch.column(name) if name in batch.schema.names else None
    if column is None or column.type != pa.list_(pa.from_numpy_dtype(expected.dtype), expected.width):
        found = "nothing" if column is None else column.type
        raise InputError(
            f"{path}: found {found} as {name}, expected rows of {expected.width} {expected.dtype}. {ADVICE}"
        )
    # By DLPack, because pyarrow's own way to NumPy loads pandas wherever it is installed.
    return np.from_dlpack(column.flatten()).reshape(rows, *expected.shape)


def _stated_in(metadata: Mapping[bytes, bytes] | None) -> object:
    try:
        return json.loads((metadata or {})[STATED])
    except (KeyError, ValueError):
        return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
