"""Batches of small prepared data sets, and their comparison, for tests."""

import itertools
from typing import Any

import jax
import numpy as np

from data_pipeline.batches.batch import BatchLimits, PairBatch
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from tests.support.plain_decoding import assert_text, expected_frames
from tests.support.prepared_data import Prepared

LIMITS = BatchLimits(
    max_frames=5, max_tokens=8, max_actions=2, max_entities=3, max_relationships=2, max_modifiers=2
)
ROOMY = BatchLimits(
    max_frames=12, max_tokens=20, max_actions=7, max_entities=7, max_relationships=9, max_modifiers=4
)


def train_batches(prepared: Prepared, batch_size: int = 8, seed: int = 3, **options: Any) -> TrainBatches:
    return TrainBatches(prepared.folder, prepared.manifest, "train", batch_size, ROOMY, seed, **options)


def split_reader(prepared: Prepared, limits: BatchLimits = LIMITS, split: str = "test") -> SplitReader:
    return SplitReader(prepared.folder, prepared.manifest, split, limits)


def take(batches: TrainBatches, count: int, step: int = 0) -> list[PairBatch]:
    return list(itertools.islice(batches.from_step(step), count))


def rows_of(batch: object, rows: slice) -> object:
    return jax.tree.map(lambda values: values[rows], batch)


def same(first: object, second: object) -> bool:
    if jax.tree.structure(first) != jax.tree.structure(second):
        return False
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def shown_pairs(prepared: Prepared, batch: PairBatch) -> list[tuple[str, str]]:
    """(video id, caption id) of each real row of a `ROOMY` batch, found by content."""
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
