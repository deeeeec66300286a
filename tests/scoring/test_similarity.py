from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import plain_formulas as plain
import pytest

from mcsan_jax.levels import ACTION, ENTITY, GLOBAL, LevelEmbeddings, NodeSet
from mcsan_jax.scoring.similarity import (
    attended_node_similarity,
    cosine_similarity,
    fuse_levels,
    level_presence,
    level_similarities,
    normalize,
)

attended = jax.jit(attended_node_similarity, static_argnums=(2, 3))


class Problem(NamedTuple):
    """Ragged videos and captions; the padding holds numbers, so that it shows where it is not masked."""

    frames: np.ndarray
    frame_mask: np.ndarray
    nodes: np.ndarray
    node_mask: np.ndarray

    def arrays(self, dtype: np.dtype | type) -> tuple[NodeSet, NodeSet]:
        return (
            NodeSet(jnp.asarray(self.frames, dtype), jnp.asarray(self.frame_mask)),
            NodeSet(jnp.asarray(self.nodes, dtype), jnp.asarray(self.node_mask)),
        )

    def expected(self, smoothing: float = 4.0) -> np.ndarray:
        return plain.node_matrix(*self, smoothing)


@pytest.fixture
def problem() -> Problem:
    """Videos of 4, 3, 1 and 0 frames; captions of 3, 1 and 0 nodes."""
    draw = np.random.default_rng(0)
    frame_mask = np.arange(4)[None] < np.array([4, 3, 1, 0])[:, None]
    node_mask = np.arange(3)[None] < np.array([3, 1, 0])[:, None]
    return Problem(draw.normal(size=(4, 4, 5)), frame_mask, draw.normal(size=(3, 3, 5)), node_mask)


def test_cosine(precision: tuple[np.dtype, float]) -> None:
    dtype, tolerance = precision
    draw = np.random.default_rng(1)
    videos, texts = draw.normal(size=(3, 5)), draw.normal(size=(4, 5))
    texts[2] = 0.0
    result = cosine_similarity(jnp.asarray(videos, dtype), jnp.asarray(texts, dtype))
    assert result.dtype == dtype
    np.testing.assert_allclose(result, plain.cosine_matrix(videos, texts), atol=tolerance, rtol=0)


@pytest.mark.parametrize("smoothing", [0.0, 4.0, 9.0, 25.0])
def test_attended_nodes(problem: Problem, precision: tuple[np.dtype, float], smoothing: float) -> None:
    dtype, tolerance = precision
    result = attended(*problem.arrays(dtype), smoothing)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, problem.expected(smoothing), atol=tolerance, rtol=0)


@pytest.mark.usefixtures("x64")
def test_attended_gradient(problem: Problem) -> None:
    weights = np.random.default_rng(2).normal(size=(4, 3, 3))
    frames, nodes = problem.arrays(np.float64)

    def total(frame_vectors: jax.Array, node_vectors: jax.Array) -> jax.Array:
        scores = attended_node_similarity(
            NodeSet(frame_vectors, frames.mask), NodeSet(node_vectors, nodes.mask)
        )
        return jnp.sum(jnp.asarray(weights) * scores)

    of_frames, of_nodes = jax.jit(jax.grad(total, argnums=(0, 1)))(frames.vectors, nodes.vectors)

    def of(changed: Problem) -> float:
        return float(np.sum(weights * changed.expected()))

    expected = plain.numeric_gradient(lambda x: of(problem._replace(frames=x)), problem.frames)
    np.testing.assert_allclose(of_frames, expected, atol=1e-7)
    expected = plain.numeric_gradient(lambda x: of(problem._replace(nodes=x)), problem.nodes)
    np.testing.assert_allclose(of_nodes, expected, atol=1e-7)


def test_level_similarities(problem: Problem, precision: tuple[np.dtype, float]) -> None:
    dtype, tolerance = precision
    frames, nodes = problem.arrays(dtype)
    videos = LevelEmbeddings(frames.vectors[:, 0], {ACTION: frames})
    texts = LevelEmbeddings(nodes.vectors[:, 0], {ACTION: nodes})
    scores = jax.jit(level_similarities)(videos, texts)
    expected = {
        GLOBAL: plain.cosine_matrix(problem.frames[:, 0], problem.nodes[:, 0]),
        ACTION: plain.mean_over_nodes(problem.expected(), problem.node_mask),
    }
    assert set(scores) == set(expected)
    for level, value in expected.items():
        np.testing.assert_allclose(scores[level], value, atol=tolerance, rtol=0)
    presence = level_presence(texts)
    np.testing.assert_array_equal(presence[ACTION], [True, True, False])
    np.testing.assert_array_equal(presence[GLOBAL], [True, True, True])


def test_global_level_needs_both_sides() -> None:
    with pytest.raises(ValueError, match="global level"):
        level_similarities(LevelEmbeddings(jnp.ones((2, 3)), {}), LevelEmbeddings(None, {}))


