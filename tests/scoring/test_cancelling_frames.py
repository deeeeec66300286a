"""Where the score is hard to compute: nodes at right angles to all frames, and frames that cancel."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.blocks import mean_node_similarity
from mcsan_jax.scoring.frame_attention import CANCELLATION, FLOOR, attended_similarity, normalise_frames
from mcsan_jax.scoring.normalised import pack_nodes
from mcsan_jax.scoring.vectors import normalize
from tests.scoring import plain_formulas as plain

ROUNDOFF = float(np.finfo(np.float32).eps)
DISTANCES = [10.0**-exponent for exponent in range(6)]
"""By how much the second frame of a video misses the opposite of the first one."""


def score(frames: jax.Array, nodes: jax.Array, smoothing: float = 4.0) -> jax.Array:
    """Scores [v, n] of frames [v, f, d], all real, and nodes [n, d]."""
    prepared = normalise_frames(NodeSet(frames, jnp.ones(frames.shape[:2], bool)))
    return attended_similarity(prepared, normalize(nodes), smoothing)


def plain_score(frames: np.ndarray, nodes: np.ndarray, smoothing: float = 4.0) -> np.ndarray:
    one_caption = np.ones((1, len(nodes)), bool)
    mask = np.ones(frames.shape[:2], bool)
    return plain.node_matrix(frames, mask, nodes[None], one_caption, smoothing)[:, 0]


def cancelling(opposite: float) -> tuple[np.ndarray, np.ndarray]:
    """Videos of two frames, by `DISTANCES`, the second `opposite` times as long as the first; and nodes.

    Numbers of float32, in double precision.
    """
    draw = np.random.default_rng(7)
    first, step = draw.normal(size=(2, 16))
    frames = np.stack([np.stack([first, opposite * (size * step - first)]) for size in DISTANCES])
    nodes = draw.normal(size=(5, 16))
    return frames.astype(np.float32).astype(np.float64), nodes.astype(np.float32).astype(np.float64)


def attended_lengths(frames: np.ndarray, nodes: np.ndarray, smoothing: float) -> np.ndarray:
    """ρ: length of the attended vector, relative to that of the sum of its terms' lengths [v, n]."""
    result = np.zeros((len(frames), len(nodes)))
    for v, n in np.ndindex(result.shape):
        r = np.array([max(plain.cosine(frame, nodes[n]), 0.0) for frame in frames[v]])
        weights = np.exp(smoothing * r / max(float(np.linalg.norm(r)), 1e-6))
        terms = weights[:, None] * frames[v]
        result[v, n] = np.linalg.norm(terms.sum(axis=0)) / np.linalg.norm(terms, axis=1).sum()
    return result


@pytest.mark.parametrize("size", [1e-9, 1e-8, 1e-6])
def test_the_gradient_has_a_bound_at_right_angles(size: float) -> None:
    """Two frames are at right angles to the node, or nearly so, and the third points away from it."""
    frames = np.eye(4)[None, :3] - np.outer([0, 0, 1], [0, 0, 0, 1])
    nodes = np.eye(4)[3:] + size * np.array([1.0, 0.5, 0.0, 0.0])
    gradient = jax.grad(lambda *x: jnp.sum(score(*x)), (0, 1))
    for found in gradient(jnp.asarray(frames, jnp.float32), jnp.asarray(nodes, jnp.float32)):
        assert np.abs(found).max() < 4.0 / FLOOR


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [0.2, 0.7, 1.5, 5.0])
def test_scores_and_gradients_on_both_sides_of_the_floor(size: float) -> None:
    draw = np.random.default_rng(3)
    frames, nodes = draw.normal(size=(2, 3, 5)), draw.normal(size=(2, 5))
    # At right angles to all frames of the first video, away from its last one, and by a little towards the others.
    nodes = nodes - nodes @ np.linalg.pinv(frames[0]) @ frames[0]
    frames[0, 2] -= nodes[0] + nodes[1]
    nodes = nodes + size * FLOOR * np.array([[0.8], [0.4]]) * (frames[0, 0] + frames[0, 1])
    assert FLOOR / 20 < plain.cosine(frames[0, 0], nodes[0]) < 20 * FLOOR
    weights = draw.normal(size=(2, 2))

    def total(frames: jax.Array, nodes: jax.Array) -> jax.Array:
        return jnp.sum(weights * score(frames, nodes))

    np.testing.assert_allclose(
        score(jnp.asarray(frames), jnp.asarray(nodes)), plain_score(frames, nodes), atol=1e-9
    )
    found = jax.jit(jax.grad(total, (0, 1)))(jnp.asarray(frames), jnp.asarray(nodes))
    expected = (
        plain.numeric_gradient(
            lambda x: float(np.sum(weights * plain_score(x, nodes))), frames, 1e-4 * FLOOR
        ),
        plain.numeric_gradient(
            lambda x: float(np.sum(weights * plain_score(frames, x))), nodes, 1e-4 * FLOOR
        ),
    )
    assert np.abs(expected[0]).max() > 1
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize(("opposite", "smoothing"), [(1.0, 0.0), (float(np.exp(4.0)), 4.0)])
def test_scores_of_frames_that_cancel(opposite: float, smoothing: float) -> None:
    """In float32 the error is that of a vector that is built, a roundoff over ρ, and not one over ρ²."""
    frames, nodes = cancelling(opposite)
    expected, lengths = plain_score(frames, nodes, smoothing), attended_lengths(frames, nodes, smoothing)
    assert np.min(lengths) ** 2 < 1e-3 * CANCELLATION < CANCELLATION < np.max(lengths) ** 2
    found = jax.jit(score, static_argnums=2)(*map(jnp.float32, (frames, nodes)), smoothing)
    error = np.abs(np.asarray(found, np.float64) - expected)
    assert np.all(error < 8 * ROUNDOFF / lengths), (error / ROUNDOFF * lengths).max()
    assert np.abs(found).max() <= 1 + 4 * ROUNDOFF


