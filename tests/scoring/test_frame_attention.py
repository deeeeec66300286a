import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.frame_attention import normalise_frames
from mcsan_jax.scoring.similarity import node_scorer
from tests.scoring import plain_formulas as plain
from tests.scoring.problem import Problem, draw_problem, padded_scores

attended = jax.jit(padded_scores, static_argnums=(2, 3))


@pytest.fixture
def problem() -> Problem:
    return draw_problem()


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
        scores = padded_scores(NodeSet(frame_vectors, frames.mask), NodeSet(node_vectors, nodes.mask))
        return jnp.sum(jnp.asarray(weights) * scores)

    of_frames, of_nodes = jax.jit(jax.grad(total, argnums=(0, 1)))(frames.vectors, nodes.vectors)

    def of(changed: Problem) -> float:
        return float(np.sum(weights * changed.expected()))

    expected = plain.numeric_gradient(lambda x: of(problem._replace(frames=x)), problem.frames)
    np.testing.assert_allclose(of_frames, expected, atol=1e-7)
    expected = plain.numeric_gradient(lambda x: of(problem._replace(nodes=x)), problem.nodes)
    np.testing.assert_allclose(of_nodes, expected, atol=1e-7)


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
        return jnp.sum(padded_scores(NodeSet(frame_vectors, frames.mask), NodeSet(node_vectors, nodes.mask)))

    of_frames, of_nodes = jax.jit(jax.grad(total, argnums=(0, 1)))(frames.vectors, nodes.vectors)
    np.testing.assert_array_equal(of_frames[~problem.frame_mask], 0.0)
    np.testing.assert_array_equal(of_nodes[~problem.node_mask], 0.0)
    assert np.abs(of_frames[0]).max() > 0
    assert np.abs(of_nodes[0]).max() > 0


@pytest.mark.parametrize("factor", [1e-15, 1e-6, 1e6, 1e15])
def test_scale_of_a_video_or_a_node_changes_nothing(problem: Problem, factor: float) -> None:
    """Neither the score, nor how it depends on directions: the gradient falls as the vector grows."""
    frames, nodes = problem.arrays(np.float32)
    weights = jnp.asarray(np.random.default_rng(3).normal(size=(4, 3, 3)), jnp.float32)

    @jax.jit
    def compute(frame_vectors: jax.Array, node_vectors: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        def total(frame_vectors: jax.Array, node_vectors: jax.Array) -> tuple[jax.Array, jax.Array]:
            scores = padded_scores(NodeSet(frame_vectors, frames.mask), NodeSet(node_vectors, nodes.mask))
            return jnp.sum(weights * scores), scores

        gradients, scores = jax.grad(total, argnums=(0, 1), has_aux=True)(frame_vectors, node_vectors)
        return scores, gradients

    before, (of_frames, of_nodes) = compute(frames.vectors, nodes.vectors)
    after, (scaled_frames, scaled_nodes) = compute(
        frames.vectors.at[1].multiply(factor), nodes.vectors.at[0, 1].multiply(factor)
    )
    np.testing.assert_allclose(after, before, atol=1e-5, rtol=0)
    np.testing.assert_allclose(scaled_frames.at[1].multiply(factor), of_frames, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(scaled_nodes.at[0, 1].multiply(factor), of_nodes, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-15, 1e15])
def test_frames_of_very_different_lengths(problem: Problem, factor: float) -> None:
    changed = problem._replace(frames=problem.frames.copy())
    changed.frames[:, 0] *= factor
    frames, nodes = changed.arrays(np.float32)
    np.testing.assert_allclose(attended(frames, nodes), changed.expected(), atol=1e-5, rtol=0)


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
        return jnp.sum(padded_scores(NodeSet(frame_vectors, frames.mask), NodeSet(node_vectors, texts.mask)))

    for gradient in jax.jit(jax.grad(total, argnums=(0, 1)))(frames.vectors, texts.vectors):
        assert np.all(np.isfinite(gradient))


def test_bfloat16_products_are_close_and_float32(problem: Problem) -> None:
    frames, nodes = problem.arrays(np.float32)
    rounded = attended(frames, nodes, 4.0, jnp.dtype("bfloat16"))
    assert rounded.dtype == jnp.float32
    exact = attended(frames, nodes)
    assert 0 < np.abs(rounded - exact).max() < 0.03


@pytest.mark.parametrize("smoothing", [0.0, 4.0])
def test_bfloat16_scores_are_at_most_one(smoothing: float) -> None:
    """A video of one frame, or of frames that are alike, has the score 1 with its own direction."""
    draw = np.random.default_rng(5)
    vectors = draw.normal(size=(200, 1, 3)) * np.array([1.0, 2.0, 0.5])[None, :, None]
    frames = normalise_frames(NodeSet(jnp.float32(vectors), jnp.ones((200, 3), bool)), jnp.dtype("bfloat16"))
    form = node_scorer(SimilarityConfig(smoothing=smoothing), jnp.dtype("bfloat16"))
    found = np.asarray(jax.jit(form)(frames, frames.directions[:, 0]))
    np.testing.assert_allclose(np.diagonal(found), 1.0, atol=2e-6)
    assert np.abs(found).max() <= 1 + 2e-6
