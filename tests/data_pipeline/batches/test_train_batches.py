"""Training order: what an epoch shows, for any number of processes, from any step on."""

import collections
import dataclasses
import itertools
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.batches.batch import PairBatch
from data_pipeline.errors import InputError
from data_pipeline.manifest import FRAMES
from tests.support.batches import rows_of, same, shown_pairs, take, train_batches
from tests.support.prepared_data import (
    Prepared,
    make_record,
    make_stream,
    train_file,
    write_prepared,
)


def test_an_epoch_shows_every_video_once_and_n_epochs_every_pair_once(prepared: Prepared) -> None:
    batches = train_batches(prepared)
    assert batches.steps_per_epoch == 3
    epochs = 12  # the least common multiple of one to four captions
    shown: collections.Counter[tuple[str, str]] = collections.Counter()
    orders = set()
    stream = batches.from_step(0)
    for _ in range(epochs):
        pairs = [pair for batch in itertools.islice(stream, 3) for pair in shown_pairs(prepared, batch)]
        assert sorted(video for video, _ in pairs) == sorted(prepared.records["train"])
        orders.add(tuple(video for video, _ in pairs))
        shown.update(pairs)
    for record in prepared.records["train"].values():
        counts = [shown[record.video_id, caption.caption_id] for caption in record.captions]
        assert counts == [epochs // len(counts)] * len(counts)
    assert len(orders) == epochs


def test_a_pair_is_shown_before_any_is_repeated(prepared: Prepared) -> None:
    stream = train_batches(prepared).from_step(6)
    record = max(prepared.records["train"].values(), key=lambda record: len(record.captions))
    pairs = [
        pair
        for batch in itertools.islice(stream, 3 * len(record.captions))
        for pair in shown_pairs(prepared, batch)
    ]
    shown = [caption for video, caption in pairs if video == record.video_id]
    assert sorted(shown) == sorted(caption.caption_id for caption in record.captions)


def test_several_captions_of_a_video_follow_one_another(prepared: Prepared) -> None:
    """Two at a time, half the epochs show what one at a time shows, in the same order."""
    single = itertools.islice(train_batches(prepared, batch_size=24).from_step(0), 4)
    shown = [_tokens_by_video(batch, 1) for batch in single]
    double = itertools.islice(train_batches(prepared, batch_size=24, captions_per_video=2).from_step(0), 2)
    for number, batch in enumerate(double):
        assert len(batch.texts.token_ids) == 2 * len(batch.example_mask)
        for video, captions in _tokens_by_video(batch, 2).items():
            assert captions == shown[2 * number][video] + shown[2 * number + 1][video]


def _tokens_by_video(batch: PairBatch, per_video: int) -> dict[bytes, list[bytes]]:
    return {
        batch.videos.frames[row].tobytes(): [
            batch.texts.token_ids[row * per_video + place].tobytes() for place in range(per_video)
        ]
        for row in np.flatnonzero(batch.example_mask)
    }


def test_the_last_batch_of_an_epoch_is_filled_up_with_nothing(prepared: Prepared) -> None:
    last = take(train_batches(prepared), 3)[2]
    assert last.example_mask.tolist() == [True] * 7 + [False]
    assert not any(values[7:].any() for values in jax.tree.leaves(last))


@pytest.fixture(scope="module")
def uninterrupted(prepared: Prepared) -> list[PairBatch]:
    """Of one process that begins at step 0; an epoch has three steps."""
    return take(train_batches(prepared, shuffle_buffer=6), 11)


# Inside the first epoch, at the boundary, and inside the third.
@pytest.mark.parametrize("step", [1, 3, 7])
def test_any_step_can_be_resumed(prepared: Prepared, uninterrupted: list[PairBatch], step: int) -> None:
    resumed = take(train_batches(prepared, shuffle_buffer=6), 4, step)
    assert all(map(same, resumed, uninterrupted[step : step + 4]))


def test_the_seed_decides_the_order(prepared: Prepared) -> None:
    first, again, other = (take(train_batches(prepared, seed=seed), 3) for seed in (3, 3, 4))
    assert all(map(same, first, again))
    assert shown_pairs(prepared, first[0]) != shown_pairs(prepared, other[0])


def test_videos_without_captions_are_masked(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 2),)
    records = [make_record(f"v{i}", streams, i) for i in range(6)]
    records[2] = dataclasses.replace(records[2], captions=[], foils=[])
    batches = train_batches(write_prepared(tmp_path, streams, {"train": records}), batch_size=6)
    (batch,) = take(batches, 1)
    assert batch.example_mask.sum() == 5
    (silent,) = np.flatnonzero(~batch.example_mask)
    assert not batch.texts.token_mask[silent].any()
    assert not batch.texts.node_mask[silent].any()


