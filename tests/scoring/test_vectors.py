import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.scoring.vectors import cosines_of_directions, direction_and_length, normalize
from tests.scoring import plain_formulas as plain


def test_cosine(precision: tuple[np.dtype, float]) -> None:
    dtype, tolerance = precision
    draw = np.random.default_rng(1)
    videos, texts = draw.normal(size=(3, 5)), draw.normal(size=(4, 5))
    texts[2] = 0.0
    result = cosines_of_directions(*(normalize(jnp.asarray(x, dtype)) for x in (videos, texts)))
    assert result.dtype == dtype
    np.testing.assert_allclose(result, plain.cosine_matrix(videos, texts), atol=tolerance, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_cosines_of_rounded_directions_are_at_most_one(dtype: str) -> None:
    """Rounded to bfloat16, vectors of unit length have lengths between 0.998 and 1.002."""
    vectors = normalize(jnp.asarray(np.random.default_rng(1).normal(size=(200, 3)), jnp.float32))
    found = np.asarray(cosines_of_directions(vectors, vectors, jnp.dtype(dtype)))
    np.testing.assert_allclose(np.diagonal(found), 1.0, atol=1e-6)
    assert np.abs(found).max() <= 1 + 1e-6
    exact = np.asarray(cosines_of_directions(vectors, vectors))
    np.testing.assert_allclose(found, exact, atol=1e-6 if dtype == "float32" else 0.01)


def test_zero_vectors_have_zero_gradient() -> None:
    gradient = jax.grad(lambda x: jnp.sum(normalize(x)))(jnp.zeros((2, 3)))
    assert np.all(np.isfinite(gradient))
    gradient = jax.grad(lambda x: jnp.sum(cosines_of_directions(normalize(x), jnp.zeros((1, 3)))))(
        jnp.ones((2, 3))
    )
    np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("factor", [1e-30, 1e-15, 1.0, 1e15, 1e30])
def test_directions_and_lengths_of_any_size(factor: float) -> None:
    """No square overflows or vanishes, in the gradient neither."""
    vectors = np.array([[3.0, -4.0, 0.0], [0.1, 0.2, 0.2]])
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3)), jnp.float32)

    def total(x: jax.Array) -> jax.Array:
        directions, lengths = direction_and_length(x)
        return jnp.sum(weights * directions) + jnp.sum(weights[:, :1] * lengths) / factor

    x = jnp.asarray(factor * vectors, jnp.float32)
    directions, lengths = direction_and_length(x)
    np.testing.assert_allclose(lengths[:, 0], factor * np.array([5.0, 0.3]), rtol=1e-6)
    np.testing.assert_allclose(directions, vectors / np.array([[5.0], [0.3]]), rtol=1e-6)

    def by_hand(x: np.ndarray) -> float:
        norms = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return float(np.sum(np.asarray(weights) * x / norms) + np.sum(np.asarray(weights)[:, :1] * norms))

    gradient = np.asarray(jax.grad(total)(x), np.float64) * factor
    np.testing.assert_allclose(gradient, plain.numeric_gradient(by_hand, vectors), atol=2e-5)
