"""Several files of records: every part of a batch is read from its own share of them."""

import dataclasses
import shutil
from pathlib import Path

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.order import MOST_PARTS, count_parts, share_of
from data_pipeline.errors import InputError
from data_pipeline.records.record_files import RecordFile
from data_pipeline.records.shards import record_key
from tests.support.batches import rows_of, same, shown_pairs, take, train_batches
from tests.support.prepared_data import Prepared, corrupt_record, record_starts, train_file

SIZES = (9, 6, 8)


@pytest.fixture(scope="module")
def several(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The same data set with its 23 training records in three files, so that a batch of 8 has two parts."""
    folder = tmp_path_factory.mktemp("several") / "data"
    shutil.copytree(prepared.folder, folder)
    made = dataclasses.replace(prepared, folder=folder)
    content = train_file(made).read_bytes()
    starts = record_starts(content)
    train_file(made).unlink()
    for number, records in enumerate(SIZES):
        first = sum(SIZES[:number])
        _file(made, number).write_bytes(content[starts[first] : starts[first + records]])
    metadata = train_file(made).parent / "dataset_info.json"
    before = metadata.read_text()
    after = before.replace('"23"', ", ".join(f'"{records}"' for records in SIZES))
    assert after != before
    metadata.write_text(after)
    return made


@pytest.fixture(scope="module")
def three_epochs(several: Prepared) -> dict[int, list[PairBatch]]:
    """Read from the files by one process; by size of the shuffle buffer."""
    return {size: take(train_batches(several, shuffle_buffer=size), 9) for size in (1, 6)}


def _file(prepared: Prepared, number: int) -> Path:
    return train_file(prepared).with_name(f"video_text-train.tfrecord-{number:05d}-of-00003")


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    batch_size=st.integers(1, 40),
)
def test_the_parts_divide_all_records_evenly(sizes: list[int], batch_size: int) -> None:
    files = [RecordFile(Path(str(number)), size) for number, size in enumerate(sizes)]
    parts = count_parts(len(files), batch_size)
    assert batch_size % parts == 0 and parts <= len(files)
    shares = [
        [
            (run.path.name, run.first + number)
            for run in share_of(files, part, parts)
            for number in range(run.records)
        ]
        for part in range(parts)
    ]
    everything = [(file.path.name, number) for file in files for number in range(file.records)]
    assert [record for share in shares for record in share] == everything
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_a_batch_has_at_most_as_many_parts_as_files() -> None:
    assert [count_parts(files, 12) for files in (1, 2, 5, 6, 11, 12, 50)] == [1, 2, 4, 6, 6, 12, 12]
    assert count_parts(4000, 4096) == MOST_PARTS == 64
    assert count_parts(3, 7) == 1


def test_an_epoch_shows_every_video_once_in_an_order_of_its_own(
    several: Prepared, three_epochs: dict[int, list[PairBatch]]
) -> None:
    batches = three_epochs[1]
    epochs = [
        [pair for batch in batches[i : i + 3] for pair in shown_pairs(several, batch)] for i in (0, 3, 6)
    ]
    for epoch in epochs:
        assert sorted(video for video, _ in epoch) == sorted(several.records["train"])
    # Without a shuffle buffer, only the order of the files can make epochs differ.
    assert len({tuple(video for video, _ in epoch) for epoch in epochs}) > 1
    assert all(map(same, take(train_batches(several, shuffle_buffer=1), 5, 4), batches[4:]))


@pytest.mark.parametrize("shuffle_buffer", [1, 30], ids=["order of files", "order within files"])
def test_the_seed_decides_the_order_of_the_videos(several: Prepared, shuffle_buffer: int) -> None:
    orders = set()
    for seed in range(4):
        batches = take(train_batches(several, seed=seed, shuffle_buffer=shuffle_buffer), 6)
        orders.add(tuple(video for batch in batches for video, _ in shown_pairs(several, batch)))
    assert len(orders) > 1


def test_each_half_of_a_batch_comes_from_its_half_of_the_records(several: Prepared) -> None:
    in_order = sorted(several.records["train"], key=lambda video: record_key("train", video))
    for batch in take(train_batches(several), 3):
        for rows, half in ((slice(0, 4), in_order[:11]), (slice(4, 8), in_order[11:])):
            own = jax.tree.map(lambda values, rows=rows: values[rows], batch)
            assert {video for video, _ in shown_pairs(several, own)} <= set(half)


@pytest.mark.parametrize(
    ("index", "count", "cache"),
    [(0, 2, False), (1, 2, False), (0, 2, True), (1, 2, True), (1, 4, False), (2, 4, False)],
)
def test_processes_share_the_batch_and_the_files(
    several: Prepared, three_epochs: dict[int, list[PairBatch]], index: int, count: int, cache: bool
) -> None:
    own = train_batches(several, shuffle_buffer=6, process_index=index, process_count=count, cache=cache)
    # The second file lies across the middle.
    assert (own.files_read, own.files) == (2, 3)
    rows = slice(index * 8 // count, (index + 1) * 8 // count)
    for part, batch in zip(take(own, 5, 1), three_epochs[6][1:6], strict=True):
        assert same(part, rows_of(batch, rows))


@pytest.mark.parametrize("cache", [False, True])
def test_a_process_reads_no_file_of_others(several: Prepared, tmp_path: Path, cache: bool) -> None:
    damaged = dataclasses.replace(several, folder=tmp_path / "damaged")
    shutil.copytree(several.folder, damaged.folder)
    first, second = (
        train_batches(damaged, process_index=index, process_count=2, cache=cache) for index in (0, 1)
    )
    expected = take(first, 7)
    corrupt_record(_file(damaged, 2), 4)
    assert all(map(same, take(first, 7), expected))
    with pytest.raises(InputError, match=r"Record 4 of 8 in .*-00002-of-00003 is corrupt"):
        take(second, 7)


@pytest.mark.parametrize("shuffle_buffer", [1, 6])
def test_records_kept_in_memory_come_in_the_order_of_the_files(
    several: Prepared, three_epochs: dict[int, list[PairBatch]], shuffle_buffer: int
) -> None:
    kept = train_batches(several, shuffle_buffer=shuffle_buffer, cache=True)
    for step in (0, 4):
        assert all(map(same, take(kept, 9 - step, step), three_epochs[shuffle_buffer][step:]))
