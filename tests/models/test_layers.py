import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.models.layers import (
    AttentionPooling,
    CrossAttention,
    Linear,
    TransformerLayer,
    masked_mean,
    masked_softmax,
)

WIDTH, INPUT = 4, 3
LENGTHS = np.array([6, 3, 1, 0])
MASK = np.arange(6)[None] < LENGTHS[:, None]
X = np.random.default_rng(0).normal(size=(4, 6, INPUT)).astype(np.float32)


def test_masked_softmax_and_mean() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], np.float32)
    mask = np.array([[True, True, True], [True, False, True], [False, False, False]])
    weights = np.where(mask, np.exp(logits), 0.0)
    expected = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(masked_softmax(jnp.asarray(logits), jnp.asarray(mask)), expected, atol=1e-6)
    gradient = jax.grad(lambda x: jnp.sum(masked_softmax(x, jnp.asarray(mask)) ** 2))(jnp.asarray(logits))
    assert np.all(np.isfinite(gradient))
    np.testing.assert_array_equal(gradient[~mask], 0.0)
    values = jnp.asarray(np.stack([logits, 2 * logits], axis=-1))
    np.testing.assert_allclose(masked_mean(values, jnp.asarray(mask)), [[2, 4], [2, 4], [0, 0]], atol=1e-6)


def test_attention_pooling_by_hand() -> None:
    layer = AttentionPooling()
    direction = np.array([0.5, -1.0, 2.0], np.float32)
    pooled = jax.jit(layer.apply)({"params": {"Dense_0": {"kernel": direction[:, None]}}}, X, MASK)
    for row, length in enumerate(LENGTHS):
        real = X[row, :length].astype(np.float64)
        weights = np.exp(real @ direction)
        expected = weights @ real / weights.sum() if length else np.zeros(INPUT)
        np.testing.assert_allclose(pooled[row], expected, atol=1e-5)


def test_cross_attention_by_hand() -> None:
    layer = CrossAttention(WIDTH)
    draw = np.random.default_rng(2)
    y = draw.normal(size=(4, 2, INPUT)).astype(np.float32)
    allowed = draw.random((4, 6, 2)) < 0.6
    allowed[0, 0] = False
    variables = jax.jit(layer.init)(jax.random.key(0), X, y, allowed)
    params = jax.tree.map(np.float64, variables["params"])
    result = jax.jit(layer.apply)(variables, X, y, allowed)
    for b, i in np.ndindex(4, 6):
        query = X[b, i] @ params["query"]["Dense_0"]["kernel"] + params["query"]["Dense_0"]["bias"]
        total, weight_sum = np.zeros(INPUT), 0.0
        for j in np.flatnonzero(allowed[b, i]):
            key = y[b, j] @ params["key"]["Dense_0"]["kernel"] + params["key"]["Dense_0"]["bias"]
            weight = np.exp(query @ key / np.sqrt(WIDTH / 2))
            total, weight_sum = total + weight * y[b, j], weight_sum + weight
        np.testing.assert_allclose(result[b, i], total / max(weight_sum, 1e-9), atol=1e-5)
    np.testing.assert_array_equal(result[0, 0], 0.0)


def test_transformer_layer_ignores_padding() -> None:
    layer = TransformerLayer(8)
    x = np.random.default_rng(3).normal(size=(4, 6, 8)).astype(np.float32)
    apply = jax.jit(functools.partial(layer.apply, train=False))
    variables = jax.jit(functools.partial(layer.init, train=False))(jax.random.key(0), x, MASK)
    result = apply(variables, x, MASK)
    assert np.all(np.isfinite(result))
    junk = np.where(MASK[..., None], x, 50.0).astype(np.float32)
    np.testing.assert_allclose(apply(variables, junk, MASK)[MASK], result[MASK], atol=1e-5)
    moved = x.copy()
    moved[0, 5, 0] += 2.0
    assert np.abs(apply(variables, moved, MASK)[0, 0] - result[0, 0]).max() > 1e-4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_linear_keeps_parameters_and_results_in_float32(dtype: str) -> None:
    layer = Linear(5, dtype)
    variables = jax.jit(layer.init)(jax.random.key(0), X)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    result = jax.jit(layer.apply)(variables, X)
    assert result.dtype == jnp.float32
    difference = np.abs(result - X @ np.asarray(variables["params"]["Dense_0"]["kernel"])).max()
    assert difference < 1e-5 if dtype == "float32" else 1e-5 < difference < 0.05
