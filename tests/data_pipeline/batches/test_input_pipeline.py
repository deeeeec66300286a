"""A split read from end to end: videos, captions and foils, against plain decoding."""

import dataclasses
import re
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.decoding import text_keys
from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.manifest import FRAMES
from data_pipeline.records.schema import EncodedCaption, EncodedFoil
from data_pipeline.text.same_text import WHITE_SPACE, text_key
from tests.support.batches import LIMITS, ROOMY, split_reader
from tests.support.plain_decoding import assert_text, expected_frames, multi_hot
from tests.support.prepared_data import (
    ATTRIBUTE_SIZES,
    Prepared,
    make_caption,
    make_record,
    make_stream,
    write_prepared,
)


@pytest.mark.parametrize(
    ("limits", "batch_size"),
    [(LIMITS, 1), (ROOMY, 4), (LIMITS, 9), (ROOMY, 50)],
    ids=["cut", "padded", "cut, full", "padded, one batch"],
)
def test_videos_are_sampled_concatenated_and_padded(
    prepared: Prepared, limits: BatchLimits, batch_size: int
) -> None:
    records = dict(prepared.records["test"])
    reader = split_reader(prepared, limits)
    sizes = []
    for ids, batch in reader.video_batches(batch_size):
        sizes.append(len(ids))
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
    assert sizes == _full_but_for_the_last(reader.videos, batch_size)


def _full_but_for_the_last(rows: int, batch_size: int) -> list[int]:
    full, rest = divmod(rows, batch_size)
    return [batch_size] * full + [rest] * bool(rest)


def _all_videos(reader: SplitReader) -> list[str]:
    return [video_id for ids, _ in reader.video_batches(4) for video_id in ids]


@pytest.mark.parametrize(
    ("limits", "batch_size"),
    [(LIMITS, 1), (ROOMY, 7), (LIMITS, 100)],
    ids=["cut", "padded", "cut, one batch"],
)
def test_captions_come_once_each_in_the_order_of_the_videos(
    prepared: Prepared, limits: BatchLimits, batch_size: int
) -> None:
    reader = split_reader(prepared, limits)
    videos = [prepared.records["test"][video_id] for video_id in _all_videos(reader)]
    expected = [(number, caption) for number, record in enumerate(videos) for caption in record.captions]
    seen, sizes = 0, []
    for info, texts in reader.caption_batches(batch_size):
        sizes.append(len(info.ids))
        for row, (caption_id, text, video) in enumerate(zip(info.ids, info.texts, info.videos, strict=True)):
            number, caption = expected[seen]
            assert (video, caption_id, text) == (number, caption.caption_id, caption.text)
            assert_text(texts, row, caption, limits)
            seen += 1
        for values in jax.tree.leaves(texts):
            assert len(values) == batch_size
            assert not values[len(info.ids) :].any()
    assert seen == len(expected) == reader.captions
    assert sizes == _full_but_for_the_last(reader.captions, batch_size)
    assert reader.videos == len(videos)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_foils_know_the_caption_they_were_made_from(prepared: Prepared, batch_size: int) -> None:
    reader = split_reader(prepared)
    captions = [text for info, _ in reader.caption_batches(5) for text in info.texts]
    videos = [prepared.records["test"][video_id] for video_id in _all_videos(reader)]
    expected = [(record, foil) for record in videos for foil in record.foils]
    seen, sizes = 0, []
    for info, texts in reader.foil_batches(batch_size):
        sizes.append(len(info.kinds))
        for row, (kind, text, caption) in enumerate(zip(info.kinds, info.texts, info.captions, strict=True)):
            record, foil = expected[seen]
            assert (kind, text) == (foil.kind, foil.caption.text)
            assert captions[caption] == record.captions[foil.caption_index].text
            assert_text(texts, row, foil.caption, LIMITS)
            seen += 1
        for values in jax.tree.leaves(texts):
            assert len(values) == batch_size
            assert not values[len(info.kinds) :].any()
    assert seen == len(expected) == reader.foils
    assert sizes == _full_but_for_the_last(reader.foils, batch_size)


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
    reader = split_reader(write_prepared(tmp_path, streams, {"test": records}))
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
    reader = split_reader(write_prepared(tmp_path, streams, {"test": records}))
    assert list(reader.foil_batches(4)) == []
    ((_, batch),) = reader.video_batches(4)
    assert batch.regions is None


def test_frame_times_are_those_of_the_frames_kept(prepared: Prepared) -> None:
    times = split_reader(prepared).frame_times()
    assert times.keys() == prepared.records["test"].keys()
    for video_id, values in times.items():
        stored = prepared.records["test"][video_id].frame_times
        kept = min(len(stored), LIMITS.max_frames)
        index = np.round(np.linspace(0, len(stored) - 1, kept)).astype(int)
        np.testing.assert_array_equal(values, stored[index])
    assert any(len(values) == LIMITS.max_frames for values in times.values())
    assert any(len(values) == 0 for values in times.values())


