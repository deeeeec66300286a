import jax
import jax.numpy as jnp
import numpy as np

from mcsan_jax.models.text_encoder import pool_spans

SPANS = np.array([[[0, 1], [1, 4], [2, 9], [5, 5], [3, 6]], [[0, 6], [5, 6], [4, 6], [0, 2], [7, 8]]])
"""Of six tokens: spans of all lengths, one beyond the last token, an empty one, and a padded node in the end."""
MASK = np.array([[True, True, True, True, False], [True, True, True, True, False]])


def by_hand(states: np.ndarray) -> np.ndarray:
    result = np.zeros((2, 5, states.shape[2]))
    for t, n in np.ndindex(2, 5):
        start, end = SPANS[t, n]
        if MASK[t, n] and end > start:
            result[t, n] = states[t, start:end].max(axis=0)
    return result


def test_formula_and_gradient() -> None:
    draw = np.random.default_rng(0)
    states, weights = draw.normal(size=(2, 6, 8)), draw.normal(size=(2, 5, 8))

    def total(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        pooled = pool_spans(x, jnp.asarray(SPANS, jnp.int32), jnp.asarray(MASK))
        return jnp.sum(jnp.asarray(weights, jnp.float32) * pooled), pooled

    gradient, pooled = jax.jit(jax.grad(total, has_aux=True))(jnp.asarray(states, jnp.float32))
    np.testing.assert_allclose(pooled, by_hand(states), atol=1e-6)
    expected = np.zeros_like(states)
    for t, n, d in np.ndindex(weights.shape):
        start, end = SPANS[t, n]
        if MASK[t, n] and end > start:
            expected[t, start + np.argmax(states[t, start:end, d]), d] += weights[t, n, d]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_of_equal_states_the_first_gets_the_gradient() -> None:
    spans, mask = jnp.asarray([[[0, 3]]], jnp.int32), jnp.ones((1, 1), bool)
    gradient = jax.grad(lambda x: jnp.sum(pool_spans(x, spans, mask)))(jnp.ones((1, 4, 2)))
    np.testing.assert_array_equal(gradient[0], [[1, 1], [0, 0], [0, 0], [0, 0]])


def test_no_real_node() -> None:
    spans, mask = jnp.zeros((2, 3, 2), jnp.int32), jnp.zeros((2, 3), bool)
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(pool_spans(x, spans, mask)))(jnp.ones((2, 4, 2)))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
