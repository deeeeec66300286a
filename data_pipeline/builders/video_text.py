"""Writes prepared videos as TFRecords. This folder alone speaks to TensorFlow Datasets.

The records can be read without this package: ``tfds.builder_from_directory(FOLDER)``.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging
from tensorflow_datasets.core.writer import ExampleWriter

from data_pipeline.builders.record import VideoRecord, flatten_record
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream, SplitSummary
from mcsan_jax.errors import InputError
from mcsan_jax.levels import NODE_LEVELS

RECORDS_FOLDER = "records"

RecordSource = Callable[[], Iterable[VideoRecord]]


def write_records(
    records_by_split: Mapping[str, RecordSource],
    streams: Sequence[FeatureStream],
    data_dir: Path,
    *,
    description: str,
    homepage: str = "",
    citation: str = "",
    license_text: str = "",
) -> tuple[str, dict[str, SplitSummary]]:
    """Writes the records of all splits below ``data_dir/records``, in place of any that are there.

    The same input gives the same bytes; a split is stored in the order of a hash of its video ids.

    Args:
        records_by_split: per split, a function that yields its records.
        streams: feature streams; every record must have all of them.
        data_dir: folder of the prepared data set.
        description, homepage, citation, license_text: of the source, stored in the metadata.

    Returns:
        The folder of the TFRecords relative to ``data_dir``, and what each split holds.

    Raises:
        InputError: a record does not fit the streams, a video occurs twice in a split, or a split is empty.
    """
    _check_streams(streams)
    root = data_dir / RECORDS_FOLDER
    root.mkdir(parents=True, exist_ok=True)
    # The builder takes over old metadata when it finds some.
    shutil.rmtree(root / VideoText.name, ignore_errors=True)
    metadata = {
        "description": description,
        "homepage": homepage,
        "citation": citation,
        "license": license_text,
    }
    builder = VideoText(records_by_split, streams, metadata, data_dir=root)
    with tempfile.TemporaryDirectory() as unused:
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        # Its bars nest and print long file patterns; whoever makes the records shows progress.
        tfds.disable_progress_bar()
        with _only_warnings():
            builder.download_and_prepare(download_dir=unused, download_config=config)
    return Path(builder.data_dir).relative_to(data_dir.absolute()).as_posix(), builder.summaries


class VideoText(tfds.core.GeneratorBasedBuilder):
    """Videos as frame features, with captions as tokens and semantic graphs."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: Mapping[str, str] = {"1.0.0": "First layout."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Nothing is downloaded: `python -m data_pipeline.prepare` reads annotations and features from "
        "files on this machine and writes these records."
    )

    def __init__(
        self,
        records_by_split: Mapping[str, RecordSource],
        streams: Sequence[FeatureStream],
        metadata: Mapping[str, str],
        *,
        data_dir: Path,
    ) -> None:
        """See `write_records`; ``summaries`` is filled while the records are written."""
        self._records_by_split = records_by_split
        self._streams = streams
        self._metadata = metadata
        self.summaries: dict[str, SplitSummary] = {}
        super().__init__(data_dir=data_dir.absolute())

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, features=_features(self._streams), **self._metadata)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[Any]]:
        del dl_manager
        return {
            split: self._generate_examples(split=split, records=source())
            for split, source in self._records_by_split.items()
        }

    def _generate_examples(
        self, *, split: str, records: Iterable[VideoRecord]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        seen: set[str] = set()
        captions = foils = 0
        for record in records:
            if record.video_id in seen:
                raise InputError(
                    f"Video {record.video_id!r} occurs twice in split {split!r}; give each video once, with "
                    "all its captions."
                )
            seen.add(record.video_id)
            captions += len(record.captions)
            foils += len(record.foils)
            yield record.video_id, flatten_record(record, self._streams)
        if not seen:
            raise InputError(f"Split {split!r} has no videos. Leave it out, or check its annotations.")
        self.summaries[split] = SplitSummary(videos=len(seen), captions=captions, foils=foils)

    def _log_download_bytes(self) -> None:
        """Says nothing, for nothing is downloaded."""

    def _log_download_done(self) -> None:
        """Says nothing; the caller reports what was written."""

    def _example_writer(self) -> ExampleWriter:
        return _ReproducibleWriter(self.info.file_format)


class _ReproducibleWriter(ExampleWriter):
    """Protocol buffers leave the order of map entries open, and it differs from process to process."""

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> Any:
        ordered = (
            (key, tf.train.Example.FromString(example).SerializeToString(deterministic=True))
            for key, example in examples
        )
        return super().write(path, ordered)


@contextlib.contextmanager
def _only_warnings() -> Iterator[None]:
    """Keeps the log lines about folders and file patterns off the terminal."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _check_streams(streams: Sequence[FeatureStream]) -> None:
    kinds = [stream.kind for stream in streams]
    names = [stream.name for stream in streams]
    if FRAMES not in kinds or kinds.count(REGIONS) > 1 or not set(kinds) <= {FRAMES, REGIONS}:
        raise InputError(
            f"Feature streams {names} are of kinds {kinds}; expected at least one {FRAMES!r} and at most one "
            f"{REGIONS!r}."
        )
    if len(set(names)) < len(names) or any(not name or "/" in name for name in names):
        raise InputError(f"Feature streams {names}: names must differ, and none may be empty or contain '/'.")


def _features(streams: Sequence[FeatureStream]) -> tfds.features.FeaturesDict:
    return tfds.features.FeaturesDict(
        {
            "video_id": tfds.features.Text(),
            "frames": {
                stream.name: _float16(None, stream.dim) for stream in streams if stream.kind == FRAMES
            },
            "regions": {
                stream.name: _float16(None, stream.regions, stream.dim)
                for stream in streams
                if stream.kind == REGIONS
            },
            "frame_times": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            "captions": _caption_features(),
            "foils": {**_caption_features(), "kinds": _texts(), "caption_indices": _integers()},
            "attributes": {level: _integers() for level in NODE_LEVELS},
        }
    )


def _caption_features() -> dict[str, Any]:
    return {
        "ids": _texts(),
        "texts": _texts(),
        "token_counts": _integers(),
        "token_ids": _integers(),
        "node_counts": _integers(),
        "node_levels": _integers(),
        "node_spans": _integers(2),
        "node_roles": _integers(),
        "edge_counts": _integers(),
        "edges": _integers(3),
        "attribute_counts": {level: _integers() for level in NODE_LEVELS},
        "attributes": {level: _integers() for level in NODE_LEVELS},
    }


def _float16(*shape: int | None) -> tfds.features.Tensor:
    # Without an encoding, TensorFlow's record format would store every value as float32.
    return tfds.features.Tensor(shape=shape, dtype=np.float16, encoding="bytes")


def _integers(*columns: int) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(None, *columns), dtype=np.int32)


def _texts() -> tfds.features.Sequence:
    return tfds.features.Sequence(tfds.features.Text())
