import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.models.mcsan import DataShape
from tests.models.comparison import assert_same
from tests.support.tiny_model import (
    SHAPE,
    SHAPE_WITH_REGIONS,
    SIZES,
    random_batch,
    random_variables,
    tiny_model,
)

KINDS: dict[str, tuple[DataShape, dict[str, Any]]] = {
    "bigru and convolution": (SHAPE, {"context": "bigru", "temporal": "convolution"}),
    "transformer and attention, regions": (
        SHAPE_WITH_REGIONS,
        {"context": "transformer", "temporal": "attention"},
    ),
    "strongest regions": (SHAPE_WITH_REGIONS, {"spatial": "strongest"}),
    "sentence node, no temporal structure": (SHAPE, {"sentence_node": True, "temporal": "none"}),
    "bigru and bigru, regions": (SHAPE_WITH_REGIONS, {"context": "bigru", "temporal": "bigru"}),
}
COUNT = 4
LARGER = dataclasses.replace(
    SIZES, max_frames=8, max_tokens=10, max_actions=3, max_entities=5, max_relationships=6, max_modifiers=5
)
"""Larger capacities for everything than `SIZES`."""


def padded(batch: PairBatch) -> PairBatch:
    """The same pairs in the sizes of `LARGER`, with nonsense in the padding: masks alone must keep it out."""
    draw = np.random.default_rng(5)

    def pad(array: Any, size: int) -> Any:
        array = np.asarray(array)
        shape = (array.shape[0], size - array.shape[1], *array.shape[2:])
        if array.dtype == bool:
            return np.concatenate([array, np.zeros(shape, bool)], axis=1)
        junk = draw.integers(0, 3, shape) if array.dtype.kind == "i" else draw.normal(size=shape)
        return np.concatenate([array, junk.astype(array.dtype)], axis=1)

    def pad_nodes(array: Any) -> Any:
        actions = pad(np.asarray(array)[:, : SIZES.max_actions], LARGER.max_actions)
        entities = pad(np.asarray(array)[:, SIZES.max_actions :], LARGER.max_entities)
        return np.concatenate([actions, entities], axis=1)

    shift = LARGER.max_actions - SIZES.max_actions
    videos, texts = batch.videos, batch.texts
    target = np.where(texts.edge_target >= SIZES.max_actions, texts.edge_target + shift, texts.edge_target)
    edges = {"edge_source": texts.edge_source, "edge_target": target.astype(np.int32)}
    of_modifiers = np.where(
        texts.modifier_nodes >= SIZES.max_actions, texts.modifier_nodes + shift, texts.modifier_nodes
    )
    modifiers = {"modifier_nodes": of_modifiers.astype(np.int32)}
    for name in ("modifier_kinds", "modifier_spans", "modifier_mask"):
        modifiers[name] = getattr(texts, name)
    for name in ("edge_roles", "edge_negated", "edge_mask"):
        edges[name] = getattr(texts, name)
    tokens = {name: pad(getattr(texts, name), LARGER.max_tokens) for name in ("token_ids", "token_mask")}
    nodes = {
        name: pad_nodes(getattr(texts, name))
        for name in ("node_spans", "node_roles", "node_negated", "node_mask")
    }
    return dataclasses.replace(
        batch,
        videos=dataclasses.replace(
            videos,
            frames=pad(videos.frames, LARGER.max_frames),
            frame_mask=pad(videos.frame_mask, LARGER.max_frames),
            regions=None if videos.regions is None else pad(videos.regions, LARGER.max_frames),
        ),
        texts=dataclasses.replace(
            texts,
            **tokens,
            **nodes,
            **{name: pad(value, LARGER.max_relationships) for name, value in edges.items()},
            **{name: pad(value, LARGER.max_modifiers) for name, value in modifiers.items()},
        ),
    )


def for_smaller_sizes(variables: Any) -> Any:
    """Cuts the learned places of tokens and frames, which are as many as the capacity of a batch."""
    lengths = {
        ("text_encoder", "tokens", "places"): SIZES.max_tokens,
        ("video_encoder", "action", "places"): SIZES.max_frames,
    }

    def cut(path: tuple[Any, ...], array: Any) -> Any:
        length = lengths.get(tuple(key.key for key in path[1:]))
        return array if length is None else array[:length]

    return jax.tree_util.tree_map_with_path(cut, variables)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: str) -> None:
    shape, choices = KINDS[kind]
    batch = random_batch(COUNT, shape=shape)
    larger = tiny_model(shape, LARGER, **choices)
    variables = random_variables(larger, padded(batch))
    videos, texts, _ = jax.jit(tiny_model(shape, **choices).apply)(for_smaller_sizes(variables), batch)
    more_videos, more_texts, _ = jax.jit(larger.apply)(variables, padded(batch))
    assert_same(videos, more_videos)
    assert_same(texts, more_texts)
    for leaf in jax.tree.leaves((videos, texts)):
        assert np.all(np.isfinite(leaf))
