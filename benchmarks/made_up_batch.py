"""Made-up training batches in the shape of MSR-VTT's: noise for features, captions of true lengths.

Captions of MSR-VTT have 9.3 words on average with a standard deviation of 4.2, and 1.7 action and 3.3 entity nodes
of 4 and 6 slots. Numbers are drawn from distributions with these means that do not exceed the slots.
"""

import numpy as np

from data_pipeline.batches.batch import AnyArray, PairBatch, TextBatch, VideoBatch
from mcsan_jax.config import DataConfig
from mcsan_jax.models.mcsan import DataShape

WORDS, WORDS_SHAPE = 9.3, 7
"""Mean number of words, and the shape of their negative binomial distribution that gives the spread."""
ACTIONS, ENTITIES, RELATIONSHIPS, MODIFIERS = 1.7, 3.3, 2.9, 1.0
"""Mean numbers of nodes, of relationships and of modifiers."""
LABELS = 5
"""Mean number of attributes of a video or caption at a level."""


def make_batch(size: int, data: DataConfig, shape: DataShape, seed: int = 0) -> PairBatch:
    """A batch of `size` pairs; equal arguments give equal batches.

    Videos have all frames. Captions have between one token and all token slots, and from no node to all slots.
    """
    draw = np.random.default_rng(seed)
    frames = draw.standard_normal((size, data.max_frames, shape.frame_dim), np.float32)
    videos = VideoBatch(
        frames=frames.astype(np.float16),
        frame_mask=np.ones((size, data.max_frames), bool),
        regions=None,
        labels=_labels(draw, size, shape),
    )
    return PairBatch(videos, _make_texts(draw, size, data, shape), np.ones(size, bool))


def draw_node_masks(draw: np.random.Generator, size: int, data: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """Real action slots [size, max_actions] and entity slots [size, max_entities]; real ones come first."""
    return (
        _first(_binomial(draw, size, data.max_actions, ACTIONS), data.max_actions),
        _first(_binomial(draw, size, data.max_entities, ENTITIES), data.max_entities),
    )


def _make_texts(draw: np.random.Generator, size: int, data: DataConfig, shape: DataShape) -> TextBatch:
    more_words = draw.negative_binomial(WORDS_SHAPE, WORDS_SHAPE / (WORDS_SHAPE + WORDS - 1), size)
    lengths = np.minimum(1 + more_words, data.max_tokens)
    token_mask = _first(lengths, data.max_tokens)
    action_mask, entity_mask = draw_node_masks(draw, size, data)
    node_mask = np.concatenate([action_mask, entity_mask], axis=1)
    start = draw.integers(0, lengths[:, None], node_mask.shape)
    # A quarter of the nodes have two words.
    end = np.minimum(start + 1 + (draw.random(node_mask.shape) < 0.25), lengths[:, None])

    modifier_mask = _first(_binomial(draw, size, data.max_modifiers, MODIFIERS), data.max_modifiers)
    modifier_mask &= node_mask.any(axis=1)[:, None]
    modified = np.argmax(
        draw.random((*modifier_mask.shape, node_mask.shape[1])) * node_mask[:, None], axis=-1
    )
    modifier_start = draw.integers(0, lengths[:, None], modifier_mask.shape)
    modifier_spans = np.stack([modifier_start, modifier_start + 1], axis=-1)

    action_count, entity_count = action_mask.sum(axis=1), entity_mask.sum(axis=1)
    relationships = _binomial(draw, size, data.max_relationships, RELATIONSHIPS)
    relationships[(action_count == 0) | (entity_count == 0)] = 0
    edge_mask = _first(relationships, data.max_relationships)
    source = draw.integers(0, np.maximum(action_count, 1)[:, None], edge_mask.shape)
    target = data.max_actions + draw.integers(0, np.maximum(entity_count, 1)[:, None], edge_mask.shape)

    def ids(count: int, mask: np.ndarray) -> np.ndarray:
        return draw.integers(1, count, mask.shape).astype(np.int32) * mask

    return TextBatch(
        token_ids=ids(shape.vocabulary_size, token_mask),
        token_mask=token_mask,
        node_spans=np.stack([start, end], axis=-1).astype(np.int32) * node_mask[..., None],
        node_roles=ids(shape.role_count, node_mask),
        node_negated=np.zeros(node_mask.shape, bool),
        node_mask=node_mask,
        modifier_nodes=modified.astype(np.int32) * modifier_mask,
        modifier_kinds=ids(shape.modifier_kind_count, modifier_mask),
        modifier_spans=modifier_spans.astype(np.int32) * modifier_mask[..., None],
        modifier_mask=modifier_mask,
        edge_source=source.astype(np.int32) * edge_mask,
        edge_target=target.astype(np.int32) * edge_mask,
        edge_roles=ids(shape.role_count, edge_mask),
        edge_negated=np.zeros(edge_mask.shape, bool),
        edge_mask=edge_mask,
        labels=_labels(draw, size, shape),
        caption_group=np.arange(size, dtype=np.int32),
    )


def _binomial(draw: np.random.Generator, size: int, most: int, mean: float) -> np.ndarray:
    return draw.binomial(most, min(mean / most, 1.0), size)


def _first(counts: np.ndarray, slots: int) -> np.ndarray:
    """True in the first `counts` of the slots of each row."""
    return np.arange(slots)[None] < counts[:, None]


def _labels(draw: np.random.Generator, size: int, shape: DataShape) -> dict[str, AnyArray]:
    return {
        level: draw.random((size, count)) < LABELS / max(count, LABELS) for level, count in shape.attributes
    }
