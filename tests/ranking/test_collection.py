import dataclasses
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.levels import ENTITY, GLOBAL
from mcsan_jax.config import EvaluationConfig, SimilarityConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet, ScoringParameters
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection, VideoCollection
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.scoring.normalised import (
    NormalisedTexts,
    NormalisedVideos,
    normalise_texts,
    normalise_videos,
)
from mcsan_jax.sharding import make_mesh
from tests.support.tiny_model import tiny_config

COUNTS = np.array([2, 0, 3, 1, 0, 1])


def batches() -> list[tuple[int, NormalisedTexts]]:
    """Two batches of four captions, the second filled up with two that are not there."""
    counts = np.concatenate([COUNTS, [0, 0]])
    mask = np.arange(3)[None] < counts[:, None]
    vectors = np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32)
    # The third caption denies its second node, and the last one its only node.
    negated = np.zeros((8, 3), bool)
    negated[2, 1] = negated[5, 0] = negated[6] = True
    pooled = vectors[:, 0]
    normalised = [
        normalise_texts(
            Encoding(
                LevelEmbeddings(
                    jnp.asarray(pooled[rows]),
                    {ENTITY: NodeSet(*map(jnp.asarray, (vectors[rows], mask[rows], negated[rows])))},
                ),
                {},
            )
        )
        for rows in (slice(0, 4), slice(4, 8))
    ]
    return [(4, normalised[0]), (2, normalised[1])]


def test_captions_keep_their_own_nodes_only() -> None:
    texts = TextCollection.gather(batches())
    assert len(texts) == 6
    nodes = texts.nodes[ENTITY]
    np.testing.assert_array_equal(nodes.counts, COUNTS)
    assert nodes.queries.shape == (7, 4)
    np.testing.assert_allclose(np.linalg.norm(nodes.queries, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(nodes.negated), [3, 6])
    assert texts.bytes_per_caption == 4 * 4 * (7 + 6) / 6


def test_any_captions_can_be_taken_in_any_order() -> None:
    texts = TextCollection.gather(batches())
    rows = np.array([5, 4, 2, 0])
    taken = texts.take(rows, 5, {ENTITY: 8})
    packed = taken.nodes[ENTITY]
    np.testing.assert_array_equal(packed.queries[:6], texts.nodes[ENTITY].queries[[6, 2, 3, 4, 0, 1]])
    np.testing.assert_array_equal(packed.queries[6:], 0)
    np.testing.assert_array_equal(packed.groups, [0, 1, 1, 1, 2, 2, 5, 5])
    np.testing.assert_allclose(packed.shares, [-1, 1 / 3, -1 / 3, 1 / 3, 0.5, 0.5, 0, 0])
    padded = texts.nodes[ENTITY].padded(rows)
    np.testing.assert_array_equal(np.argwhere(padded.negated), [[0, 0], [2, 1]])
    np.testing.assert_array_equal(
        texts.rows(rows).nodes[ENTITY].negated, [True, False, True, False, False, False]
    )
    np.testing.assert_array_equal(packed.present, [True, False, True, True, False])
    np.testing.assert_array_equal(taken.pooled[:4], texts.pooled[rows])
    np.testing.assert_array_equal(taken.pooled[4:], 0)


def test_the_capacity_for_neighbours_holds_every_block() -> None:
    counts = np.array([100, 0, 50, 120, 30, 7])
    nodes = CaptionNodes(np.zeros((counts.sum(), 2), np.float32), counts, np.zeros(counts.sum(), bool))
    texts = TextCollection(None, {ENTITY: nodes}, {}, len(counts))
    assert texts.capacity(2) == {ENTITY: 256}, "captions 2 and 3 have 170 nodes"
    assert texts.capacity(6) == {ENTITY: 384}
    assert texts.capacity_for(np.array([0, 5])) == {ENTITY: 128}
    assert texts.capacity_for(np.array([1])) == {ENTITY: 128}


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 nodes, of which 3 are denied or not, but captions count 4"):
        CaptionNodes(np.zeros((3, 2), np.float32), np.array([4]), np.zeros(3, bool))


def test_videos_are_filled_up_with_videos_without_frames() -> None:
    frames = NodeSet(jnp.ones((3, 2, 4), jnp.float32), jnp.ones((3, 2), bool))
    normalised = normalise_videos(Encoding(LevelEmbeddings(None, {ENTITY: frames}), {}))
    videos = VideoCollection.gather([(3, normalised), (1, normalised)])
    assert len(videos) == 4
    taken = videos.take(np.array([3, 0]), 3).frames[ENTITY]
    np.testing.assert_array_equal(taken.lengths, [[1, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(taken.directions[2], 0)


def test_vectors_of_the_linear_branch_are_scored_in_blocks() -> None:
    """Batches with rows that fill up, blocks of a few rows on two devices, and any rows give what all at once give."""
    draw = np.random.default_rng(3)
    videos, texts = (draw.normal(size=(count, 5)).astype(np.float32) for count in (11, 27))

    def batches(rows: np.ndarray, size: int) -> Iterator[tuple[int, jax.Array]]:
        for start in range(0, len(rows), size):
            real = rows[start : start + size]
            yield len(real), jnp.asarray(np.concatenate([real, np.ones((size - len(real), 5), np.float32)]))

    config = dataclasses.replace(
        tiny_config(levels=(GLOBAL,)),
        similarity=SimilarityConfig(linear_branch=True),
        evaluation=EvaluationConfig(encode_batch=8, encoded_bytes=300),
    )
    collections = (
        VideoCollection.gather(
            (real, NormalisedVideos(rows[:, :2], {}, {}, rows[:, 2:])) for real, rows in batches(videos, 4)
        ),
        TextCollection.gather(
            (real, NormalisedTexts(rows[:, :2], {}, {}, rows[:, 2:])) for real, rows in batches(texts, 8)
        ),
    )
    assert collections[1].bytes_per_caption == 5 * 4
    parameters = ScoringParameters({GLOBAL: jnp.float32(1)}, jnp.float32(1), jnp.float32(0.4))
    scorer = BlockScorer(*collections, parameters, config, mesh=make_mesh(jax.devices()[:2]))
    expected = 0.6 * videos[:, :2] @ texts[:, :2].T + 0.4 * videos[:, 2:] @ texts[:, 2:].T
    found = np.full(expected.shape, np.nan)
    strips = scorer.blocks()
    assert len(strips) > 1 and len(strips[0]) > 1
    for (rows, columns), scores in itertools.chain.from_iterable(map(scorer.scores, strips)):
        found[rows, columns] = scores[FUSED]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    some_videos, some_texts = np.array([7, 0]), np.array([20, 3, 11])
    of_some = scorer.scores_of(some_videos, some_texts)
    np.testing.assert_allclose(of_some[FUSED], expected[np.ix_(some_videos, some_texts)], atol=1e-5)
    np.testing.assert_array_equal(collections[1].rows(some_texts).linear, texts[some_texts, 2:])
