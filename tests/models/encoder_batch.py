"""A batch in which an encoder meets everything that it must tell apart."""

import dataclasses
from typing import Any

import numpy as np

from data_pipeline.batches.batch import PairBatch, TextBatch
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from mcsan_jax.models.mcsan import DataShape
from tests.support.tiny_model import SIZES, random_batch

COUNT = 5
STATE_WIDTH = 5
"""Of the states that a pretrained encoder made."""
EDGES = (
    [(0, 2), (1, 3), (3, 4), (0, 4)],
    [(0, 3), (0, 2)],
    [],
    [],
    [],
)
"""Source and target of each caption's edges; one of the first caption's goes from an entity to another."""
MODIFIED = ([0, 3, 3], [2], [], [], [])
"""The node slots of each caption's modifiers; one node of the first caption has two."""


def encoder_batch(shape: DataShape, with_token_states: bool = False) -> PairBatch:
    """Videos and captions of all lengths down to one and none, and nonsense wherever a mask is False.

    The first caption has nodes, modifiers and edges in all slots, the second in some, the third a single node and
    token, the fourth tokens only. The first two deny some of their nodes and edges, the third its only node.
    """
    draw = np.random.default_rng(7)
    batch = random_batch(COUNT, shape=shape)
    frame_mask = _first([5, 3, 1, 4, 0], SIZES.max_frames)
    token_mask = _first([7, 4, 1, 5, 0], SIZES.max_tokens)
    action_mask = _first([2, 1, 1, 0, 0], SIZES.max_actions)
    entity_mask = _first([3, 2, 0, 0, 0], SIZES.max_entities)
    node_mask = np.concatenate([action_mask, entity_mask], axis=1)
    edge_mask = _first([len(edges) for edges in EDGES], SIZES.max_relationships)
    edges = _integers(draw, SIZES.max_actions + SIZES.max_entities, (*edge_mask.shape, 2))
    for row, of_caption in enumerate(EDGES):
        edges[row, : len(of_caption)] = np.reshape(of_caption, (-1, 2))
    lengths = np.maximum(token_mask.sum(axis=1), 1)[:, None]
    modifier_mask = _first([len(slots) for slots in MODIFIED], SIZES.max_modifiers)
    modifier_nodes = _integers(draw, SIZES.max_actions + SIZES.max_entities, modifier_mask.shape)
    for row, slots in enumerate(MODIFIED):
        modifier_nodes[row, : len(slots)] = slots

    def spans(shape: tuple[int, ...]) -> np.ndarray:
        start = draw.integers(0, lengths, shape)
        return np.stack([start, draw.integers(start + 1, lengths + 1)], axis=-1).astype(np.int32)

    node_negated, edge_negated = (draw.random(mask.shape) < 0.4 for mask in (node_mask, edge_mask))
    node_negated[0, [1, 3]] = node_negated[2, 0] = edge_negated[0, 2] = True
    node_negated[0, [0, 2]] = edge_negated[0, 0] = False

    def features(size: tuple[int, ...]) -> np.ndarray:
        return draw.normal(size=(*frame_mask.shape, *size)).astype(np.float16)

    regions = batch.videos.regions
    return dataclasses.replace(
        batch,
        videos=dataclasses.replace(
            batch.videos,
            frames=features((shape.frame_dim,)),
            frame_mask=frame_mask,
            regions=None if regions is None else features(regions.shape[2:]),
        ),
        texts=dataclasses.replace(
            batch.texts,
            token_ids=_integers(draw, shape.vocabulary_size, token_mask.shape),
            token_mask=token_mask,
            node_spans=spans(node_mask.shape),
            node_roles=_integers(draw, shape.role_count, node_mask.shape),
            node_negated=node_negated,
            node_mask=node_mask,
            modifier_nodes=modifier_nodes,
            modifier_kinds=_integers(draw, shape.modifier_kind_count, modifier_mask.shape),
            modifier_spans=spans(modifier_mask.shape),
            modifier_mask=modifier_mask,
            edge_source=edges[..., 0],
            edge_target=edges[..., 1],
            edge_roles=_integers(draw, shape.role_count, edge_mask.shape),
            edge_negated=edge_negated,
            edge_mask=edge_mask,
            token_states=(
                draw.normal(size=(*token_mask.shape, STATE_WIDTH)).astype(np.float32)
                if with_token_states
                else None
            ),
        ),
    )


def denied_nodes(texts: TextBatch, t: int) -> dict[str, list[bool]]:
    """Which nodes of each level a caption denies, in the order of their slots."""
    nodes = {
        level: [texts.node_negated[t, slot] for slot in np.flatnonzero(texts.node_mask[t]) if is_of(slot)]
        for level, is_of in (
            (ENTITY, lambda slot: slot >= SIZES.max_actions),
            (ACTION, lambda slot: slot < SIZES.max_actions),
        )
    }
    return {**nodes, RELATIONSHIP: list(texts.edge_negated[t][texts.edge_mask[t]])}


def _first(lengths: list[int], size: int) -> np.ndarray:
    return np.arange(size)[None] < np.array(lengths)[:, None]


def _integers(draw: np.random.Generator, below: int, size: Any) -> np.ndarray:
    return draw.integers(0, below, size).astype(np.int32)
