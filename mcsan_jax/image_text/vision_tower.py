"""The image towers of CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mcsan_jax.image_text.tower_shapes import TransformerShape, VisionTowerShape
from mcsan_jax.image_text.transformer import Affine, FeedForward, Transformer, attention, norm


class VisionTower(nn.Module):
    """A vision transformer turns a picture into an embedding beside those of texts, and into a state for each patch.

    CLIP: a class token stands before the patches, and its last state, normalised and projected, is the embedding;
    the patch tokens are the states after the last block, which no LayerNorm follows. SigLIP: the patch tokens are
    the states after the last block and a LayerNorm, and attention pooling of them is the embedding. Both are what
    transformers calls ``get_image_features`` and ``last_hidden_state`` (without the class token).

    Attributes:
        shape: the sizes of the tower.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    shape: VisionTowerShape
    compute_dtype: str = "float32"

    @nn.compact
    def __call__(
        self, pixels: Float[Array, "n row column 3"]
    ) -> tuple[Float[Array, "n dim"], Float[Array, "n patches width"]]:
        """Returns embeddings [n, dim], which have any norm, and patch tokens [n, rows * columns, width], row by row.

        Args:
            pixels: pictures, normalised, of the side that the shape says.
        """
        shape, dtype = self.shape, self.compute_dtype
        is_clip = shape.family == "clip"
        width = shape.blocks.width
        states = Affine(width, dtype, has_bias=not is_clip, name="patches")(
            patches_of(pixels, shape.patch_side)
        )
        if is_clip:
            token = self.param("class_token", nn.initializers.normal(0.02), (width,))
            token = jnp.broadcast_to(token[None, None], (states.shape[0], 1, width))
            states = jnp.concatenate([token, states], axis=1)
        places = self.param("places", nn.initializers.normal(0.02), states.shape[1:])
        states = states + places[None]
        if is_clip:
            states = norm(shape.blocks, "pre_norm")(states)
        states = Transformer(shape.blocks, dtype, name="blocks")(states)
        post_norm = norm(shape.blocks, "post_norm")
        if is_clip:
            projection = Affine(shape.width_out, dtype, has_bias=False, name="projection")
            return projection(post_norm(states[:, 0])), states[:, 1:]
        states = post_norm(states)
        return PoolingHead(shape.blocks, dtype, name="pooling")(states), states


class PoolingHead(nn.Module):
    """A learned probe attends to all states, and a feed-forward part is added to what it finds (Lee et al. 2019).

    Axes: n rows, s states of a row, width of the states.

    Attributes:
        shape: the sizes of the tower's transformer.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    shape: TransformerShape
    compute_dtype: str

    @nn.compact
    def __call__(self, states: Float[Array, "n s width"]) -> Float[Array, "n width"]:
        """Returns what the probe finds in each row."""
        shape, dtype = self.shape, self.compute_dtype
        probe = self.param("probe", nn.initializers.normal(0.02), (shape.width,))
        query = Affine(shape.width, dtype, name="query")(probe[None, None])
        query = jnp.broadcast_to(query, (states.shape[0], 1, shape.width))
        key, value = jnp.split(Affine(2 * shape.width, dtype, name="key_value")(states), 2, axis=2)
        found = Affine(shape.width, dtype, name="output")(attention(query, key, value, shape.heads, dtype))
        found = found + FeedForward(shape, dtype, name="feed_forward")(norm(shape, "inner_norm")(found))
        return found[:, 0]


def patches_of(
    pixels: Float[Array, "n row column channel"], side: int
) -> Float[Array, "n patches patch_pixels"]:
    """Returns the patches of each picture row by row, the pixels of a patch likewise, with their channels.

    Args:
        pixels: pictures; rows and columns beyond the last whole patch are left out, as a convolution does.
        side: rows and columns of a patch.
    """
    count, height, width, channels = pixels.shape
    rows, columns = height // side, width // side
    whole = pixels[:, : rows * side, : columns * side].reshape(count, rows, side, columns, side, channels)
    return whole.transpose(0, 1, 3, 2, 4, 5).reshape(count, rows * columns, side * side * channels)
