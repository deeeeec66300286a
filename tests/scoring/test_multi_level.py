import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.levels import ACTION, ENTITY, GLOBAL
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet, ScoringParameters
from mcsan_jax.scoring.multi_level import (
    ATTRIBUTES,
    FUSED,
    LINEAR,
    Fusion,
    Scores,
    ablations,
    fuse_components,
    score,
)
from mcsan_jax.scoring.normalised import NormalisedTexts, normalise_videos
from tests.scoring import plain_formulas as plain
from tests.support.tiny_model import tiny_config

WEIGHTS = {GLOBAL: 0.5, ENTITY: 0.3, ACTION: 0.2}
PRESENT = {ENTITY: [True, True, False], ACTION: [True, False, False]}
"""Levels that the three captions have."""

compute = jax.jit(score, static_argnums=(3, 4))


def encoding(seed: int, masks: dict[str, np.ndarray]) -> Encoding:
    """Random vectors of three items and their attribute logits."""
    draw = np.random.default_rng(seed)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(draw.normal(size=shape), jnp.float32)

    nodes = {level: NodeSet(normal(*mask.shape, 5), jnp.asarray(mask)) for level, mask in masks.items()}
    return Encoding(LevelEmbeddings(normal(3, 5), nodes), {level: normal(3, 4) for level in masks})


@pytest.fixture(scope="module")
def sides() -> tuple[Encoding, Encoding]:
    videos = encoding(0, dict.fromkeys(PRESENT, np.ones((3, 4), bool)))
    texts = encoding(
        1, {level: np.outer(present, [True, True]).astype(bool) for level, present in PRESENT.items()}
    )
    return videos, texts


def fused(sides: tuple[Encoding, Encoding], config: SimilarityConfig) -> Scores:
    weights = {level: jnp.float32(weight) for level, weight in WEIGHTS.items()}
    return compute(*sides, ScoringParameters(weights, jnp.float32(0.07)), config, None)


def plain_components(sides: tuple[Encoding, Encoding]) -> dict[str, np.ndarray]:
    videos, texts = jax.tree.map(lambda x: np.asarray(x, bool if x.dtype == bool else np.float64), sides)
    components = {GLOBAL: plain.cosine_matrix(videos.embeddings.pooled, texts.embeddings.pooled)}
    for level in PRESENT:
        frames, nodes = videos.embeddings.nodes[level], texts.embeddings.nodes[level]
        whole = plain.node_matrix(frames.vectors, frames.mask, nodes.vectors, nodes.mask, 4.0)
        components[level] = plain.mean_over_nodes(whole, nodes.mask)
    return components


@pytest.mark.parametrize("missing_levels", ["renormalize", "zero"])
def test_fused_score(sides: tuple[Encoding, Encoding], missing_levels: str) -> None:
    result = fused(sides, SimilarityConfig(missing_levels=missing_levels))
    components = plain_components(sides)
    assert set(result.components) == set(components)
    expected = np.zeros((3, 3))
    for t in range(3):
        levels = [
            level for level in WEIGHTS if missing_levels == "zero" or level == GLOBAL or PRESENT[level][t]
        ]
        total = sum(WEIGHTS[level] for level in levels)
        expected[:, t] = sum(WEIGHTS[level] * components[level][:, t] for level in levels) / total
    for level, value in components.items():
        np.testing.assert_allclose(result.components[level], value, atol=1e-5, rtol=0)
    np.testing.assert_allclose(result.fused, expected, atol=1e-5, rtol=0)


