import collections
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_decoding import assert_text, expected_frames, multi_hot
from records import (
    ATTRIBUTE_SIZES,
    Prepared,
    make_caption,
    make_record,
    make_stream,
    record_starts,
    train_file,
    write_prepared,
)

from data_pipeline.builders.record import EncodedCaption, EncodedFoil
from data_pipeline.input_pipeline import SplitReader, TrainBatches
from data_pipeline.manifest import FRAMES
from mcsan_jax.batch import BatchLimits, PairBatch
from mcsan_jax.errors import InputError

LIMITS = BatchLimits(max_frames=5, max_tokens=8, max_actions=2, max_entities=3, max_relationships=2)
ROOMY = BatchLimits(max_frames=12, max_tokens=20, max_actions=7, max_entities=7, max_relationships=9)


def _train(prepared: Prepared, batch_size: int = 8, seed: int = 3, **options: Any) -> TrainBatches:
    return TrainBatches(prepared.folder, prepared.manifest, "train", batch_size, ROOMY, seed, **options)


def _reader(prepared: Prepared, limits: BatchLimits = LIMITS, split: str = "test") -> SplitReader:
    return SplitReader(prepared.folder, prepared.manifest, split, limits)


def _take(batches: TrainBatches, count: int, step: int = 0) -> list[PairBatch]:
    return list(itertools.islice(batches.from_step(step), count))


def _rows(batch: object, rows: slice) -> object:
    return jax.tree.map(lambda values: values[rows], batch)


def _same(first: object, second: object) -> bool:
    if jax.tree.structure(first) != jax.tree.structure(second):
        return False
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


# Reading a split from end to end.


@pytest.mark.parametrize("limits", [LIMITS, ROOMY], ids=["cut", "padded"])
@pytest.mark.parametrize("batch_size", [1, 4, 9, 50])
def test_videos_are_sampled_concatenated_and_padded(
    prepared: Prepared, limits: BatchLimits, batch_size: int
) -> None:
    records = dict(prepared.records["test"])
    reader = _reader(prepared, limits)
    for ids, batch in reader.video_batches(batch_size):
        assert batch.frames.shape == (batch_size, limits.max_frames, 9)
        assert batch.regions.shape == (batch_size, limits.max_frames, 2, 4)
        assert batch.frames.dtype == batch.regions.dtype == np.float16
        for row, video_id in enumerate(ids):
            record = records.pop(video_id)
            frames, regions = expected_frames(record, prepared, limits.max_frames)
            mask = batch.frame_mask[row]
            np.testing.assert_array_equal(mask, np.arange(limits.max_frames) < len(frames))
            np.testing.assert_array_equal(batch.frames[row][mask], frames)
            np.testing.assert_array_equal(batch.regions[row][mask], regions)
            assert not batch.frames[row][~mask].any()
            assert not batch.regions[row][~mask].any()
            for level, size in ATTRIBUTE_SIZES.items():
                np.testing.assert_array_equal(
                    batch.labels[level][row], multi_hot(record.attributes[level], size)
                )
        for values in jax.tree.leaves(batch):
            assert not values[len(ids) :].any()
    assert not records


def _all_videos(reader: SplitReader) -> list[str]:
    return [video_id for ids, _ in reader.video_batches(4) for video_id in ids]


