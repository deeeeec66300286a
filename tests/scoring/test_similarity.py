import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.levels import ACTION, ENTITY, GLOBAL
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos, normalise_texts, normalise_videos
from mcsan_jax.scoring.similarity import block_budget, fuse_levels, level_similarities, node_scorer
from tests.scoring import plain_formulas as plain
from tests.scoring.problem import Problem, draw_problem


@pytest.fixture
def problem() -> Problem:
    return draw_problem()


def test_level_similarities(problem: Problem, precision: tuple[np.dtype, float]) -> None:
    dtype, tolerance = precision
    frames, nodes = problem.arrays(dtype)
    videos = normalise_videos(Encoding(LevelEmbeddings(frames.vectors[:, 0], {ACTION: frames}), {}))
    texts = normalise_texts(Encoding(LevelEmbeddings(nodes.vectors[:, 0], {ACTION: nodes}), {}))
    scores = jax.jit(level_similarities, static_argnums=2)(videos, texts, SimilarityConfig())
    expected = {
        GLOBAL: plain.cosine_matrix(problem.frames[:, 0], problem.nodes[:, 0]),
        ACTION: problem.expected_mean(),
    }
    assert set(scores) == set(expected)
    for level, value in expected.items():
        np.testing.assert_allclose(scores[level], value, atol=tolerance, rtol=0)
    presence = texts.presence()
    np.testing.assert_array_equal(presence[ACTION], [True, True, False])
    np.testing.assert_array_equal(presence[GLOBAL], [True, True, True])


def test_global_level_needs_both_sides() -> None:
    with pytest.raises(ValueError, match="global level"):
        level_similarities(
            NormalisedVideos(None, {}, {}), NormalisedTexts(jnp.ones((2, 3)), {}, {}), SimilarityConfig()
        )


def test_the_config_chooses_the_smoothing_of_the_score() -> None:
    chosen = node_scorer(SimilarityConfig(smoothing=9.0), jnp.dtype("bfloat16"))
    assert chosen.keywords == {"smoothing": 9.0, "product_dtype": jnp.dtype("bfloat16")}


def test_the_budget_of_a_block_is_as_configured_or_suits_the_device() -> None:
    assert block_budget(SimilarityConfig(cosine_bytes=12_345)) == 12_345
    assert 2**20 <= block_budget(SimilarityConfig()) <= 2**24, "a core's cache"


SCORES = {
    GLOBAL: np.array([[0.2, 0.4, 0.6]]),
    ENTITY: np.array([[0.8, 0.5, 0.0]]),
    ACTION: np.array([[0.5, 0.0, 0.0]]),
}
PRESENT = {
    GLOBAL: np.array([True, True, True]),
    ENTITY: np.array([True, True, False]),
    ACTION: np.array([True, False, False]),
}


@pytest.mark.parametrize(
    ("missing_levels", "weights", "expected"),
    [
        ("renormalize", (1.0, 1.0, 1.0), [0.5, 0.45, 0.6]),
        ("zero", (1.0, 1.0, 1.0), [0.5, 0.3, 0.2]),
        ("renormalize", (2.0, 1.0, 1.0), [0.425, 1.3 / 3, 0.6]),
        ("zero", (2.0, 1.0, 1.0), [0.425, 0.325, 0.3]),
        ("renormalize", (0.0, 0.0, 0.0), [0.0, 0.0, 0.0]),
    ],
)
def test_missing_levels(
    precision: tuple[np.dtype, float],
    missing_levels: str,
    weights: tuple[float, float, float],
    expected: list[float],
) -> None:
    dtype, tolerance = precision
    scores = {level: jnp.asarray(value, dtype) for level, value in SCORES.items()}
    present = {level: jnp.asarray(value) for level, value in PRESENT.items()}
    fused = fuse_levels(scores, present, dict(zip(SCORES, weights, strict=True)), missing_levels)
    assert fused.dtype == dtype
    np.testing.assert_allclose(fused, [expected], atol=tolerance, rtol=0)


@pytest.mark.usefixtures("x64")
def test_fusion_gradient() -> None:
    """Only what a caption has is weighed, and the gradient reaches scores and weights."""
    present = {level: jnp.asarray(value) for level, value in PRESENT.items()}
    direction = np.array([0.3, -1.2, 0.7])

    def by_hand(values: np.ndarray) -> float:
        scores, weights = values[:9].reshape(3, 3), values[9:]
        total = 0.0
        for t in range(3):
            share = [w * PRESENT[level][t] for w, level in zip(weights, SCORES, strict=True)]
            total += (
                direction[t] * sum(s * one for s, one in zip(share, scores[:, t], strict=True)) / sum(share)
            )
        return total

    def fused(values: jax.Array) -> jax.Array:
        scores = {level: values[3 * i : 3 * i + 3][None] for i, level in enumerate(SCORES)}
        weights = {level: values[9 + i] for i, level in enumerate(SCORES)}
        return jnp.sum(fuse_levels(scores, present, weights)[0] * jnp.asarray(direction))

    values = np.concatenate([*(value[0] for value in SCORES.values()), [0.5, 1.0, 2.0]])
    np.testing.assert_allclose(fused(jnp.asarray(values)), by_hand(values), atol=1e-10)
    gradient = jax.grad(fused)(jnp.asarray(values))
    np.testing.assert_allclose(gradient, plain.numeric_gradient(by_hand, values), atol=1e-8)
