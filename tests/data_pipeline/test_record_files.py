import dataclasses

import pytest

from data_pipeline.input_pipeline import SplitReader, TrainBatches
from mcsan_jax.batch import BatchLimits
from mcsan_jax.errors import InputError
from tests.support.prepared_data import Prepared, record_starts, train_file

LIMITS = BatchLimits(max_frames=5, max_tokens=8, max_actions=2, max_entities=3, max_relationships=2)


def _train(prepared: Prepared) -> TrainBatches:
    return TrainBatches(prepared.folder, prepared.manifest, "train", 8, LIMITS, seed=3)


def _reader(prepared: Prepared, split: str = "train") -> SplitReader:
    return SplitReader(prepared.folder, prepared.manifest, split, LIMITS)


def test_a_corrupt_record_is_named(copy: Prepared) -> None:
    content = bytearray(train_file(copy).read_bytes())
    content[record_starts(content)[4] + 100] ^= 1
    train_file(copy).write_bytes(content)
    message = r"Record 5 of 23 in .*video_text-train\.tfrecord-00000-of-00001 is corrupt.*prepare` again"
    with pytest.raises(InputError, match=message):
        [*zip(range(3), _train(copy).from_step(0), strict=False)]
    reader = _reader(copy)
    with pytest.raises(InputError, match=message):
        list(reader.caption_batches(8))
    with pytest.raises(InputError, match=message):
        list(reader.video_batches(8))


def test_a_file_cut_off_inside_a_record_is_refused_when_opened(copy: Prepared) -> None:
    content = train_file(copy).read_bytes()
    train_file(copy).write_bytes(content[: record_starts(content)[20] + 50])
    with pytest.raises(
        InputError, match=r"Record 21 of 23 in .*tfrecord-00000-of-00001 is corrupt or cut off"
    ):
        _train(copy)


def test_a_file_cut_off_between_records_is_refused_when_opened(copy: Prepared) -> None:
    content = train_file(copy).read_bytes()
    train_file(copy).write_bytes(content[: record_starts(content)[20]])
    with pytest.raises(InputError, match=r"tfrecord-00000-of-00001 holds 20 records; expected 23"):
        _reader(copy)


def test_a_missing_file_is_named(copy: Prepared) -> None:
    train_file(copy).unlink()
    with pytest.raises(InputError, match=r"record file .*tfrecord-00000-of-00001 is missing.*prepare` again"):
        _train(copy)


def test_a_file_that_disappears_while_open_is_named(copy: Prepared) -> None:
    batches = _train(copy)
    train_file(copy).unlink()
    with pytest.raises(InputError, match=r"record file .*tfrecord-00000-of-00001 is missing"):
        next(batches.from_step(0))


def test_missing_metadata_and_unknown_splits_are_refused(copy: Prepared) -> None:
    with pytest.raises(InputError, match=r"has no split 'val'; it has \['test', 'train'\]"):
        _reader(copy, split="val")
    (train_file(copy).parent / "dataset_info.json").unlink()
    with pytest.raises(InputError, match=r"dataset_info\.json is missing or does not describe split 'train'"):
        _train(copy)


def test_records_of_another_preparation_are_refused(copy: Prepared) -> None:
    splits = {**copy.manifest.splits, "train": dataclasses.replace(copy.manifest.splits["train"], videos=24)}
    other = dataclasses.replace(copy, manifest=dataclasses.replace(copy.manifest, splits=splits))
    with pytest.raises(InputError, match=r"counts 24 videos in split 'train'.*counts 23"):
        _train(other)