@pytest.mark.parametrize("limits", [LIMITS, ROOMY], ids=["cut", "padded"])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_captions_come_once_each_in_the_order_of_the_videos(
    prepared: Prepared, limits: BatchLimits, batch_size: int
) -> None:
    reader = _reader(prepared, limits)
    videos = [prepared.records["test"][video_id] for video_id in _all_videos(reader)]
    expected = [(number, caption) for number, record in enumerate(videos) for caption in record.captions]
    seen = 0
    for info, texts in reader.caption_batches(batch_size):
        for row, (caption_id, text, video) in enumerate(zip(info.ids, info.texts, info.videos, strict=True)):
            number, caption = expected[seen]
            assert (video, caption_id, text) == (number, caption.caption_id, caption.text)
            assert_text(texts, row, caption, limits)
            seen += 1
        for values in jax.tree.leaves(texts):
            assert len(values) == batch_size
            assert not values[len(info.ids) :].any()
    assert seen == len(expected) == reader.captions
    assert reader.videos == len(videos)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_foils_know_the_caption_they_were_made_from(prepared: Prepared, batch_size: int) -> None:
    reader = _reader(prepared)
    captions = [text for info, _ in reader.caption_batches(5) for text in info.texts]
    videos = [prepared.records["test"][video_id] for video_id in _all_videos(reader)]
    expected = [(record, foil) for record in videos for foil in record.foils]
    seen = 0
    for info, texts in reader.foil_batches(batch_size):
        for row, (kind, text, caption) in enumerate(zip(info.kinds, info.texts, info.captions, strict=True)):
            record, foil = expected[seen]
            assert (kind, text) == (foil.kind, foil.caption.text)
            assert captions[caption] == record.captions[foil.caption_index].text
            assert_text(texts, row, foil.caption, LIMITS)
            seen += 1
    assert seen == len(expected) == reader.foils


def test_a_split_larger_than_one_read_keeps_its_positions(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 2),)
    caption = make_caption("only", np.random.default_rng(0))
    plain = dataclasses.replace(make_record("v", streams, 0), captions=[caption], foils=[])
    records = [
        dataclasses.replace(
            plain,
            video_id=f"v{i}",
            captions=[dataclasses.replace(caption, caption_id=f"v{i}", text=f"v{i}")] * (i % 3),
            foils=[EncodedFoil("swap", i % 3 - 1, dataclasses.replace(caption, text=f"v{i}"))] * (i % 3 > 0),
        )
        for i in range(150)
    ]
    reader = _reader(write_prepared(tmp_path, streams, {"test": records}))
    videos = _all_videos(reader)
    texts: list[str] = []
    for info, _ in reader.caption_batches(32):
        assert [videos[video] for video in info.videos] == info.texts
        texts += info.texts
    assert len(texts) == reader.captions == 150
    foils: list[bool] = []
    for info, _ in reader.foil_batches(32):
        foils += [text == texts[at] for text, at in zip(info.texts, info.captions, strict=True)]
    assert len(foils) == reader.foils == 100
    assert all(foils)


def test_a_split_without_foils_and_without_regions(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 6),)
    records = [dataclasses.replace(make_record(f"v{i}", streams, i), foils=[]) for i in range(3)]
    reader = _reader(write_prepared(tmp_path, streams, {"test": records}))
    assert list(reader.foil_batches(4)) == []
    ((_, batch),) = reader.video_batches(4)
    assert batch.regions is None


def test_frame_times_are_those_of_the_frames_kept(prepared: Prepared) -> None:
    times = _reader(prepared).frame_times()
    assert times.keys() == prepared.records["test"].keys()
    for video_id, values in times.items():
        stored = prepared.records["test"][video_id].frame_times
        kept = min(len(stored), LIMITS.max_frames)
        index = np.round(np.linspace(0, len(stored) - 1, kept)).astype(int)
        np.testing.assert_array_equal(values, stored[index])
    assert any(len(values) == LIMITS.max_frames for values in times.values())
    assert any(len(values) == 0 for values in times.values())


