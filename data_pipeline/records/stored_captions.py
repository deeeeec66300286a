"""This module reads the captions of prepared data alone, without features, graphs and tokens."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from data_pipeline.annotations.caption import Segment
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.manifest import Manifest
from data_pipeline.records.record_files import find_record_files, numpy_elements
from data_pipeline.records.schema import CAPTIONS

_PART = re.compile(r"(?P<video>.+)@(?P<start>[\d.e+-]+)-(?P<end>[\d.e+-]+)", re.DOTALL)
"""The id of a part of a longer video, as `data_pipeline.annotations.own` makes it."""


@dataclasses.dataclass(frozen=True)
class StoredCaptions:
    """The captions of a record.

    Attributes:
        video: id of the record.
        segment: the part of a longer video that the record is, where its id says so.
        texts: the captions, as in the annotations.
    """

    video: str
    segment: Segment | None
    texts: tuple[str, ...]


def stored_captions(prepared_dir: Path, manifest: Manifest) -> Iterator[StoredCaptions]:
    """Yields the captions of all videos of all splits.

    Raises:
        InputError: the records are missing or damaged.
    """
    tf = load_tensorflow()
    texts_key = f"{CAPTIONS}/texts"
    fields = {"video_id": tf.io.FixedLenFeature([], tf.string), texts_key: tf.io.VarLenFeature(tf.string)}
    for split in manifest.splits:
        files = find_record_files(prepared_dir, manifest, split)
        records = tf.data.TFRecordDataset([str(file.path) for file in files])
        parsed = records.map(lambda record: tf.io.parse_single_example(record, fields))
        for one in numpy_elements(parsed.map(lambda one: (one["video_id"], one[texts_key].values)), files):
            video = one[0].decode()
            yield StoredCaptions(video, _segment(video), tuple(text.decode() for text in one[1]))


def stored_video_ids(prepared_dir: Path, manifest: Manifest, split: str) -> list[str]:
    """Returns the ids of the videos of a split, in the order of the records.

    Raises:
        InputError: the records are missing or damaged.
    """
    tf = load_tensorflow()
    files = find_record_files(prepared_dir, manifest, split)
    field = {"video_id": tf.io.FixedLenFeature([], tf.string)}
    records = tf.data.TFRecordDataset([str(file.path) for file in files])
    ids = records.map(lambda record: tf.io.parse_single_example(record, field)["video_id"])
    return [one.decode() for one in numpy_elements(ids, files)]


def _segment(video: str) -> Segment | None:
    found = _PART.fullmatch(video)
    if found is None:
        return None
    try:
        return Segment(found["video"], float(found["start"]), float(found["end"]))
    except ValueError:
        return None