def test_gradients_of_frames_that_cancel() -> None:
    frames, nodes = cancelling(1.0)
    weights = np.random.default_rng(1).normal(size=(len(frames), len(nodes)))
    gradient = jax.jit(jax.grad(lambda *x: jnp.sum(jnp.float32(weights) * score(*x, 0.0)), (0, 1)))
    of_frames, of_nodes = gradient(jnp.float32(frames), jnp.float32(nodes))
    # Those of a score grow like one over the distance, too, and so does their error.
    for v, distance in enumerate(DISTANCES):
        expected = plain.numeric_gradient(
            lambda x, v=v: float(np.sum(weights[v] * plain_score(x, nodes, 0.0))),
            frames[v : v + 1],
            1e-3 * distance,
        )
        np.testing.assert_allclose(
            of_frames[v], expected[0], atol=(1e-4 + 30 * ROUNDOFF / distance) * np.abs(expected).max()
        )
    expected = plain.numeric_gradient(lambda x: float(np.sum(weights * plain_score(frames, x, 0.0))), nodes)
    np.testing.assert_allclose(of_nodes, expected, atol=50 * ROUNDOFF / DISTANCES[-1])


def test_other_pairs_keep_their_bits() -> None:
    frames, nodes = map(jnp.float32, cancelling(1.0))
    together, alone = jax.jit(score, static_argnums=2)(frames, nodes, 0.0), score(frames[:1], nodes, 0.0)
    np.testing.assert_array_equal(together[:1], alone)


@pytest.mark.parametrize("budget", [1, 4 * 4 * 3, 2**20])
def test_frames_that_cancel_in_blocks(budget: int) -> None:
    frames, nodes = map(jnp.float32, cancelling(1.0))
    videos = normalise_frames(NodeSet(frames, jnp.ones(frames.shape[:2], bool)))
    texts = pack_nodes(NodeSet(nodes[:, None], jnp.ones((len(nodes), 1), bool)))
    scorer = functools.partial(attended_similarity, smoothing=0.0)
    found = jax.jit(mean_node_similarity, static_argnums=(2, 3))(videos, texts, scorer, budget)
    np.testing.assert_allclose(
        found, score(frames, nodes, 0.0), rtol=1e-6, atol=0.1 * ROUNDOFF / DISTANCES[-1]
    )


def test_attended_vectors_are_built_for_one_video_at_a_time() -> None:
    videos, captions, width = 64, 128, 64
    shapes = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((videos, 2, width), (captions, width)))
    program = jax.jit(jax.grad(lambda *x: jnp.sum(score(*x)), (0, 1))).lower(*shapes).compile()
    assert program.memory_analysis().temp_size_in_bytes < 0.5 * 4 * videos * captions * width
