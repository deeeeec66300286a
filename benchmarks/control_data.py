"""Prepared data of which no retrieval can be learned: captions of other videos, or noise for features."""

import dataclasses
import pathlib
import shutil
from collections.abc import Callable, Iterator

import numpy as np

from data_pipeline.annotations.caption import TRAIN, VALIDATION
from data_pipeline.errors import InputError
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import Manifest
from data_pipeline.records.read import parse_example, unflatten_record
from data_pipeline.records.record_files import RecordFile, find_record_files, numpy_elements
from data_pipeline.records.schema import EncodedCaption, EncodedFoil, VideoRecord
from data_pipeline.records.shards import ShardPlan, ShardSummary, ShardWriter, count_splits, record_key

SPLITS = (TRAIN, VALIDATION)

Change = Callable[[str, VideoRecord], VideoRecord]
"""What becomes of a record of a split."""


def read_records(manifest: Manifest, file: RecordFile) -> Iterator[VideoRecord]:
    """The records of a file, in order."""
    dataset = load_tensorflow().data.TFRecordDataset(str(file.path))
    for serialized in numpy_elements(dataset, [file]):
        yield unflatten_record(parse_example(serialized), manifest.streams)


def shuffled_pairs(folder: pathlib.Path, manifest: Manifest, seed: int) -> Change:
    """Gives each training caption, with its foils, to another video; videos keep their numbers of captions.

    A video's attributes become those of its new captions, or they would tell of the old ones.

    Raises:
        InputError: one video has half of the captions or more, so that they cannot all go elsewhere.
    """
    captions: list[tuple[EncodedCaption, list[EncodedFoil]]] = []
    owners: list[str] = []
    for file in find_record_files(folder, manifest, TRAIN):
        for record in read_records(manifest, file):
            for index, caption in enumerate(record.captions):
                captions.append((caption, [foil for foil in record.foils if foil.caption_index == index]))
            owners += [record.video_id] * len(record.captions)
    given: dict[str, list[tuple[EncodedCaption, list[EncodedFoil]]]] = {}
    for owner, taken in zip(owners, places_elsewhere(np.array(owners), seed), strict=True):
        given.setdefault(owner, []).append(captions[taken])

    def change(split: str, record: VideoRecord) -> VideoRecord:
        if split != TRAIN:
            return record
        own = given.get(record.video_id, [])
        attributes = {
            level: sorted({value for caption, _ in own for value in caption.attributes[level]})
            for level in NODE_LEVELS
        }
        foils = [
            dataclasses.replace(foil, caption_index=index)
            for index, (_, of_caption) in enumerate(own)
            for foil in of_caption
        ]
        return dataclasses.replace(
            record, captions=[caption for caption, _ in own], foils=foils, attributes=attributes
        )

    return change


def places_elsewhere(owners: np.ndarray, seed: int) -> np.ndarray:
    """A random order of the places 0, 1, … in which no place holds one of the same owner."""
    if len(owners) == 0 or 2 * np.unique(owners, return_counts=True)[1].max() >= len(owners):
        raise InputError(
            f"split {TRAIN!r} has a video with at least half of its {len(owners)} captions, which cannot be shuffled; "
            "prepare more training videos"
        )
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(owners))
    while len(stuck := np.flatnonzero(owners[order] == owners)):
        for place, other in zip(stuck, draw.integers(len(owners), size=len(stuck)), strict=True):
            order[[place, other]] = order[[other, place]]
    return order


def noise_features(manifest: Manifest, seed: int) -> Change:
    """Replaces the values of all frames and regions by noise of each dimension's mean and deviation."""
    draw = np.random.default_rng(seed)
    moments = {one.name: (np.array(one.mean), np.array(one.std)) for one in manifest.streams}

    def noise(name: str, values: np.ndarray) -> np.ndarray:
        mean, deviation = moments[name]
        largest = np.finfo(np.float16).max
        return np.clip(draw.normal(mean, deviation, values.shape), -largest, largest).astype(np.float16)

    def change(split: str, record: VideoRecord) -> VideoRecord:
        del split
        return dataclasses.replace(
            record,
            frames={name: noise(name, values) for name, values in record.frames.items()},
            regions={name: noise(name, values) for name, values in record.regions.items()},
        )

    return change


def write_control(
    folder: pathlib.Path, manifest: Manifest, name: str, change: Change, out: pathlib.Path
) -> None:
    """Writes training and validation split of prepared data anew, every record changed."""
    from data_pipeline.records.write import write_records

    files = {split: find_record_files(folder, manifest, split) for split in SPLITS}
    first = {
        split: [next(read_records(manifest, file)).video_id for file in of_split]
        for split, of_split in files.items()
    }
    plan = ShardPlan(
        {split: tuple(record_key(split, video_id) for video_id in ids) for split, ids in first.items()}
    )

    def write_shards(writer: ShardWriter) -> list[ShardSummary]:
        return [
            writer.write(split, index, (change(split, record) for record in read_records(manifest, file)))
            for split in SPLITS
            for index, file in enumerate(files[split])
        ]

    out.mkdir(parents=True, exist_ok=True)
    description = f"{manifest.dataset}, protocol {manifest.protocol}, control: {name}"
    records, shards = write_records(write_shards, plan, manifest.streams, out, description=description)
    vectors = [manifest.word_vectors.file] if manifest.word_vectors else []
    for file in (manifest.tokenizer.file, manifest.attributes.file, *vectors):
        shutil.copy(folder / file, out / file)
    dataclasses.replace(
        manifest,
        protocol=f"{manifest.protocol}, control: {name}",
        splits=count_splits(shards),
        records=records,
        checksums={shard.file: shard.sha256 for shard in shards},
    ).save(out)
