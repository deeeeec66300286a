"""Damaged files of records: found when a split is opened or read, and named."""

import dataclasses
from collections.abc import Callable

import pytest

from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.errors import InputError
from tests.support.batches import split_reader, take, train_batches
from tests.support.prepared_data import Prepared, corrupt_record, record_starts, train_file


def _reader(prepared: Prepared, split: str = "train") -> SplitReader:
    return split_reader(prepared, split=split)


@pytest.mark.parametrize(
    "read",
    [
        lambda copy: take(train_batches(copy), 3),
        lambda copy: take(train_batches(copy, cache=True), 1),
        lambda copy: list(_reader(copy).caption_batches(8)),
        lambda copy: list(_reader(copy).video_batches(8)),
    ],
    ids=["to train", "to train from memory", "captions", "videos"],
)
def test_a_corrupt_record_is_named_by_all_who_read_it(
    copy: Prepared, read: Callable[[Prepared], object]
) -> None:
    corrupt_record(train_file(copy), 5)
    message = r"Record 5 of 23 in .*video_text-train\.tfrecord-00000-of-00001 is corrupt.*prepare` again"
    with pytest.raises(InputError, match=message):
        read(copy)


def test_a_file_cut_off_inside_a_record_is_refused_when_opened(copy: Prepared) -> None:
    content = train_file(copy).read_bytes()
    train_file(copy).write_bytes(content[: record_starts(content)[20] + 50])
    with pytest.raises(
        InputError, match=r"Record 21 of 23 in .*tfrecord-00000-of-00001 is corrupt or cut off"
    ):
        train_batches(copy)


def test_a_file_cut_off_between_records_is_refused_when_opened(copy: Prepared) -> None:
    content = train_file(copy).read_bytes()
    train_file(copy).write_bytes(content[: record_starts(content)[20]])
    with pytest.raises(InputError, match=r"tfrecord-00000-of-00001 holds 20 records; expected 23"):
        _reader(copy)


def test_a_missing_file_is_named(copy: Prepared) -> None:
    train_file(copy).unlink()
    with pytest.raises(InputError, match=r"record file .*tfrecord-00000-of-00001 is missing.*prepare` again"):
        train_batches(copy)


def test_a_file_that_disappears_while_open_is_named(copy: Prepared) -> None:
    batches = train_batches(copy)
    train_file(copy).unlink()
    with pytest.raises(InputError, match=r"record file .*tfrecord-00000-of-00001 is missing"):
        next(batches.from_step(0))


def test_missing_metadata_and_unknown_splits_are_refused(copy: Prepared) -> None:
    with pytest.raises(InputError, match=r"has no split 'val'; it has test, train\."):
        _reader(copy, split="val")
    (train_file(copy).parent / "dataset_info.json").unlink()
    with pytest.raises(InputError, match=r"dataset_info\.json is missing or does not describe split 'train'"):
        train_batches(copy)


def test_records_of_another_preparation_are_refused(copy: Prepared) -> None:
    splits = {**copy.manifest.splits, "train": dataclasses.replace(copy.manifest.splits["train"], videos=24)}
    other = dataclasses.replace(copy, manifest=dataclasses.replace(copy.manifest, splits=splits))
    with pytest.raises(InputError, match=r"counts 24 videos in split 'train'.*counts 23"):
        train_batches(other)
