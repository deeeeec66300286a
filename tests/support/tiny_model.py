"""A network of a few hundred weights and batches to go with it, for the tests of models and evaluation."""

import dataclasses
from typing import Any

import jax
import numpy as np

from data_pipeline.batches.batch import AnyArray, PairBatch, TextBatch, VideoBatch
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from mcsan_jax.config import Config, DataConfig, EvaluationConfig, ModelConfig
from mcsan_jax.models.mcsan import MCSAN, DataShape

SIZES = DataConfig(
    max_frames=5, max_tokens=7, max_actions=2, max_entities=3, max_relationships=4, max_modifiers=3
)
SHAPE = DataShape(
    vocabulary_size=20,
    role_count=4,
    modifier_kind_count=3,
    frame_dim=6,
    region_dim=0,
    attributes=((ENTITY, 5), (ACTION, 4), (RELATIONSHIP, 3)),
)
SHAPE_WITH_REGIONS = dataclasses.replace(SHAPE, region_dim=3)
REGIONS = 2


def tiny_config(data: DataConfig = SIZES, **model: Any) -> Config:
    return Config(
        data=data,
        model=ModelConfig(**{"width": 8, "word_width": 6, "dropout": 0.0, **model}),
        evaluation=EvaluationConfig(encode_batch=8, encoded_bytes=2**20),
    )


def tiny_model(shape: DataShape = SHAPE, data: DataConfig = SIZES, **model: Any) -> MCSAN:
    return MCSAN(tiny_config(data, **model), shape)


def random_batch(count: int, seed: int = 0, shape: DataShape = SHAPE) -> PairBatch:
    """Pairs of all lengths; the first video has all frames, the last caption (if there are two) an empty graph."""
    draw = np.random.default_rng(seed)
    return PairBatch(
        _videos(count, draw, shape), _texts(count, draw, shape), np.arange(count) < max(count - 1, 1)
    )


def _lengths(draw: np.random.Generator, count: int, size: int, least: int) -> np.ndarray:
    lengths = draw.integers(least, size + 1, count)
    lengths[0] = size
    return np.arange(size)[None] < lengths[:, None]


def _labels(draw: np.random.Generator, count: int, shape: DataShape) -> dict[str, AnyArray]:
    return {level: draw.random((count, size)) < 0.3 for level, size in shape.attributes}


def _videos(count: int, draw: np.random.Generator, shape: DataShape) -> VideoBatch:
    mask = _lengths(draw, count, SIZES.max_frames, 1)
    frames = draw.normal(size=(*mask.shape, shape.frame_dim)) * mask[..., None]
    regions = draw.normal(size=(*mask.shape, REGIONS, shape.region_dim)) * mask[..., None, None]
    return VideoBatch(
        frames.astype(np.float16),
        mask,
        regions.astype(np.float16) if shape.region_dim else None,
        _labels(draw, count, shape),
    )


def _texts(count: int, draw: np.random.Generator, shape: DataShape) -> TextBatch:
    token_mask = _lengths(draw, count, SIZES.max_tokens, 2)
    action_mask = _lengths(draw, count, SIZES.max_actions, 1)
    entity_mask = _lengths(draw, count, SIZES.max_entities, 1)
    edge_mask = _lengths(draw, count, SIZES.max_relationships, 1)
    modifier_mask = _lengths(draw, count, SIZES.max_modifiers, 1)
    if count > 1:
        for mask in (action_mask, entity_mask, edge_mask, modifier_mask):
            mask[-1] = False
    node_mask = np.concatenate([action_mask, entity_mask], axis=1)
    start = draw.integers(0, token_mask.sum(axis=1)[:, None], node_mask.shape)
    spans = np.stack([start, np.minimum(start + 2, token_mask.sum(axis=1)[:, None])], axis=-1)
    source = draw.integers(0, np.maximum(action_mask.sum(axis=1), 1)[:, None], edge_mask.shape)
    target = draw.integers(0, np.maximum(entity_mask.sum(axis=1), 1)[:, None], edge_mask.shape)
    modified = draw.integers(0, np.maximum(entity_mask.sum(axis=1), 1)[:, None], modifier_mask.shape)
    first = draw.integers(0, token_mask.sum(axis=1)[:, None], modifier_mask.shape)
    modifier_spans = np.stack([first, first + 1], axis=-1)
    return TextBatch(
        token_ids=draw.integers(1, shape.vocabulary_size, token_mask.shape).astype(np.int32) * token_mask,
        token_mask=token_mask,
        node_spans=spans.astype(np.int32) * node_mask[..., None],
        node_roles=draw.integers(0, shape.role_count, node_mask.shape).astype(np.int32) * node_mask,
        node_negated=(draw.random(node_mask.shape) < 0.2) & node_mask,
        node_mask=node_mask,
        modifier_nodes=(SIZES.max_actions + modified).astype(np.int32) * modifier_mask,
        modifier_kinds=draw.integers(0, shape.modifier_kind_count, modifier_mask.shape).astype(np.int32)
        * modifier_mask,
        modifier_spans=modifier_spans.astype(np.int32) * modifier_mask[..., None],
        modifier_mask=modifier_mask,
        edge_source=source.astype(np.int32) * edge_mask,
        edge_target=(SIZES.max_actions + target).astype(np.int32) * edge_mask,
        edge_roles=draw.integers(0, shape.role_count, edge_mask.shape).astype(np.int32) * edge_mask,
        edge_negated=(draw.random(edge_mask.shape) < 0.2) & edge_mask,
        edge_mask=edge_mask,
        labels=_labels(draw, count, shape),
        caption_group=np.arange(count, dtype=np.int32),
    )


def random_variables(model: MCSAN, batch: PairBatch) -> Any:
    """Variables drawn at random: quicker than initialisers, and no zero hides a mistake."""
    draw = np.random.default_rng(1)

    def fill(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        return (0.1 + 0.4 * draw.normal(size=leaf.shape)).astype(leaf.dtype)

    shapes = jax.eval_shape(model.init, jax.random.key(0), batch)
    variables = jax.tree.map(fill, shapes)
    variables["statistics"] = jax.tree.map(lambda x: 1.0 + np.abs(x), variables["statistics"])
    return variables
