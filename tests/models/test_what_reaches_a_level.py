"""Which parts of a video and a caption reach which levels."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from tests.models.comparison import pooled
from tests.models.default_network import DefaultNetwork
from tests.support.tiny_model import REGIONS, SIZES


def test_the_temporal_level_sees_other_frames_and_the_spatial_level_does_not(setting: DefaultNetwork) -> None:
    frames = np.array(setting.batch.videos.frames)
    frames[0, 0] -= 3
    batch = dataclasses.replace(
        setting.batch, videos=dataclasses.replace(setting.batch.videos, frames=frames)
    )
    nodes, moved = setting.videos.embeddings.nodes, setting.apply(batch)[0].embeddings.nodes
    changes = {level: np.abs(nodes[level].vectors - moved[level].vectors).max(axis=-1)[0] for level in nodes}
    assert changes[ENTITY][0] > 1e-3
    np.testing.assert_allclose(changes[ENTITY][1:], 0.0, atol=1e-6)
    assert changes[ACTION][1] > 1e-4
    assert changes[RELATIONSHIP][4] > 1e-5


def test_regions_reach_the_spatial_and_the_temporal_level(setting: DefaultNetwork) -> None:
    assert setting.batch.videos.regions is not None
    assert setting.batch.videos.regions.shape[2] == REGIONS
    videos = dataclasses.replace(setting.batch.videos, regions=setting.batch.videos.regions + np.float16(1))
    encoded = setting.apply(dataclasses.replace(setting.batch, videos=videos))[0]
    before, after = setting.videos.embeddings, encoded.embeddings
    np.testing.assert_array_equal(before.pooled, after.pooled)
    for level in (ENTITY, ACTION):
        assert np.abs(before.nodes[level].vectors - after.nodes[level].vectors).max() > 1e-3


def test_order_of_entities_does_not_matter(setting: DefaultNetwork) -> None:
    texts, split = setting.batch.texts, SIZES.max_actions
    order = np.concatenate([np.arange(split), split + np.array([2, 0, 1])])
    place = np.argsort(order).astype(np.int32)
    permuted = dataclasses.replace(
        texts,
        **{
            name: getattr(texts, name)[:, order]
            for name in ("node_spans", "node_roles", "node_negated", "node_mask")
        },
        modifier_nodes=place[texts.modifier_nodes],
        edge_source=place[texts.edge_source],
        edge_target=place[texts.edge_target],
    )
    _, moved, _ = setting.apply(dataclasses.replace(setting.batch, texts=permuted))
    nodes, moved_nodes = setting.texts.embeddings.nodes, moved.embeddings.nodes
    np.testing.assert_allclose(
        moved_nodes[ENTITY].vectors, nodes[ENTITY].vectors[:, order[split:] - split], atol=1e-6
    )
    for level in (ACTION, RELATIONSHIP):
        np.testing.assert_allclose(moved_nodes[level].vectors, nodes[level].vectors, atol=1e-6)
    for level, logits in moved.attribute_logits.items():
        np.testing.assert_allclose(logits, setting.texts.attribute_logits[level], atol=1e-6)


@pytest.mark.parametrize(
    ("field", "touched"),
    [
        ("token_ids", {GLOBAL, ENTITY, ACTION, RELATIONSHIP}),
        ("node_roles", {ENTITY, ACTION, RELATIONSHIP}),
        ("node_negated", set()),
        ("modifier_kinds", {ENTITY, ACTION, RELATIONSHIP}),
        ("modifier_mask", {ENTITY, ACTION, RELATIONSHIP}),
        ("edge_roles", {RELATIONSHIP}),
        ("edge_negated", set()),
        ("edge_mask", {ENTITY, ACTION}),
    ],
)
def test_what_each_part_of_a_caption_reaches(setting: DefaultNetwork, field: str, touched: set[str]) -> None:
    """Edges matter to nodes through graph attention; their roles to relationships only; what is denied to none."""
    texts = setting.batch.texts
    value = getattr(texts, field)
    changed = (value + 1) % 3 if value.dtype != bool else ~value & field.endswith("negated")
    batch = dataclasses.replace(setting.batch, texts=dataclasses.replace(texts, **{field: changed}))
    videos, encoded, _ = setting.apply(batch)
    np.testing.assert_array_equal(videos.embeddings.pooled, setting.videos.embeddings.pooled)
    before, after = setting.texts.embeddings, encoded.embeddings
    differs = {
        level
        for level in (ENTITY, ACTION, RELATIONSHIP)
        if np.abs(before.nodes[level].vectors[0] - after.nodes[level].vectors[0]).max() > 1e-4
    }
    if np.abs(pooled(setting.texts)[0] - pooled(encoded)[0]).max() > 1e-4:
        differs.add(GLOBAL)
    expected = touched | {RELATIONSHIP} if field == "edge_mask" else touched
    assert differs == expected
