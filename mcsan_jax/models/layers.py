"""This module holds the blocks that both encoders share; parameters, norms and softmax are float32 throughout."""

import functools
import inspect
from typing import TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.batches.batch import AnyArray

Block = TypeVar("Block", bound=nn.Module)

_LOWEST = -1e30
"""Masked attention logits have this value; it is finite, so that a fully masked row has a finite softmax."""


def rematerialized(block: type[Block], wanted: bool) -> type[Block]:
    """Returns the block, which recomputes for its gradient what it would otherwise keep, where that is wanted.

    The block's arguments are arrays or None; a last one may be the flag ``train``.
    """
    if not wanted:
        return block
    names = list(inspect.signature(block.__call__).parameters)
    static = tuple(place for place, name in enumerate(names) if name == "train")
    return nn.remat(block, static_argnums=static)


class Linear(nn.Module):
    """A linear layer computes ``x K + b``; its product takes inputs in `compute_dtype`, sums and result are float32.

    Its parameters have the names and the initial values of a `flax.linen.Dense` inside it.

    Attributes:
        features: the size of the last axis of the result.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        starts_at_zero: whether the kernel begins with zeros.
    """

    features: int
    compute_dtype: str = "float32"
    starts_at_zero: bool = False

    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch features"]:
        kernel, bias = self.weights(x.shape[-1])
        product = _product(x, jnp.asarray(kernel), self.compute_dtype)
        return product + bias.reshape((1,) * (x.ndim - 1) + (-1,))

    @nn.compact
    def weights(self, inputs: int) -> tuple[Float[AnyArray, "d features"], Float[AnyArray, " features"]]:
        """Returns kernel and bias for so many inputs, for a product that is computed elsewhere."""
        return _DenseWeights(self.features, self.starts_at_zero, name="Dense_0")(inputs)


class _DenseWeights(nn.Module):
    """These weights have the names and initial values of a `flax.linen.Dense`, which would round products and biases.

    Attributes:
        features: the number of columns of the kernel.
        starts_at_zero: whether the kernel begins with zeros.
    """

    features: int
    starts_at_zero: bool

    @nn.compact
    def __call__(self, inputs: int) -> tuple[Float[AnyArray, "d features"], Float[AnyArray, " features"]]:
        start = nn.initializers.zeros if self.starts_at_zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", start, (inputs, self.features))
        return kernel, self.param("bias", nn.initializers.zeros, (self.features,))


class AttentionPooling(nn.Module):
    """Attention pooling computes ``Σ_i softmax_i(w · h_i) h_i`` over real items; it is zero where there is none.

    Axes: b rows, n items of a row, d numbers of an item. The module has no fields.
    """

    @nn.compact
    def __call__(self, h: Float[Array, "b n d"], mask: Bool[Array, "b n"]) -> Float[Array, "b d"]:
        logits = nn.Dense(1, use_bias=False)(h)[..., 0]
        return jnp.einsum("bn,bnd->bd", masked_softmax(logits, mask), h)