def test_a_batch_that_does_not_divide_among_processes_is_refused(prepared: Prepared) -> None:
    with pytest.raises(InputError, match="batch size is 8; expected a positive multiple of 3"):
        train_batches(prepared, process_count=3)


# From the start; inside the first epoch, one before its end, at the boundary, one after it.
@pytest.mark.parametrize(
    ("index", "count", "step", "cache"),
    [
        (1, 2, 0, False),
        (0, 2, 1, False),
        (1, 2, 2, True),
        (0, 2, 3, False),
        (1, 2, 4, True),
        (2, 4, 2, False),
        (0, 8, 1, True),
        (7, 8, 3, False),
    ],
)
def test_what_one_process_began_several_go_on_with(
    prepared: Prepared, uninterrupted: list[PairBatch], index: int, count: int, step: int, cache: bool
) -> None:
    own = train_batches(prepared, shuffle_buffer=6, process_index=index, process_count=count, cache=cache)
    rows = slice(index * 8 // count, (index + 1) * 8 // count)
    for part, batch in zip(take(own, 4, step), uninterrupted[step : step + 4], strict=True):
        assert same(part, rows_of(batch, rows))


@pytest.fixture(scope="module")
def splits_of_sizes(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    few = [list(prepared.records["train"].values())[:count] for count in (1, 5)]
    return [
        write_prepared(tmp_path_factory.mktemp("few"), prepared.manifest.streams, {"train": records})
        for records in few
    ] + [prepared]


@settings(deadline=None, max_examples=6)
@given(
    data=st.integers(0, 2),
    batch_size=st.integers(1, 30),
    seed=st.integers(0, 2**31),
    shuffle_buffer=st.integers(1, 30),
    step=st.integers(0, 40),
    cache=st.booleans(),
)
def test_no_batch_holds_two_captions_of_a_video(
    splits_of_sizes: list[Prepared],
    data: int,
    batch_size: int,
    seed: int,
    shuffle_buffer: int,
    step: int,
    cache: bool,
) -> None:
    chosen = splits_of_sizes[data]
    batches = train_batches(chosen, batch_size, seed, shuffle_buffer=shuffle_buffer, cache=cache)
    to_the_end_of_the_epoch = -step % batches.steps_per_epoch
    shown = [
        [video for video, _ in shown_pairs(chosen, batch)]
        for batch in take(batches, to_the_end_of_the_epoch + batches.steps_per_epoch, step)
    ]
    assert all(len(set(videos)) == len(videos) for videos in shown)
    epoch = [video for videos in shown[to_the_end_of_the_epoch:] for video in videos]
    assert sorted(epoch) == sorted(chosen.records["train"])


def test_records_kept_in_memory_are_read_once(copy: Prepared) -> None:
    expected = take(train_batches(copy), 7)
    stream = train_batches(copy, cache=True).from_step(0)
    first = next(stream)
    train_file(copy).unlink()
    assert all(map(same, [first, *itertools.islice(stream, 6)], expected))
