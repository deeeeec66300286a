"""This module writes records as a data set of TensorFlow Datasets."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from absl import logging
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from data_pipeline.errors import InputError
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream
from data_pipeline.records.schema import dataset_features
from data_pipeline.records.shards import ShardPlan, ShardSummary, ShardWriter

RECORDS_FOLDER = "records"

WriteShards = Callable[[ShardWriter], Sequence[ShardSummary]]
"""Makes the records and lets the writer write each shard of its plan, on this machine or on many."""


def write_records(
    write_shards: WriteShards,
    plan: ShardPlan,
    streams: Sequence[FeatureStream],
    data_dir: Path,
    *,
    description: str,
    homepage: str = "",
    citation: str = "",
    license_text: str = "",
) -> tuple[str, list[ShardSummary]]:
    """Writes the records of all splits below ``data_dir/records``, in place of any that are there.

    The same input gives the same bytes, whoever writes which shard.

    Args:
        write_shards: writes the shards.
        plan: the division of the records among files.
        streams: the feature streams; every record must have all of them.
        data_dir: the folder of the prepared data set.
        description, homepage, citation, license_text: texts about the source, which the metadata keeps.

    Returns:
        The folder of the TFRecords relative to ``data_dir``, and the summary of each shard, in the order of the plan's
        splits and of their shards.

    Raises:
        InputError: a record does not fit the streams, there are no streams, or the disk is full.
    """
    _check_streams(streams)
    root = data_dir / RECORDS_FOLDER
    root.mkdir(parents=True, exist_ok=True)
    # The builder would reuse old metadata if it found some.
    shutil.rmtree(root / VideoText.name, ignore_errors=True)
    metadata = {
        "description": description,
        "homepage": homepage,
        "citation": citation,
        "license": license_text,
    }
    builder = VideoText(write_shards, plan, streams, metadata, data_dir=root)
    with tempfile.TemporaryDirectory() as unused:
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        with _only_warnings():
            try:
                builder.download_and_prepare(download_dir=unused, download_config=config)
            except load_tensorflow().errors.OpError as error:
                reason = error.message.rpartition("; ")[2]
                raise InputError(
                    f"{data_dir.parent}: the records cannot be written ({reason}); free some space there, or choose "
                    "another --out"
                ) from error
    return Path(builder.data_dir).relative_to(data_dir.absolute()).as_posix(), builder.shards


class VideoText(FileReaderBuilder):
    """Videos are stored as frame features, with captions as tokens and semantic graphs."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: Mapping[str, str] = {"1.0.0": "First layout."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Nothing is downloaded: `python -m data_pipeline.prepare` reads annotations and features from "
        "files on this machine and writes these records. docs/data.md says where to get them and what they "
        "look like."
    )

    def __init__(
        self,
        write_shards: WriteShards,
        plan: ShardPlan,
        streams: Sequence[FeatureStream],
        metadata: Mapping[str, str],
        *,
        data_dir: Path,
    ) -> None:
        """Takes the arguments of `write_records`; ``shards`` is filled when the records are written."""
        self._write_shards = write_shards
        self._plan = plan
        self._streams = tuple(streams)
        self._metadata = metadata
        self.shards: list[ShardSummary] = []
        super().__init__(data_dir=data_dir.absolute())

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, features=dataset_features(self._streams), **self._metadata)

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig | None = None,
    ) -> None:
        del dl_manager, download_config
        writer = ShardWriter(self.name, str(self.data_dir), self._streams, self._plan)
        splits = list(self._plan.starts)
        self.shards = sorted(
            self._write_shards(writer), key=lambda shard: (splits.index(shard.split), shard.index)
        )
        of_split = {split: [one for one in self.shards if one.split == split] for split in self._plan.starts}
        self.info.set_splits(
            tfds.core.SplitDict([_split_info(shards, writer) for shards in of_split.values()])
        )

    def _log_download_bytes(self) -> None:
        """Prints nothing, because nothing is downloaded."""

    def _log_download_done(self) -> None:
        """Prints nothing; the caller reports what was written."""


def _split_info(summaries: Sequence[ShardSummary], writer: ShardWriter) -> tfds.core.SplitInfo:
    """Returns the description of a split's files for TensorFlow Datasets."""
    first = min(summaries, key=lambda summary: summary.index)
    return tfds.core.SplitInfo(
        name=first.split,
        shard_lengths=[summary.videos for summary in sorted(summaries, key=lambda one: one.index)],
        num_bytes=sum(summary.content_bytes for summary in summaries),
        filename_template=tfds.core.ShardedFileTemplate(
            data_dir=Path(writer.folder),
            dataset_name=writer.name,
            split=first.split,
            filetype_suffix="tfrecord",
        ),
    )


@contextlib.contextmanager
def _only_warnings() -> Iterator[None]:
    """Keeps log lines about folders and file patterns off the terminal."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _check_streams(streams: Sequence[FeatureStream]) -> None:
    kinds = [stream.kind for stream in streams]
    names = [stream.name for stream in streams]
    if FRAMES not in kinds or kinds.count(REGIONS) > 1:
        raise InputError(
            f"Feature streams {names} are of kinds {kinds}; expected at least one {FRAMES!r} and at most one "
            f"{REGIONS!r}."
        )
    if len(set(names)) < len(names) or any(not name or "/" in name for name in names):
        raise InputError(f"Feature streams {names}: names must differ, and none may be empty or contain '/'.")