@settings(deadline=None, max_examples=6)
@given(batch_size=st.integers(1, 40))
def test_full_batches_hold_every_row_once_and_no_other(prepared: Prepared, batch_size: int) -> None:
    reader = _reader(prepared)
    for batches, total, rows_of in (
        (reader.video_batches(batch_size), reader.videos, lambda videos: videos.frame_mask),
        (reader.caption_batches(batch_size), reader.captions, lambda texts: texts.token_mask),
        (reader.foil_batches(batch_size), reader.foils, lambda texts: texts.token_mask),
    ):
        rows = [rows_of(batch) for _, batch in batches]
        assert [len(masks) for masks in rows] == [batch_size] * -(-total // batch_size)
        assert np.concatenate(rows).any(axis=1).tolist() == [True] * total + [False] * (-total % batch_size)


def _single_caption_batch(caption: EncodedCaption, folder: Path, limits: BatchLimits) -> object:
    streams = (make_stream("a", FRAMES, 2),)
    record = dataclasses.replace(make_record("v", streams, 0), captions=[caption], foils=[])
    reader = _reader(write_prepared(folder, streams, {"test": [record]}), limits)
    ((_, texts),) = reader.caption_batches(2)
    return texts


def test_limits_drop_late_nodes_and_the_edges_that_lose_an_end(tmp_path: Path) -> None:
    caption = EncodedCaption(
        caption_id="c",
        text="c",
        token_ids=list(range(1, 11)),
        node_levels=[0, 1, 0, 0, 0, 1, 0],
        node_spans=[(0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (7, 9), (8, 10)],
        node_roles=[1, 0, 2, 3, 4, 0, 5],
        edges=[(5, 6, 9), (1, 4, 8), (1, 0, 1), (1, 2, 2), (5, 3, 3)],
        attributes={"entity": [0, 5]},
    )
    texts = _single_caption_batch(caption, tmp_path, LIMITS)
    # Actions take slots 0 and 1, entities 2 to 4; the fourth entity and the one after token 8 are dropped.
    assert texts.node_mask[0].tolist() == [True] * 5
    assert texts.node_spans[0].tolist() == [[2, 3], [7, 8], [0, 2], [3, 4], [4, 5]]
    assert texts.node_roles[0].tolist() == [0, 0, 1, 2, 3]
    assert texts.edge_source[0].tolist() == [0, 0]
    assert texts.edge_target[0].tolist() == [2, 3]
    assert texts.edge_roles[0].tolist() == [1, 2]
    assert texts.token_ids[0].tolist() == list(range(1, 9))
    assert texts.labels["entity"][0].tolist() == [True, False, False, False, False, True]
    assert not texts.labels["action"].any()


def test_a_caption_without_a_graph(tmp_path: Path) -> None:
    bare = EncodedCaption("c", "c", [4, 5], [], [], [], [], {})
    texts = _single_caption_batch(bare, tmp_path, LIMITS)
    assert texts.token_mask.sum() == 2
    assert not texts.node_mask.any()
    assert not texts.edge_mask.any()


def test_caption_group_is_equal_for_equal_texts_only(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 2),)
    random = np.random.default_rng(0)
    texts = ["a dog runs", "a cat sleeps", "a dog runs", "a dog runs ", "a cat sleeps"]
    captions = [make_caption(f"c{i}", random, text) for i, text in enumerate(texts)]
    record = dataclasses.replace(make_record("v", streams, 0), captions=captions, foils=[])
    reader = _reader(write_prepared(tmp_path, streams, {"test": [record]}))
    ((_, batch),) = reader.caption_batches(5)
    groups = batch.caption_group
    assert groups.dtype == np.int32
    assert (groups >= 0).all()
    assert ((groups[:, None] == groups) == (np.array(texts)[:, None] == np.array(texts))).all()


def test_content_does_not_depend_on_the_padding(prepared: Prepared) -> None:
    wide = dataclasses.replace(ROOMY, max_frames=30, max_tokens=40, max_relationships=20)
    for (_, narrow), (_, padded) in zip(
        _reader(prepared, ROOMY).video_batches(4), _reader(prepared, wide).video_batches(4), strict=True
    ):
        np.testing.assert_array_equal(narrow.frames, padded.frames[:, :12])
        assert not padded.frame_mask[:, 12:].any()
    for (_, short), (_, long) in zip(
        _reader(prepared, ROOMY).caption_batches(4), _reader(prepared, wide).caption_batches(4), strict=True
    ):
        np.testing.assert_array_equal(short.token_ids, long.token_ids[:, :20])
        np.testing.assert_array_equal(short.node_spans, long.node_spans)
        np.testing.assert_array_equal(short.edge_source, long.edge_source[:, :9])
        np.testing.assert_array_equal(short.edge_mask, long.edge_mask[:, :9])


# Training order.


def _pairs(prepared: Prepared, batch: PairBatch) -> list[tuple[str, str]]:
    """(video id, caption id) of each real row, found by content."""
    by_frames = {
        expected_frames(record, prepared, ROOMY.max_frames)[0].tobytes(): record
        for record in prepared.records["train"].values()
    }
    pairs = []
    for row in np.flatnonzero(batch.example_mask):
        record = by_frames[batch.videos.frames[row][batch.videos.frame_mask[row]].tobytes()]
        tokens = batch.texts.token_ids[row][batch.texts.token_mask[row]].tolist()
        caption = next(caption for caption in record.captions if caption.token_ids == tokens)
        assert_text(batch.texts, row, caption, ROOMY)
        pairs.append((record.video_id, caption.caption_id))
    return pairs


def test_an_epoch_shows_every_video_once_and_n_epochs_every_pair_once(prepared: Prepared) -> None:
    batches = _train(prepared)
    assert batches.steps_per_epoch == 3
    epochs = 12  # the least common multiple of one to four captions
    shown: collections.Counter[tuple[str, str]] = collections.Counter()
    orders = set()
    stream = batches.from_step(0)
    for _ in range(epochs):
        pairs = [pair for batch in itertools.islice(stream, 3) for pair in _pairs(prepared, batch)]
        assert sorted(video for video, _ in pairs) == sorted(prepared.records["train"])
        orders.add(tuple(video for video, _ in pairs))
        shown.update(pairs)
    for record in prepared.records["train"].values():
        counts = [shown[record.video_id, caption.caption_id] for caption in record.captions]
        assert counts == [epochs // len(counts)] * len(counts)
    assert len(orders) == epochs


def test_a_pair_is_shown_before_any_is_repeated(prepared: Prepared) -> None:
    stream = _train(prepared).from_step(6)
    record = max(prepared.records["train"].values(), key=lambda record: len(record.captions))
    pairs = [
        pair
        for batch in itertools.islice(stream, 3 * len(record.captions))
        for pair in _pairs(prepared, batch)
    ]
    shown = [caption for video, caption in pairs if video == record.video_id]
    assert sorted(shown) == sorted(caption.caption_id for caption in record.captions)


def test_the_last_batch_of_an_epoch_is_filled_up_with_nothing(prepared: Prepared) -> None:
    last = _take(_train(prepared), 3)[2]
    assert last.example_mask.tolist() == [True] * 7 + [False]
    assert not any(values[7:].any() for values in jax.tree.leaves(last))


def test_any_step_can_be_resumed(prepared: Prepared) -> None:
    uninterrupted = _take(_train(prepared, shuffle_buffer=6), 11)
    for step in (1, 2, 3, 5, 7):
        resumed = _take(_train(prepared, shuffle_buffer=6), 4, step)
        assert all(_same(a, b) for a, b in zip(resumed, uninterrupted[step:], strict=False))


def test_the_seed_decides_the_order(prepared: Prepared) -> None:
    first, again, other = (_take(_train(prepared, seed=seed), 3) for seed in (3, 3, 4))
    assert all(map(_same, first, again))
    assert _pairs(prepared, first[0]) != _pairs(prepared, other[0])


@pytest.mark.parametrize("count", [2, 4, 8])
def test_processes_share_the_global_batch(prepared: Prepared, count: int) -> None:
    whole = _take(_train(prepared), 4)
    for index in range(count):
        own = _take(_train(prepared, process_index=index, process_count=count), 4)
        rows = slice(index * 8 // count, (index + 1) * 8 // count)
        assert all(_same(part, _rows(batch, rows)) for part, batch in zip(own, whole, strict=True))


def test_videos_without_captions_are_masked(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 2),)
    records = [make_record(f"v{i}", streams, i) for i in range(6)]
    records[2] = dataclasses.replace(records[2], captions=[], foils=[])
    batches = _train(write_prepared(tmp_path, streams, {"train": records}), batch_size=6)
    (batch,) = _take(batches, 1)
    assert batch.example_mask.sum() == 5
    (silent,) = np.flatnonzero(~batch.example_mask)
    assert not batch.texts.token_mask[silent].any()
    assert not batch.texts.node_mask[silent].any()


def test_a_batch_that_does_not_divide_among_processes_is_refused(prepared: Prepared) -> None:
    with pytest.raises(InputError, match="batch size is 8; expected a positive multiple of 3"):
        _train(prepared, process_count=3)


@pytest.mark.parametrize("cache", [False, True])
# An epoch has three steps: inside the first, one before its end, at the boundary, one after it.
@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [2, 4])
def test_what_one_process_began_several_go_on_with(
    prepared: Prepared, count: int, step: int, cache: bool
) -> None:
    whole = _take(_train(prepared, shuffle_buffer=6), step + 3)[step:]
    parts = [
        _take(
            _train(prepared, shuffle_buffer=6, process_index=index, process_count=count, cache=cache), 3, step
        )
        for index in range(count)
    ]
    for batch, *own in zip(whole, *parts, strict=True):
        assert _same(jax.tree.map(lambda *rows: np.concatenate(rows), *own), batch)


@pytest.fixture(scope="module")
def splits_of_sizes(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    few = [list(prepared.records["train"].values())[:count] for count in (1, 5)]
    return [
        write_prepared(tmp_path_factory.mktemp("few"), prepared.manifest.streams, {"train": records})
        for records in few
    ] + [prepared]


@settings(deadline=None, max_examples=15)
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
    batches = _train(chosen, batch_size, seed, shuffle_buffer=shuffle_buffer, cache=cache)
    to_the_end_of_the_epoch = -step % batches.steps_per_epoch
    shown = [
        [video for video, _ in _pairs(chosen, batch)]
        for batch in _take(batches, to_the_end_of_the_epoch + batches.steps_per_epoch, step)
    ]
    assert all(len(set(videos)) == len(videos) for videos in shown)
    epoch = [video for videos in shown[to_the_end_of_the_epoch:] for video in videos]
    assert sorted(epoch) == sorted(chosen.records["train"])


def _in_three_files(copy: Prepared) -> Prepared:
    """The same data set with its 23 training records in files of 9, 6 and 8."""
    content = train_file(copy).read_bytes()
    starts = record_starts(content)
    train_file(copy).unlink()
    for number, (first, last) in enumerate([(0, 9), (9, 15), (15, 23)]):
        name = train_file(copy).name.replace("00000-of-00001", f"0000{number}-of-00003")
        (train_file(copy).parent / name).write_bytes(content[starts[first] : starts[last]])
    metadata = train_file(copy).parent / "dataset_info.json"
    before = metadata.read_text()
    after = before.replace('"23"', '"9", "6", "8"')
    assert after != before
    metadata.write_text(after)
    return copy


def test_order_covers_several_files(copy: Prepared) -> None:
    several = _in_three_files(copy)
    batches = _take(_train(several, shuffle_buffer=1), 9)
    epochs = [[pair for batch in batches[i : i + 3] for pair in _pairs(several, batch)] for i in (0, 3, 6)]
    assert all({video for video, _ in epoch} == several.records["train"].keys() for epoch in epochs)
    # Without a shuffle buffer, only the order of the files can make epochs differ.
    assert len({tuple(video for video, _ in epoch) for epoch in epochs}) > 1
    assert all(map(_same, _take(_train(several, shuffle_buffer=1), 5, 4), batches[4:]))


@pytest.mark.parametrize("shuffle_buffer", [1, 6, 4096])
def test_records_kept_in_memory_come_in_the_order_of_the_files(copy: Prepared, shuffle_buffer: int) -> None:
    several = _in_three_files(copy)
    from_files = _take(_train(several, shuffle_buffer=shuffle_buffer), 9)
    kept = _train(several, shuffle_buffer=shuffle_buffer, cache=True)
    for step in (0, 1, 3, 4):
        assert all(map(_same, _take(kept, 9 - step, step), from_files[step:]))


def test_records_kept_in_memory_are_read_once(copy: Prepared) -> None:
    expected = _take(_train(copy), 7)
    stream = _train(copy, cache=True).from_step(0)
    first = next(stream)
    train_file(copy).unlink()
    assert all(map(_same, [first, *itertools.islice(stream, 6)], expected))


def test_a_corrupt_record_is_named_when_records_are_kept(copy: Prepared) -> None:
    content = bytearray(train_file(copy).read_bytes())
    content[record_starts(content)[4] + 100] ^= 1
    train_file(copy).write_bytes(content)
    with pytest.raises(InputError, match=r"Record 5 of 23 in .*video_text-train.* is corrupt"):
        next(_train(copy, cache=True).from_step(0))