def _single_caption_batch(caption: EncodedCaption, folder: Path, limits: BatchLimits) -> object:
    streams = (make_stream("a", FRAMES, 2),)
    record = dataclasses.replace(make_record("v", streams, 0), captions=[caption], foils=[])
    reader = split_reader(write_prepared(folder, streams, {"test": [record]}), limits)
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
        node_negations=[0, 1, 0, 0, 0, 0, 1],
        modifiers=[(6, 4, 1, 2), (0, 3, 8, 9), (0, 2, 0, 1), (5, 1, 7, 10), (1, 0, 1, 2)],
        edges=[(5, 6, 9, 0), (1, 4, 8, 0), (1, 0, 1, 1), (1, 2, 2, 0), (5, 3, 3, 1)],
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
    assert texts.edge_negated[0].tolist() == [True, False]
    # A modifier goes with its node, or where its words are cut off; there is room for two of the other three.
    assert texts.node_negated[0].tolist() == [True, False, False, False, False]
    assert texts.modifier_nodes[0].tolist() == [2, 1]
    assert texts.modifier_kinds[0].tolist() == [2, 1]
    assert texts.modifier_spans[0].tolist() == [[0, 1], [7, 8]]
    assert texts.token_ids[0].tolist() == list(range(1, 9))
    assert texts.labels["entity"][0].tolist() == [True, False, False, False, False, True]
    assert not texts.labels["action"].any()


def test_a_caption_without_a_graph(tmp_path: Path) -> None:
    bare = EncodedCaption("c", "c", [4, 5], [], [], [], [], [], [], {})
    texts = _single_caption_batch(bare, tmp_path, LIMITS)
    assert texts.token_mask.sum() == 2
    assert not texts.node_mask.any()
    assert not texts.modifier_mask.any() and not texts.edge_mask.any()


def test_caption_group_is_equal_for_the_same_texts_only(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 2),)
    random = np.random.default_rng(0)
    texts = ["a dog runs", "a cat sleeps", "A  Dog runs", "a dog runs ", "a dog runs.", "a cat\u00a0sleeps"]
    captions = [make_caption(f"c{i}", random, text) for i, text in enumerate(texts)]
    record = dataclasses.replace(make_record("v", streams, 0), captions=captions, foils=[])
    reader = split_reader(write_prepared(tmp_path, streams, {"test": [record]}))
    ((_, batch),) = reader.caption_batches(8)
    groups = batch.caption_group[: len(texts)]
    assert groups.dtype == np.int32
    assert (groups >= 0).all()
    assert (batch.caption_group[len(texts) :] == 0).all()
    same = np.array([0, 1, 0, 0, 2, 1])
    np.testing.assert_array_equal(groups[:, None] == groups, same[:, None] == same)


CHARACTERS = [chr(code) for code in range(1, 0x250)] + list(
    "ΣσςΟΔΣİıßẞªǅﬁﬀ Ａａ。\u1680\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.text(st.sampled_from(CHARACTERS), max_size=12), min_size=1, max_size=8))
def test_the_rule_in_tensorflow_is_the_rule_in_python(texts: list[str]) -> None:
    found = [key.decode() for key in text_keys(tf.constant(texts)).numpy()]
    assert found == [text_key(text) for text in texts]


def test_white_space_is_what_python_takes_for_it() -> None:
    spaces = "".join(character for character in map(chr, range(sys.maxunicode + 1)) if character.isspace())
    assert re.fullmatch(WHITE_SPACE, spaces)
    assert not any(re.search(WHITE_SPACE, chr(code)) for code in range(0x3100) if not chr(code).isspace())
    assert text_key(f"{spaces}A Man{spaces}RUNS ") == "a man runs"


def test_content_does_not_depend_on_the_padding(prepared: Prepared) -> None:
    wide = dataclasses.replace(ROOMY, max_frames=30, max_tokens=40, max_relationships=20)
    for (_, narrow), (_, padded) in zip(
        split_reader(prepared, ROOMY).video_batches(4),
        split_reader(prepared, wide).video_batches(4),
        strict=True,
    ):
        np.testing.assert_array_equal(narrow.frames, padded.frames[:, :12])
        assert not padded.frame_mask[:, 12:].any()
    for (_, short), (_, long) in zip(
        split_reader(prepared, ROOMY).caption_batches(4),
        split_reader(prepared, wide).caption_batches(4),
        strict=True,
    ):
        np.testing.assert_array_equal(short.token_ids, long.token_ids[:, :20])
        np.testing.assert_array_equal(short.node_spans, long.node_spans)
        np.testing.assert_array_equal(short.edge_source, long.edge_source[:, :9])
        np.testing.assert_array_equal(short.edge_mask, long.edge_mask[:, :9])
