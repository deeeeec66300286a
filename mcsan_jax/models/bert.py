"""This module is BERT (Devlin et al. 2019): it turns token ids into states, with published parameters if wanted."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mcsan_jax.models.layers import Linear, rematerialized


@dataclasses.dataclass(frozen=True)
class BertShape:
    """These are the sizes of an encoder, as its ``config.json`` has them, and its two special tokens.

    Attributes:
        vocabulary_size: the number of rows of the word embedding.
        width: the size of a state.
        layers: the number of layers.
        heads: the number of attention heads of a layer.
        inner_width: the width of the feed-forward part.
        places: the number of tokens of the longest input, with both special tokens.
        segments: the number of rows of the segment embedding, of which the first is used.
        norm_epsilon: the epsilon of LayerNorm.
        first_token, last_token: the ids that stand before and after every text ([CLS] and [SEP]).
    """

    vocabulary_size: int
    width: int
    layers: int
    heads: int
    inner_width: int
    places: int
    segments: int
    norm_epsilon: float
    first_token: int
    last_token: int


class Bert(nn.Module):
    """BERT computes the states of a text's own tokens; special tokens stand around them and their states are dropped.

    It has post-norm transformer layers with exact GELU, as in the original. It has no dropout: it is used as it
    is, or tuned a little. Axes: t texts, w tokens without the special ones, width of the encoder.

    Attributes:
        shape: the sizes of the encoder.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        remat: whether layers are computed again for the gradient, so that their results need not be kept.
    """

    shape: BertShape
    compute_dtype: str = "float32"
    remat: bool = False

    @nn.compact
    def __call__(self, token_ids: Int[Array, "t w"], mask: Bool[Array, "t w"]) -> Float[Array, "t w width"]:
        shape = self.shape
        ids, real = with_special_tokens(token_ids, mask, shape.first_token, shape.last_token)
        states = nn.Embed(shape.vocabulary_size, shape.width, name="words")(ids)
        places = self.param("places", nn.initializers.normal(0.02), (shape.places, shape.width))
        segments = self.param("segments", nn.initializers.normal(0.02), (shape.segments, shape.width))
        states = states + (places[: ids.shape[1]] + segments[:1])[None]
        states = nn.LayerNorm(shape.norm_epsilon, name="norm")(states)
        block = rematerialized(BertLayer, self.remat)
        for layer in range(shape.layers):
            states = block(shape, self.compute_dtype, name=f"layer_{layer}")(states, real)
        return jnp.where(mask[..., None], states[:, 1:-1], 0.0)


class BertLayer(nn.Module):
    """This layer has self-attention and a feed-forward part; a residual connection and LayerNorm follow each.

    Axes of input and output: t texts, w tokens with the special ones, width of the encoder.

    Attributes:
        shape: the sizes of the encoder.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    shape: BertShape
    compute_dtype: str

    @nn.compact
    def __call__(
        self, states: Float[Array, "t w width"], real: Bool[Array, "t w"]
    ) -> Float[Array, "t w width"]:
        shape, dtype = self.shape, self.compute_dtype
        heads = (*states.shape[:2], shape.heads, shape.width // shape.heads)
        query, key, value = (
            Linear(shape.width, dtype, name=name)(states).reshape(heads) for name in ("query", "key", "value")
        )
        attended = jax.nn.dot_product_attention(query, key, value, mask=real[:, None, None, :])
        attended = Linear(shape.width, dtype, name="attention_output")(attended.reshape(states.shape))
        states = nn.LayerNorm(shape.norm_epsilon, name="attention_norm")(states + attended)
        inner = nn.gelu(Linear(shape.inner_width, dtype, name="expand")(states), approximate=False)
        inner = Linear(shape.width, dtype, name="contract")(inner)
        return nn.LayerNorm(shape.norm_epsilon, name="output_norm")(states + inner)


def with_special_tokens(
    token_ids: Int[Array, "t w"], mask: Bool[Array, "t w"], first: int, last: int
) -> tuple[Int[Array, "t w_plus_2"], Bool[Array, "t w_plus_2"]]:
    """Returns each text between two special tokens, the second right after its last token, and which are real."""
    count = jnp.sum(mask, axis=1, keepdims=True)
    padded = jnp.pad(token_ids, ((0, 0), (1, 1)))
    place = jnp.arange(padded.shape[1])[None]
    ids = jnp.where(place == 0, first, jnp.where(place == count + 1, last, padded))
    return ids, place <= count + 1