class CrossAttention(nn.Module):
    """This scaled dot-product attention learns queries and keys of half the width; the values are the keys' inputs.

    It computes ``c_i = Σ_j softmax_j(q(x_i) · k(y_j) / √(d/2)) y_j`` over allowed pairs, and zero where none is.
    Axes: n queries of dx numbers, m keys of d numbers; the result has a vector of d numbers for each query.

    Attributes:
        width: d; queries and keys have half of it.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    width: int
    compute_dtype: str = "float32"

    @nn.compact
    def __call__(
        self, x: Float[Array, "*b n dx"], y: Float[Array, "*b m d"], allowed: Bool[Array, "*b n m"]
    ) -> Float[Array, "*b n d"]:
        half = self.width // 2
        queries = Linear(half, self.compute_dtype, name="query")(x)
        keys = Linear(half, self.compute_dtype, name="key")(y)
        logits = jnp.einsum("...nd,...md->...nm", queries, keys) / jnp.sqrt(jnp.float32(half))
        return jnp.einsum("...nm,...md->...nd", masked_softmax(logits, allowed), y)


class TransformerLayer(nn.Module):
    """This layer has pre-norm self-attention and a feed-forward part, each with a residual connection.

    Axes of input and output: b rows, n items, d = width.

    Attributes:
        width: the size of a state; the feed-forward part is four times as wide.
        heads: the number of attention heads, which divides the width.
        dropout: the share of both results that is dropped in training.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    width: int
    heads: int = 4
    dropout: float = 0.0
    compute_dtype: str = "float32"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n d"], mask: Bool[Array, "b n"], train: bool
    ) -> Float[Array, "b n d"]:
        batch, length, _ = x.shape
        h = nn.LayerNorm(name="attention_norm")(x)
        projected = Linear(3 * self.width, self.compute_dtype, name="query_key_value")(h)
        query, key, value = jnp.split(projected.reshape(batch, length, self.heads, -1), 3, axis=-1)
        attended = jax.nn.dot_product_attention(query, key, value, mask=mask[:, None, None, :])
        h = Linear(self.width, self.compute_dtype, name="output")(attended.reshape(batch, length, -1))
        x = x + nn.Dropout(self.dropout, deterministic=not train)(h)
        h = nn.LayerNorm(name="feed_forward_norm")(x)
        h = nn.gelu(Linear(4 * self.width, self.compute_dtype, name="expand")(h))
        h = Linear(self.width, self.compute_dtype, name="contract")(h)
        return x + nn.Dropout(self.dropout, deterministic=not train)(h)


def _product(
    x: Float[Array, "*batch d"], kernel: Float[Array, "d features"], compute_dtype: str
) -> Float[Array, "*batch features"]:
    """Returns ``x K`` in float32; both factors, and those of its gradients, are rounded to `compute_dtype`."""
    if compute_dtype == "float32":
        return _contract(x, kernel, (-1,), (0,))
    return _rounded_product(x, kernel, compute_dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _rounded_product(x: Array, kernel: Array, compute_dtype: str) -> Array:
    return _contract(x.astype(compute_dtype), kernel.astype(compute_dtype), (-1,), (0,))


def _forward(x: Array, kernel: Array, compute_dtype: str) -> tuple[Array, tuple[Array, Array]]:
    factors = x.astype(compute_dtype), kernel.astype(compute_dtype)
    return _contract(*factors, (-1,), (0,)), factors


def _backward(compute_dtype: str, factors: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    """Rounds the factors of the gradients' products; JAX would round the gradients themselves instead."""
    x, kernel = factors
    rounded = gradient.astype(compute_dtype)
    rows = tuple(range(x.ndim - 1))
    return _contract(rounded, kernel, (-1,), (1,)), _contract(x, rounded, rows, rows)


_rounded_product.defvjp(_forward, _backward)


def _contract(x: Array, y: Array, axes_of_x: tuple[int, ...], axes_of_y: tuple[int, ...]) -> Array:
    """Returns the product over these axes of both, with sums in float32."""
    axes = tuple(axis % x.ndim for axis in axes_of_x), axes_of_y
    return jax.lax.dot_general(x, y, (axes, ((), ())), preferred_element_type=jnp.float32)


def masked_softmax(
    logits: Float[Array, "*batch n"], mask: Bool[Array, "*batch n"]
) -> Float[Array, "*batch n"]:
    """Returns the softmax over the unmasked entries of the last axis; it is zero where all are masked."""
    weights = jax.nn.softmax(jnp.where(mask, logits, _LOWEST), axis=-1)
    return jnp.where(mask, weights, 0.0)


def masked_mean(x: Float[Array, "b n d"], mask: Bool[Array, "b n"]) -> Float[Array, "b d"]:
    """Returns the mean over real items; it is zero where there is none."""
    weights = mask.astype(x.dtype)
    total = jnp.einsum("bn,bnd->bd", weights, x)
    return total / jnp.maximum(jnp.sum(weights, axis=1, keepdims=True), 1.0)