def test_padding_changes_nothing(problem: Problem) -> None:
    frames, nodes = problem.arrays(np.float32)

    def pad(items: NodeSet) -> NodeSet:
        return NodeSet(
            jnp.pad(items.vectors, ((0, 0), (0, 3), (0, 0)), constant_values=7.0),
            jnp.pad(items.mask, ((0, 0), (0, 3))),
        )

    result = attended(pad(frames), pad(nodes))
    np.testing.assert_allclose(result[..., :3], attended(frames, nodes), atol=1e-6, rtol=0)
    np.testing.assert_array_equal(result[..., 3:], 0.0)


def test_empty_rows_have_zero_score_and_gradient(problem: Problem) -> None:
    frames, nodes = problem.arrays(np.float32)

    def total(frame_vectors: jax.Array, node_vectors: jax.Array) -> jax.Array:
        return jnp.sum(
            attended_node_similarity(NodeSet(frame_vectors, frames.mask), NodeSet(node_vectors, nodes.mask))
        )

    of_frames, of_nodes = jax.jit(jax.grad(total, argnums=(0, 1)))(frames.vectors, nodes.vectors)
    np.testing.assert_array_equal(of_frames[~problem.frame_mask], 0.0)
    np.testing.assert_array_equal(of_nodes[~problem.node_mask], 0.0)
    assert np.abs(of_frames[0]).max() > 0
    assert np.abs(of_nodes[0]).max() > 0


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scale_of_a_video_or_a_node_changes_nothing(problem: Problem, factor: float) -> None:
    frames, nodes = problem.arrays(np.float32)
    before = attended(frames, nodes)
    scaled_frames = NodeSet(frames.vectors.at[1].multiply(factor), frames.mask)
    np.testing.assert_allclose(attended(scaled_frames, nodes), before, atol=1e-5, rtol=0)
    scaled_nodes = NodeSet(nodes.vectors.at[0, 1].multiply(factor), nodes.mask)
    np.testing.assert_allclose(attended(frames, scaled_nodes), before, atol=1e-5, rtol=0)
    pooled = cosine_similarity(factor * frames.vectors[:, 0], nodes.vectors[:, 0])
    expected = cosine_similarity(frames.vectors[:, 0], nodes.vectors[:, 0])
    np.testing.assert_allclose(pooled, expected, atol=1e-6, rtol=0)


FRAME = np.array([1.0, 2.0, -1.0, 0.5, 0.0])
OTHER = np.array([0.5, -1.0, 1.0, 2.0, 1.0])
ZERO = np.zeros(5)
SINGULAR = {
    "all frames equal": [FRAME, FRAME, FRAME],
    "a frame twice": [FRAME, OTHER, FRAME],
    "one zero frame": [FRAME, ZERO, OTHER],
    "zero frames only": [ZERO, ZERO, ZERO],
    "opposite frames": [FRAME, -FRAME, OTHER],
    "frames that cancel": [FRAME, -FRAME, ZERO],
}


@pytest.mark.parametrize("case", SINGULAR)
def test_singular_gram_matrices(case: str) -> None:
    """The last node is a right angle to FRAME, so that opposite frames get the same weight and cancel."""
    nodes = np.stack([OTHER, FRAME, -FRAME, ZERO, np.array([2.0, -1.0, 0.0, 0.0, 1.0])])[None]
    problem = Problem(np.stack(SINGULAR[case])[None], np.ones((1, 3), bool), nodes, np.ones((1, 5), bool))
    frames, texts = problem.arrays(np.float32)
    np.testing.assert_allclose(attended(frames, texts), problem.expected(), atol=1e-5, rtol=0)

    def total(frame_vectors: jax.Array, node_vectors: jax.Array) -> jax.Array:
        return jnp.sum(
            attended_node_similarity(NodeSet(frame_vectors, frames.mask), NodeSet(node_vectors, texts.mask))
        )

    for gradient in jax.jit(jax.grad(total, argnums=(0, 1)))(frames.vectors, texts.vectors):
        assert np.all(np.isfinite(gradient))


def test_zero_vectors_have_zero_gradient() -> None:
    gradient = jax.grad(lambda x: jnp.sum(normalize(x)))(jnp.zeros((2, 3)))
    assert np.all(np.isfinite(gradient))
    gradient = jax.grad(lambda x: jnp.sum(cosine_similarity(x, jnp.zeros((1, 3)))))(jnp.ones((2, 3)))
    np.testing.assert_array_equal(gradient, 0.0)


def test_bfloat16_products_are_close_and_float32(problem: Problem) -> None:
    frames, nodes = problem.arrays(np.float32)
    rounded = attended(frames, nodes, 4.0, jnp.dtype("bfloat16"))
    assert rounded.dtype == jnp.float32
    exact = attended(frames, nodes)
    assert 0 < np.abs(rounded - exact).max() < 0.03


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
