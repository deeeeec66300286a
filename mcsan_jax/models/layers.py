"""The few blocks that both encoders share. Parameters, norms and softmax are float32 throughout."""

import inspect
from typing import TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Block = TypeVar("Block", bound=nn.Module)

_LOWEST = -1e30
"""Added to masked attention logits: finite, so that a fully masked row has a finite softmax."""


def rematerialized(block: type[Block], wanted: bool) -> type[Block]:
    """The block, which computes what its gradient needs again instead of keeping it, where that is wanted.

    The block's arguments are arrays (or None) but for a last one, ``train``, if it has that.
    """
    if not wanted:
        return block
    names = list(inspect.signature(block.__call__).parameters)
    static = tuple(place for place, name in enumerate(names) if name == "train")
    return nn.remat(block, static_argnums=static)


class Linear(nn.Module):
    """An affine map whose product runs in `compute_dtype` and whose result is float32."""

    features: int
    compute_dtype: str = "float32"
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch features"]:
        dense = nn.Dense(self.features, use_bias=self.use_bias, dtype=jnp.dtype(self.compute_dtype))
        return dense(x).astype(jnp.float32)


class AttentionPooling(nn.Module):
    """``Σ_i softmax_i(w · h_i) h_i`` over real items; zero where there is none."""

    @nn.compact
    def __call__(self, h: Float[Array, "b n d"], mask: Bool[Array, "b n"]) -> Float[Array, "b d"]:
        logits = nn.Dense(1, use_bias=False)(h)[..., 0]
        return jnp.einsum("bn,bnd->bd", masked_softmax(logits, mask), h)


class CrossAttention(nn.Module):
    """Scaled dot-product attention with learned queries and keys of half the width; values are the keys' inputs.

    ``c_i = Σ_j softmax_j(q(x_i) · k(y_j) / √(d/2)) y_j`` over allowed pairs; zero where none is allowed.
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
    """Pre-norm self-attention and feed-forward, each with a residual connection."""

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


def masked_softmax(
    logits: Float[Array, "*batch n"], mask: Bool[Array, "*batch n"]
) -> Float[Array, "*batch n"]:
    """Softmax over the last axis among unmasked entries; all zero where everything is masked."""
    weights = jax.nn.softmax(jnp.where(mask, logits, _LOWEST), axis=-1)
    return jnp.where(mask, weights, 0.0)


def masked_mean(x: Float[Array, "b n d"], mask: Bool[Array, "b n"]) -> Float[Array, "b d"]:
    """Mean over real items; zero where there is none."""
    weights = mask.astype(x.dtype)
    total = jnp.einsum("bn,bnd->bd", weights, x)
    return total / jnp.maximum(jnp.sum(weights, axis=1, keepdims=True), 1.0)
