"""Each level of videos is its formula of docs/method.md, whatever the network's choices."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.levels import ACTION, ENTITY, GLOBAL, LEVELS, NODE_LEVELS, RELATIONSHIP
from mcsan_jax.encodings import Encoding
from mcsan_jax.models.mcsan import DataShape
from tests.models.comparison import assert_level_is
from tests.models.encoder_batch import COUNT, encoder_batch
from tests.models.plain_layers import attribute_logits
from tests.models.plain_video_levels import (
    video_actions,
    video_entities,
    video_global,
    video_relationships,
)
from tests.support.tiny_model import SHAPE, SHAPE_WITH_REGIONS, random_variables, tiny_model

WIDTH = 8
CHOICES: dict[str, tuple[DataShape, str, str, str, bool]] = {
    "convolution, regions": (SHAPE_WITH_REGIONS, "convolution", "attention", "attention", False),
    "convolution, strongest regions": (SHAPE_WITH_REGIONS, "convolution", "attention", "strongest", False),
    "convolution, pairs of regions": (SHAPE_WITH_REGIONS, "convolution", "attention", "strongest", True),
    "convolution, mean of frames": (SHAPE, "convolution", "mean", "strongest", True),
    "bigru, regions": (SHAPE_WITH_REGIONS, "bigru", "attention", "attention", False),
    "attention": (SHAPE, "attention", "attention", "attention", False),
    "none, regions": (SHAPE_WITH_REGIONS, "none", "mean", "attention", False),
}


@dataclasses.dataclass(frozen=True)
class Encoded:
    """What the network makes of all videos, and what the formulas make of each."""

    network: Encoding
    levels: list[dict[str, Any]]
    attribute_logits: list[dict[str, np.ndarray]]


@pytest.fixture(scope="module", params=CHOICES)
def encoded(request: pytest.FixtureRequest) -> Encoded:
    shape, temporal, pooling, spatial, pairs = CHOICES[request.param]
    batch = encoder_batch(shape)
    choices = {"temporal": temporal, "frame_pooling": pooling, "spatial": spatial, "region_pairs": pairs}
    model = tiny_model(shape, **choices)
    variables = random_variables(model, batch)
    network: Any = jax.jit(lambda videos: model.apply(variables, videos, method="encode_videos"))(
        batch.videos
    )

    exact = jax.tree.map(np.float64, variables)
    encoder, projector = exact["params"]["video_encoder"], exact["params"]["attribute_projector"]
    levels = []
    for v in range(COUNT):
        real, regions = np.asarray(batch.videos.frame_mask[v]), None
        frames = standardised(exact["statistics"]["frame_statistics"], batch.videos.frames[v][real])
        if batch.videos.regions is not None:
            regions = standardised(exact["statistics"]["region_statistics"], batch.videos.regions[v][real])
        entities = video_entities(encoder, frames, regions, spatial)
        actions = video_actions(encoder, frames, regions, temporal)
        levels.append(
            {
                GLOBAL: video_global(encoder, frames, pooling, WIDTH),
                ENTITY: entities,
                ACTION: actions,
                RELATIONSHIP: video_relationships(encoder, actions, entities, regions if pairs else None),
            }
        )
    logits = [
        {level: attribute_logits(projector[level], one[level], WIDTH) for level in NODE_LEVELS}
        for one in levels
    ]
    return Encoded(network, levels, logits)


def standardised(statistics: Any, features: Any) -> np.ndarray:
    return (features.astype(np.float64) - statistics["mean"]) / statistics["std"]


@pytest.mark.parametrize("level", LEVELS)
def test_level(encoded: Encoded, level: str) -> None:
    assert_level_is(encoded.network, level, [of_video[level] for of_video in encoded.levels])


@pytest.mark.parametrize("level", NODE_LEVELS)
def test_attribute_logits(encoded: Encoded, level: str) -> None:
    expected = [of_video[level] for of_video in encoded.attribute_logits]
    np.testing.assert_allclose(encoded.network.attribute_logits[level], expected, rtol=1e-4, atol=2e-5)