def test_attribute_agreement_is_averaged_over_present_levels(sides: tuple[Encoding, Encoding]) -> None:
    without = fused(sides, SimilarityConfig())
    result = fused(sides, SimilarityConfig(attribute_share=0.25))
    videos, texts = sides
    agreement = {
        level: plain.agreement(
            np.asarray(videos.attribute_logits[level], np.float64),
            np.asarray(texts.attribute_logits[level], np.float64),
        )
        for level in PRESENT
    }
    expected = np.stack(
        [
            0.5 * (agreement[ENTITY][:, 0] + agreement[ACTION][:, 0]),
            agreement[ENTITY][:, 1],
            np.zeros(3),
        ],
        axis=1,
    )
    np.testing.assert_allclose(result.components[ATTRIBUTES], expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(result.fused, 0.75 * without.fused + 0.25 * expected, atol=1e-5, rtol=0)


def test_what_a_caption_denies_has_no_attribute_agreement(sides: tuple[Encoding, Encoding]) -> None:
    """The first caption denies one of two entities, the second both: it agrees as the third, which has none."""
    videos, texts = sides
    entities = texts.embeddings.nodes[ENTITY]
    negated = jnp.asarray([[True, False], [True, True], [False, False]])
    nodes = {**texts.embeddings.nodes, ENTITY: dataclasses.replace(entities, negated=negated)}
    denying = dataclasses.replace(texts, embeddings=dataclasses.replace(texts.embeddings, nodes=nodes))
    config = SimilarityConfig(attribute_share=0.25)
    before, after = (fused((videos, side), config).components[ATTRIBUTES] for side in (texts, denying))
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
    assert np.all(before[:, 1] > 0) and np.all(after[:, 1] == 0)


def test_the_linear_score_has_its_share(sides: tuple[Encoding, Encoding]) -> None:
    """It stands outside of levels and attributes, and a caption that lacks levels has it, too."""
    draw = np.random.default_rng(2)
    videos, texts = (
        dataclasses.replace(side, linear=jnp.asarray(draw.normal(size=(3, 6)), jnp.float32)) for side in sides
    )
    assert videos.linear is not None and texts.linear is not None
    config = SimilarityConfig(attribute_share=0.25)
    without = fused(sides, config)
    assert LINEAR not in without.components
    weights = {level: jnp.float32(weight) for level, weight in WEIGHTS.items()}
    found = compute(
        videos, texts, ScoringParameters(weights, jnp.float32(0.07), jnp.float32(0.3)), config, None
    )
    linear = np.asarray(videos.linear, np.float64) @ np.asarray(texts.linear, np.float64).T
    np.testing.assert_allclose(found.components[LINEAR], linear, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found.fused, 0.7 * without.fused + 0.3 * linear, atol=1e-5, rtol=0)
    # Encodings of training lack the vectors, and parameters may lack the share.
    for pair in ((sides, jnp.float32(0.3)), ((videos, texts), None)):
        same = compute(*pair[0], ScoringParameters(weights, jnp.float32(0.07), pair[1]), config, None)
        np.testing.assert_array_equal(same.fused, without.fused)


def test_an_ablation_leaves_the_linear_score_out() -> None:
    plain = tiny_config()
    config = dataclasses.replace(plain, similarity=SimilarityConfig(linear_branch=True))
    before, after = ({fusion.name: fusion for fusion in ablations(each)} for each in (plain, config))
    assert set(after) - set(before) == {"without linear branch"}
    components = {GLOBAL: jnp.full((2, 3), 0.5), LINEAR: jnp.full((2, 3), -1.0)}
    texts = NormalisedTexts(jnp.ones((3, 4)), {}, {})
    parameters = ScoringParameters({GLOBAL: jnp.float32(1)}, jnp.float32(1), jnp.float32(0.25))
    scores = {
        name: float(fuse_components(components, texts, parameters, fusion)[0, 0])
        for name, fusion in {**after, FUSED: Fusion.as_trained(config.similarity)}.items()
        if name in ("without linear branch", "missing levels count as zero", FUSED)
    }
    assert scores == {
        "without linear branch": 0.5,
        "missing levels count as zero": 0.125,
        FUSED: 0.125,
    }


def test_smoothing_comes_from_the_config(sides: tuple[Encoding, Encoding]) -> None:
    uniform = fused(sides, SimilarityConfig(smoothing=0.0)).components[ENTITY]
    assert np.abs(uniform - fused(sides, SimilarityConfig()).components[ENTITY]).max() > 1e-3


def test_agreement_of_extreme_logits_is_finite() -> None:
    logits = jnp.asarray([[-1e4, -1e4], [1e4, -1e4]], jnp.float32)

    def total(x: jax.Array) -> jax.Array:
        sides = (Encoding(LevelEmbeddings(None, {}), {ENTITY: one}) for one in (x, logits))
        videos, texts = (_directions(side) for side in sides)
        return jnp.sum(videos @ texts.T)

    value, gradient = jax.jit(jax.value_and_grad(total))(logits)
    assert value == 1.0
    assert np.all(np.isfinite(gradient))


def _directions(side: Encoding) -> jax.Array:
    return normalise_videos(side).attributes[ENTITY]
