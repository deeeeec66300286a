"""The pre-norm transformer that both towers of CLIP and SigLIP have; norms, softmax and sums are float32."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mcsan_jax.image_text.tower_shapes import TransformerShape


class Transformer(nn.Module):
    """A stack of pre-norm blocks turns states into states of the same size (Xiong et al. 2020).

    Axes: n rows, s states of a row, width of the states.

    Attributes:
        shape: the sizes of the stack.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        remat: whether blocks are computed again for the gradient, so that their results need not be kept.
    """

    shape: TransformerShape
    compute_dtype: str = "float32"
    remat: bool = False

    @nn.compact
    def __call__(
        self, states: Float[Array, "n s width"], sees: Bool[Array, "#n s s"] | None = None
    ) -> Float[Array, "n s width"]:
        """Returns the states after the last block.

        Args:
            states: the states before the first block.
            sees: whether the state of the second axis sees that of the third; without it, each sees all.
        """
        block = nn.remat(TransformerBlock) if self.remat else TransformerBlock
        for layer in range(self.shape.layers):
            states = block(self.shape, self.compute_dtype, name=f"layer_{layer}")(states, sees)
        return states


class TransformerBlock(nn.Module):
    """A block adds self-attention of the normalised states to them, and then a feed-forward part likewise.

    Axes: n rows, s states of a row, width of the states.

    Attributes:
        shape: the sizes of the stack.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    shape: TransformerShape
    compute_dtype: str

    @nn.compact
    def __call__(
        self, states: Float[Array, "n s width"], sees: Bool[Array, "#n s s"] | None
    ) -> Float[Array, "n s width"]:
        shape, dtype = self.shape, self.compute_dtype
        normal = norm(shape, "attention_norm")(states)
        asked = Affine(3 * shape.width, dtype, name="query_key_value")(normal)
        query, key, value = jnp.split(asked, 3, axis=2)
        attended = attention(query, key, value, shape.heads, dtype, sees)
        states = states + Affine(shape.width, dtype, name="attention_output")(attended)
        return states + FeedForward(shape, dtype, name="feed_forward")(norm(shape, "inner_norm")(states))


class FeedForward(nn.Module):
    """The feed-forward part computes ``activation(x K + b) L + c``.

    Axes: any, and width of the states last.

    Attributes:
        shape: the sizes of the stack.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    shape: TransformerShape
    compute_dtype: str

    @nn.compact
    def __call__(self, states: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        inner = Affine(self.shape.inner_width, self.compute_dtype, name="expand")(states)
        return Affine(self.shape.width, self.compute_dtype, name="contract")(
            activated(inner, self.shape.activation)
        )


class Affine(nn.Module):
    """An affine map computes ``x K + b``; its product takes inputs in `compute_dtype`, sums and result are float32.

    A product of float32 is exact to float32 on accelerators, too, which would round its inputs unless told otherwise.

    Attributes:
        features: the size of the last axis of the result.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        has_bias: whether there is a ``b``.
    """

    features: int
    compute_dtype: str = "float32"
    has_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch features"]:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.features))
        result = _einsum("...d,df->...f", x, kernel, self.compute_dtype)
        if not self.has_bias:
            return result
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return result + bias.reshape((1,) * (x.ndim - 1) + (-1,))


def norm(shape: TransformerShape, name: str) -> nn.LayerNorm:
    """Returns a LayerNorm of a tower; its variance is the mean of squared differences, which loses no digits."""
    return nn.LayerNorm(shape.norm_epsilon, use_fast_variance=False, name=name)


def attention(
    query: Float[Array, "n q width"],
    key: Float[Array, "n s width"],
    value: Float[Array, "n s width"],
    heads: int,
    compute_dtype: str,
    sees: Bool[Array, "#n q s"] | None = None,
) -> Float[Array, "n q width"]:
    """Returns ``softmax(Q Kᵀ / √d) V`` of each head, the heads side by side (Vaswani et al. 2017).

    Args:
        query: what asks.
        key, value: what is asked.
        heads: the number of heads, which divides the width; d is the width of one.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        sees: whether a query sees a key; without it, each sees all.
    """
    query, key, value = (x.reshape(*x.shape[:2], heads, x.shape[2] // heads) for x in (query, key, value))
    logits = _einsum("nqhd,nshd->nhqs", query, key, compute_dtype) * query.shape[-1] ** -0.5
    if sees is not None:
        logits = jnp.where(sees[:, None], logits, jnp.finfo(logits.dtype).min)
    attended = _einsum("nhqs,nshd->nqhd", jax.nn.softmax(logits), value, compute_dtype)
    return attended.reshape(*attended.shape[:2], -1)


def activated(x: Float[Array, "*shape"], activation: str) -> Float[Array, "*shape"]:
    """Returns GELU, exactly or as one of its approximations (Hendrycks & Gimpel 2016).

    Args:
        x: any array.
        activation: ``gelu``; ``gelu_pytorch_tanh``, with a tanh; or ``quick_gelu``, ``x sigmoid(1.702 x)``.
    """
    if activation == "quick_gelu":
        return x * jax.nn.sigmoid(1.702 * x)
    return jax.nn.gelu(x, approximate=activation == "gelu_pytorch_tanh")


def _einsum(formula: str, x: Array, y: Array, compute_dtype: str) -> Array:
    return jnp.einsum(
        formula,
        x.astype(compute_dtype),
        y.astype(compute_dtype),
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
