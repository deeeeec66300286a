"""This module says which records go into which file and in what order, and writes one such file (a shard).

One process writes a shard from beginning to end. Its content depends on the records alone, so that any number of
processes in any order writes the same files. Only writing loads TensorFlow, the import does not.
"""

import bisect
import collections
import dataclasses
import hashlib
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from data_pipeline.annotations.caption import TRAIN
from data_pipeline.errors import InputError
from data_pipeline.features.statistics import RunningStatistics
from data_pipeline.host.files import replacing, sha256_of
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.levels import FOIL_KINDS
from data_pipeline.manifest import CaptionSizes, FeatureStream, SplitSummary
from data_pipeline.records.schema import VideoRecord, flatten_record

SHARD_BYTES = 2**27
"""A file has about this size: small enough for one worker at a time, large enough to be read in one go."""


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """A shard plan says how the records of each split are divided among files.

    Records are in the order of a hash of their video id (that of TensorFlow Datasets, salted with the split);
    shards are runs of equal length in that order.

    Attributes:
        starts: the hash at which each shard begins, by split.
    """

    starts: Mapping[str, tuple[int, ...]]

    @staticmethod
    def divide(
        videos_of: Mapping[str, Sequence[str]], record_bytes: int, shard_bytes: int = SHARD_BYTES
    ) -> "ShardPlan":
        """Plans the files.

        Args:
            videos_of: the ids of the videos of each split, at least one.
            record_bytes: the approximate size of a record.
            shard_bytes: the approximate size of a file.

        Raises:
            InputError: a split has no videos, or has one twice.
        """
        for split, ids in videos_of.items():
            if not ids:
                raise InputError(f"Split {split!r} has no videos. Leave it out, or check its annotations.")
            if len(set(ids)) < len(ids):
                twice = next(one for one, count in collections.Counter(ids).items() if count > 1)
                raise InputError(
                    f"Video {twice!r} occurs twice in split {split!r}; give each video once, with all its captions."
                )
        per_shard = max(1, shard_bytes // record_bytes)
        return ShardPlan(
            {
                split: tuple(sorted(record_key(split, video_id) for video_id in ids)[::per_shard])
                for split, ids in videos_of.items()
            }
        )

    def count(self, split: str) -> int:
        """Returns the number of files of a split."""
        return len(self.starts[split])

    def shard_of(self, split: str, video_id: str) -> int:
        """Returns the number of the file that holds a video."""
        return bisect.bisect_right(self.starts[split], record_key(split, video_id)) - 1


def record_key(split: str, video_id: str) -> int:
    """Returns the number of 128 bits by which the records of a split are sorted."""
    return int(hashlib.md5(f"{split}{video_id}".encode(), usedforsecurity=False).hexdigest(), 16)


@dataclasses.dataclass(frozen=True)
class ShardSummary:
    """A shard summary says what was written into a file.

    Attributes:
        split, index: the split, and the number of the shard in it.
        file: the name of the file.
        videos, captions: the numbers of those that it holds.
        captions_without_foil: the number of captions of which it has no foil.
        foil_kinds: the number of foils of each kind.
        content_bytes: the size of its records in bytes.
        sha256: the SHA-256 of the file, hexadecimal.
        caption_sizes: the lengths of the captions.
        statistics: the statistics of the features of each stream; empty unless the split is for training.
    """

    split: str
    index: int
    file: str
    videos: int
    captions: int
    captions_without_foil: int
    foil_kinds: Mapping[str, int]
    content_bytes: int
    sha256: str
    caption_sizes: CaptionSizes
    statistics: Mapping[str, RunningStatistics]

    def to_json(self) -> dict[str, Any]:
        """Returns plain values, from which `from_json` rebuilds the summary."""
        statistics = {name: one.to_json() for name, one in self.statistics.items()}
        return {
            **vars(self),
            "caption_sizes": dataclasses.asdict(self.caption_sizes),
            "statistics": statistics,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "ShardSummary":
        """Rebuilds a summary from `to_json`'s values."""
        statistics = {name: RunningStatistics.from_json(one) for name, one in value["statistics"].items()}
        sizes = CaptionSizes(**value["caption_sizes"])
        return ShardSummary(**{**value, "caption_sizes": sizes, "statistics": statistics})


@dataclasses.dataclass(frozen=True)
class ShardWriter:
    """A shard writer writes shards into a folder; it can be sent to another process.

    Attributes:
        name: the name of the data set, with which file names begin.
        folder: the folder of the files.
        streams: the feature streams that every record has.
        plan: the division of the records among files.
    """

    name: str
    folder: str
    streams: tuple[FeatureStream, ...]
    plan: ShardPlan

    def write(self, split: str, index: int, records: Iterable[VideoRecord]) -> ShardSummary:
        """Writes one file, in one step.

        Args:
            split, index: the split, and the number of the shard in it.
            records: its records, in the order of `record_key`.

        Raises:
            InputError: a record does not fit the streams.
        """
        tf = load_tensorflow()
        counts = {"videos": 0, "captions": 0, "captions_without_foil": 0, "content_bytes": 0}
        foil_kinds: collections.Counter[str] = collections.Counter()
        sizes: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
        statistics = {stream.name: RunningStatistics() for stream in self.streams} if split == TRAIN else {}
        path = self.path(split, index)
        with replacing(path) as partial, tf.io.TFRecordWriter(str(partial)) as file:
            for record, content in self._serialize(records):
                file.write(content)
                counts["videos"] += 1
                counts["captions"] += len(record.captions)
                have_foils = {foil.caption_index for foil in record.foils}
                counts["captions_without_foil"] += len(record.captions) - len(have_foils)
                foil_kinds.update(foil.kind for foil in record.foils)
                counts["content_bytes"] += len(content)
                for caption in record.captions:
                    for part, size in caption.sizes().items():
                        sizes[part][size] += 1
                for name, one in statistics.items():
                    one.update(record.frames[name] if name in record.frames else record.regions[name])
        histograms = {part: tuple(of[n] for n in range(max(of) + 1)) for part, of in sizes.items()}
        return ShardSummary(
            split,
            index,
            path.name,
            foil_kinds=dict(foil_kinds),
            sha256=sha256_of(path),
            caption_sizes=CaptionSizes(**histograms),
            statistics=statistics,
            **counts,
        )

    def path(self, split: str, index: int) -> pathlib.Path:
        """Returns the path of the file of a shard."""
        count = self.plan.count(split)
        return pathlib.Path(self.folder) / f"{self.name}-{split}.tfrecord-{index:05d}-of-{count:05d}"

    def _serialize(self, records: Iterable[VideoRecord]) -> Iterator[tuple[VideoRecord, bytes]]:
        tf = load_tensorflow()
        from tensorflow_datasets.core.example_serializer import ExampleSerializer

        from data_pipeline.records.schema import dataset_features

        features = dataset_features(self.streams)
        serializer = ExampleSerializer(features.get_serialized_info())
        for record in records:
            example = features.encode_example(flatten_record(record, self.streams))
            # Protocol buffers leave the order of map entries open, and it differs between processes.
            ordered = tf.train.Example.FromString(serializer.serialize_example(example))
            yield record, ordered.SerializeToString(deterministic=True)


def count_splits(shards: Sequence[ShardSummary]) -> dict[str, SplitSummary]:
    """Returns what each split holds in all its files."""
    return {
        split: SplitSummary(
            videos=sum(shard.videos for shard in shards if shard.split == split),
            captions=sum(shard.captions for shard in shards if shard.split == split),
            foils=sum(sum(shard.foil_kinds.values()) for shard in shards if shard.split == split),
        )
        for split in dict.fromkeys(shard.split for shard in shards)
    }


def count_foils(shards: Sequence[ShardSummary], made_for: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Counts the foils of each kind, and the captions without any, of each split that has foils.

    Args:
        shards: all files.
        made_for: the splits that were to have foils of all kinds, so that a kind without any is counted as well.
    """
    counts = {}
    for split in dict.fromkeys(shard.split for shard in shards):
        own = [shard for shard in shards if shard.split == split]
        kinds = collections.Counter(dict.fromkeys(FOIL_KINDS if split in made_for else (), 0))
        for shard in own:
            kinds.update(shard.foil_kinds)
        if kinds:
            without = sum(shard.captions_without_foil for shard in own)
            counts[split] = {"kinds": dict(kinds), "captions_without_foil": without}
    return counts


def sizes_of_captions(shards: Sequence[ShardSummary]) -> dict[str, CaptionSizes]:
    """How long the captions of each split are."""
    return {
        split: CaptionSizes.total(shard.caption_sizes for shard in shards if shard.split == split)
        for split in dict.fromkeys(shard.split for shard in shards)
    }
