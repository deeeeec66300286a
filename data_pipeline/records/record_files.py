"""This module finds and reads the TFRecord files of a split, and says what is wrong with a broken one."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.manifest import Manifest

_METADATA_NAME = "dataset_info.json"
_FRAMING_BYTES = 16  # length and two checksums around each record
_PREPARE_AGAIN = "Run `python -m data_pipeline.prepare` again to write the records anew."


@dataclasses.dataclass(frozen=True)
class RecordFile:
    """A record file is a TFRecord file.

    Attributes:
        path: the path of the file.
        records: the number of records that it should hold.
    """

    path: Path
    records: int


def find_record_files(prepared_dir: Path, manifest: Manifest, split: str) -> tuple[RecordFile, ...]:
    """Returns the files of a split in order, after a check of their names and sizes.

    Raises:
        InputError: the split is unknown, a file is missing, or the files do not have the sizes with which they were
            written.
    """
    if split not in manifest.splits:
        raise InputError(
            f"The prepared data set in {prepared_dir} has no split {split!r}; "
            f"{nearest_name(split, manifest.splits)}it has {', '.join(sorted(manifest.splits))}."
        )
    folder = prepared_dir / manifest.records
    files, content_bytes = _read_metadata(folder, split)
    if not all(file.path.is_file() for file in files):
        raise damage_report(files)
    records = sum(file.records for file in files)
    if records != manifest.splits[split].videos:
        raise InputError(
            f"The manifest in {prepared_dir} counts {manifest.splits[split].videos} videos in split {split!r}, "
            f"but {folder / _METADATA_NAME} counts {records}. {_PREPARE_AGAIN}"
        )
    # A file that is cut off between two records reads without an error, so sizes are checked.
    if sum(file.path.stat().st_size for file in files) != content_bytes + _FRAMING_BYTES * records:
        raise damage_report(files)
    return files


def damage_report(files: Sequence[RecordFile]) -> InputError:
    """Reads the files one by one and returns an error that names the first bad record or file.

    It reads everything, so it is called only after something went wrong.
    """
    import tensorflow as tf

    for file in files:
        if not file.path.is_file():
            return InputError(f"The record file {file.path} is missing. {_PREPARE_AGAIN}")
    for file in files:
        good = 0
        try:
            for _ in tf.data.TFRecordDataset(str(file.path)):
                good += 1
        except tf.errors.DataLossError as error:
            return InputError(
                f"Record {good + 1} of {file.records} in {file.path} is corrupt or cut off "
                f"({error.message}). {_PREPARE_AGAIN}"
            )
        if good != file.records:
            return InputError(
                f"{file.path} holds {good} records; expected {file.records}: it was cut off or replaced. "
                f"{_PREPARE_AGAIN}"
            )
    names = ", ".join(str(file.path) for file in files)
    return InputError(f"The content of {names} does not have the size it was written with. {_PREPARE_AGAIN}")


def _read_metadata(folder: Path, split: str) -> tuple[tuple[RecordFile, ...], int]:
    """Returns the files of a split and the bytes of their records, from the metadata in the same folder."""
    path = folder / _METADATA_NAME
    try:
        metadata = json.loads(path.read_text())
        entry = next(entry for entry in metadata["splits"] if entry["name"] == split)
        counts = [int(count) for count in entry["shardLengths"]]
        content_bytes = int(entry["numBytes"])
        stem = f"{metadata['name']}-{split}.tfrecord"
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise InputError(
            f"{path} is missing or does not describe split {split!r} ({error!r}). {_PREPARE_AGAIN}"
        ) from error
    files = tuple(
        RecordFile(folder / f"{stem}-{number:05d}-of-{len(counts):05d}", count)
        for number, count in enumerate(counts)
    )
    return files, content_bytes


def numpy_elements(dataset: Any, files: Sequence[RecordFile]) -> Iterator[Any]:
    """Yields the elements of a ``tf.data.Dataset`` that reads record files, as (nested) numpy arrays.

    Raises:
        InputError: one of the files is damaged, found while iterating; the message names the file and the record.
    """
    import tensorflow as tf

    damage = (tf.errors.DataLossError, tf.errors.NotFoundError)
    try:
        yield from dataset.as_numpy_iterator()
    except damage as error:
        raise damage_report(files) from error
