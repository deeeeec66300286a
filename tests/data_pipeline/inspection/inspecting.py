"""Changes prepared data sets so that only their content is wrong."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data_pipeline.manifest import Manifest


def record_file(folder: Path, split: str) -> Path:
    return folder / Manifest.load(folder).records / f"video_text-{split}.tfrecord-00000-of-00001"


def save_manifest(folder: Path, **changes: Any) -> None:
    """Writes a changed manifest that is valid in itself."""
    dataclasses.replace(Manifest.load(folder), **changes).save(folder)


def read_values(folder: Path, split: str) -> list[Any]:
    """The values of each record by key, as protocol buffers, in the order of the file."""
    import tensorflow as tf

    records = tf.data.TFRecordDataset(str(record_file(folder, split))).as_numpy_iterator()
    return [tf.train.Example.FromString(record).features.feature for record in records]


def change_record(folder: Path, split: str, number: int, change: Callable[[Any], None]) -> None:
    """Changes the values of a record and makes sizes and checksums fit again; ``number`` counts from 1 on."""
    import tensorflow as tf

    path = record_file(folder, split)
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    example = tf.train.Example.FromString(records[number - 1])
    change(example.features.feature)
    before, records[number - 1] = len(records[number - 1]), example.SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)

    metadata_path = path.parent / "dataset_info.json"
    metadata = json.loads(metadata_path.read_text())
    entry = next(entry for entry in metadata["splits"] if entry["name"] == split)
    entry["numBytes"] = str(int(entry["numBytes"]) + len(records[number - 1]) - before)
    metadata_path.write_text(json.dumps(metadata))
    checksums = Manifest.load(folder).checksums | {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    save_manifest(folder, checksums=checksums)
