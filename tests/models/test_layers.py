import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mcsan_jax.models.layers import (
    AttentionPooling,
    CrossAttention,
    Linear,
    TransformerLayer,
    masked_mean,
    masked_softmax,
)
from tests.models.plain_layers import attention_pooling, cross_attention, transformer_layer

WIDTH, INPUT = 4, 3
LENGTHS = np.array([6, 3, 1, 0])
MASK = np.arange(6)[None] < LENGTHS[:, None]
X = np.random.default_rng(0).normal(size=(4, 6, INPUT)).astype(np.float32)


def drawn(init: Callable, *inputs: np.ndarray) -> Any:
    """Variables drawn at random; none of them is zero."""
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(init, jax.random.key(0), *inputs)
    return jax.tree.map(lambda x: (0.1 + 0.4 * random.normal(size=x.shape)).astype(x.dtype), shapes)


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


def test_attention_pooling_equals_a_plain_loop() -> None:
    weights = {"Dense_0": {"kernel": np.array([[0.5], [-1.0], [2.0]], np.float32)}}
    pooled = jax.jit(AttentionPooling().apply)({"params": weights}, X, MASK)
    for row, length in enumerate(LENGTHS):
        real = X[row, :length].astype(np.float64)
        np.testing.assert_allclose(pooled[row], attention_pooling(weights, real, INPUT), atol=1e-5)


def test_cross_attention_equals_a_plain_loop() -> None:
    layer = CrossAttention(WIDTH)
    draw = np.random.default_rng(2)
    y = draw.normal(size=(4, 2, INPUT)).astype(np.float32)
    allowed = draw.random((4, 6, 2)) < 0.6
    allowed[0, 0] = False
    variables = drawn(layer.init, X, y, allowed)
    params = jax.tree.map(np.float64, variables["params"])
    result = jax.jit(layer.apply)(variables, X, y, allowed)
    for b, i in np.argwhere(allowed.any(axis=2)):
        expected = cross_attention(params, X[b, i].astype(np.float64), y[b][allowed[b, i]])
        np.testing.assert_allclose(result[b, i], expected, atol=1e-5)
    np.testing.assert_array_equal(result[~allowed.any(axis=2)], 0.0)


def test_transformer_layer_equals_a_plain_loop() -> None:
    layer = TransformerLayer(8)
    x = np.random.default_rng(3).normal(size=(4, 6, 8)).astype(np.float32)
    x[~MASK] = 50.0
    variables = drawn(functools.partial(layer.init, train=False), x, MASK)
    params = jax.tree.map(np.float64, variables["params"])
    result = jax.jit(functools.partial(layer.apply, train=False))(variables, x, MASK)
    assert np.all(np.isfinite(result))
    for row, length in enumerate(LENGTHS):
        expected = transformer_layer(params, x[row, :length].astype(np.float64))
        np.testing.assert_allclose(result[row, :length], np.reshape(expected, (-1, 8)), rtol=1e-4, atol=1e-5)


class Reference(nn.Module):
    """What a `Linear` is in float32."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(5)(x)


def test_a_linear_map_in_float32_is_that_of_flax_to_the_last_bit() -> None:
    def all_of(layer: nn.Module, x: jax.Array) -> Any:
        variables = layer.init(jax.random.key(0), x)
        outer = jnp.asarray(np.random.default_rng(4).normal(size=(4, 6, 5)).astype(np.float32))
        value, pull = jax.vjp(layer.apply, variables, x)
        return variables, value, pull(outer)

    found, expected = (jax.jit(all_of, static_argnums=0)(layer, X) for layer in (Linear(5), Reference()))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_bfloat16_rounds_the_factors_of_products_only() -> None:
    """Values and gradients equal a float64 product of the rounded factors; a bias of 300 stays exact to a float32."""
    layer = Linear(5, "bfloat16")
    variables = drawn(layer.init, X)
    variables["params"]["Dense_0"]["bias"] += np.float32(300.123)
    outer = np.random.default_rng(4).normal(size=(4, 6, 5)).astype(np.float32)

    def value_and_gradients(variables: Any, x: jax.Array) -> Any:
        value, pull = jax.vjp(layer.apply, variables, x)
        return value, *pull(jnp.asarray(outer))

    value, by_weight, by_x = jax.jit(value_and_gradients)(variables, X)
    kernel, bias = (variables["params"]["Dense_0"][name] for name in ("kernel", "bias"))
    x, k, g = (array.astype(jnp.bfloat16).astype(np.float64) for array in (X, kernel, outer))
    expected = np.zeros((4, 6, 5))
    for b, w, e in np.ndindex(expected.shape):
        expected[b, w, e] = bias[e] + sum(x[b, w, d] * k[d, e] for d in range(INPUT))
    np.testing.assert_allclose(value, expected, rtol=2e-7)
    found = by_weight["params"]["Dense_0"]
    np.testing.assert_allclose(found["kernel"], np.einsum("bwd,bwe->de", x, g), rtol=1e-5)
    np.testing.assert_allclose(found["bias"], outer.sum(axis=(0, 1), dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(by_x, np.einsum("bwe,de->bwd", g, k), rtol=1e-5)
    assert {leaf.dtype for leaf in jax.tree.leaves((value, by_weight, by_x))} == {np.dtype(np.float32)}
