import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.blocks import block_sizes, mean_node_similarity
from mcsan_jax.scoring.frame_attention import attended_similarity, normalise_frames
from mcsan_jax.scoring.normalised import pack_nodes
from tests.scoring import plain_formulas as plain
from tests.scoring.problem import Problem, draw_problem

WHOLE = 2**20
BUDGETS = [1, 4 * 4 * 2, 4 * 4 * 8, WHOLE]
"""From one video and one node at a time to all at once."""


def blocked(frames: NodeSet, nodes: NodeSet, budget: int) -> jax.Array:
    return mean_node_similarity(normalise_frames(frames), pack_nodes(nodes), attended_similarity, budget)


@pytest.fixture
def problem() -> Problem:
    return draw_problem()


@pytest.mark.parametrize("budget", BUDGETS)
def test_blocks_equal_the_formula(problem: Problem, precision: tuple[np.dtype, float], budget: int) -> None:
    dtype, tolerance = precision
    result = jax.jit(blocked, static_argnums=2)(*problem.arrays(dtype), budget)
    assert result.dtype == dtype
    expected = problem.expected_mean()
    np.testing.assert_allclose(result, expected, atol=tolerance, rtol=0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("budget", BUDGETS)
def test_gradients_of_blocks(problem: Problem, budget: int) -> None:
    weights = np.random.default_rng(2).normal(size=(4, 3))
    frames, nodes = problem.arrays(np.float64)

    def total(frame_vectors: jax.Array, node_vectors: jax.Array) -> jax.Array:
        videos, texts = (
            dataclasses.replace(items, vectors=vectors)
            for items, vectors in ((frames, frame_vectors), (nodes, node_vectors))
        )
        return jnp.sum(jnp.asarray(weights) * blocked(videos, texts, budget))

    of_frames, of_nodes = jax.jit(jax.grad(total, argnums=(0, 1)))(frames.vectors, nodes.vectors)

    def of(changed: Problem) -> float:
        return float(np.sum(weights * changed.expected_mean()))

    expected = plain.numeric_gradient(lambda x: of(problem._replace(frames=x)), problem.frames)
    np.testing.assert_allclose(of_frames, expected, atol=1e-7)
    expected = plain.numeric_gradient(lambda x: of(problem._replace(nodes=x)), problem.nodes)
    np.testing.assert_allclose(of_nodes, expected, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 3), min_size=7, max_size=7),
    order=st.permutations(range(3)),
    side=st.integers(1, 5),
)
def test_any_distribution_of_nodes(counts: list[int], order: list[int], side: int) -> None:
    """Captions may lack nodes anywhere, their real nodes may lie in any slots, and any of these may be denied."""
    draw = np.random.default_rng(sum(counts))
    node_mask = (np.arange(3)[None] < np.array(counts)[:, None])[:, order]
    problem = Problem(
        draw.normal(size=(2, 2, 4)),
        np.ones((2, 2), bool),
        draw.normal(size=(7, 3, 4)),
        node_mask,
        draw.random((7, 3)) < 0.3,
    )
    scores = _two_videos(*problem.arrays(np.float32), 4 * 2 * 8 * side**2)
    expected = problem.expected_mean()
    np.testing.assert_allclose(scores, expected, atol=1e-5, rtol=0)


_two_videos = jax.jit(blocked, static_argnums=2)


def test_packing() -> None:
    mask = jnp.asarray([[False, True], [False, False], [True, True]])
    vectors = jnp.arange(1.0, 7.0).reshape(3, 2, 1) * jnp.asarray([[[1.0]], [[1.0]], [[-1.0]]])
    negated = jnp.asarray([[True, False], [True, True], [False, True]])
    packed = pack_nodes(NodeSet(vectors, mask, negated))
    np.testing.assert_array_equal(packed.queries[:, 0], [1, -1, -1, 0, 0, 0])
    np.testing.assert_array_equal(packed.groups, [0, 1, 1, 3, 3, 3])
    np.testing.assert_array_equal(packed.shares, [1.0, 0.5, -0.5, 0, 0, 0])
    np.testing.assert_array_equal(packed.present, [True, False, True])
    affirmed = pack_nodes(NodeSet(vectors, mask))
    np.testing.assert_array_equal(affirmed.shares, np.abs(packed.shares))
    np.testing.assert_array_equal(affirmed.queries, packed.queries)


@pytest.mark.parametrize(
    ("videos", "frames", "nodes", "budget"),
    [
        (128, 20, 1800, 2 * 2**20),
        (1, 1, 1, 1),
        (5, 50, 7, 100),
        (2990, 20, 240_000, 2**28),
        (64, 20, 384, 2**30),
    ],
)
def test_block_sizes_keep_to_the_budget(videos: int, frames: int, nodes: int, budget: int) -> None:
    height, width = block_sizes(videos, frames, nodes, budget)
    assert 1 <= height <= videos
    assert 1 <= width <= nodes
    assert (
        4 * height * frames * width <= budget or height == width == 1 or (height == 1 and 4 * frames > budget)
    )
    if 4 * videos * frames * nodes <= budget:
        assert (height, width) == (videos, nodes)


def test_only_blocks_with_real_nodes_are_computed() -> None:
    """A score that is not a number in every block would show, were an empty block computed."""
    computed = []

    def witness(frames: object, queries: jax.Array) -> jax.Array:
        jax.debug.callback(lambda: computed.append(1))
        return jnp.zeros((2, queries.shape[0]), jnp.float32)

    frames = normalise_frames(NodeSet(jnp.ones((2, 1, 3), jnp.float32), jnp.ones((2, 1), bool)))
    mask = np.zeros((8, 4), bool)
    mask[3, 1] = mask[6, 2] = mask[6, 3] = True
    nodes = pack_nodes(NodeSet(jnp.ones((8, 4, 3), jnp.float32), jnp.asarray(mask)))
    # Blocks of two videos and two nodes: of sixteen, two hold the three real nodes.
    assert block_sizes(2, 1, 32, 128) == (2, 2)
    jax.block_until_ready(jax.jit(mean_node_similarity, static_argnums=(2, 3))(frames, nodes, witness, 128))
    jax.effects_barrier()
    assert len(computed) == 2


def test_training_keeps_no_cosines() -> None:
    """What the backward pass needs of a block is computed again: memory does not grow with frames x nodes."""
    videos, count, captions, slots, width = 16, 20, 64, 8, 4
    frames = NodeSet(jnp.ones((videos, count, width)), jnp.ones((videos, count), bool))
    nodes = NodeSet(jnp.ones((captions, slots, width)), jnp.ones((captions, slots), bool))
    budget = 4 * count * 2 * 16

    def total(vectors: jax.Array) -> jax.Array:
        return jnp.sum(blocked(dataclasses.replace(frames, vectors=vectors), nodes, budget))

    compiled = jax.jit(jax.grad(total)).lower(frames.vectors).compile()
    cosines = 4 * videos * count * captions * slots
    assert compiled.memory_analysis().temp_size_in_bytes < 0.5 * cosines
    whole = functools.partial(attended_similarity, normalise_frames(frames))
    at_once = jax.jit(jax.grad(lambda queries: jnp.sum(whole(queries)))).lower(
        jnp.ones((captions * slots, width))
    )
    assert at_once.compile().memory_analysis().temp_size_in_bytes > cosines
