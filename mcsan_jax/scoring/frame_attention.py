"""The score of a video and a node of a caption: the field's stacked attention over the video's frames.

With frame vectors V and a node vector P (Lee et al. 2018; Chen et al. 2020):

    s_f = cos(V_f, P)        r = ReLU(s)        r̂ = r / max(‖r‖₂ over f, ε)
    a   = softmax_f(λ r̂_f), padding excluded      S(v, n) = cos(Σ_f a_f V_f, P)

The attended vector is never built. Write V_f = l_f U_f with unit vectors U_f and their Gram matrix
G_ff' = ⟨U_f, U_f'⟩; the normaliser of the softmax cancels, so that w_f = l_f exp(λ r̂_f − λ) serves as weight:

    S(v, n) = Σ_f w_f s_f / √(wᵀ G w)

r̂ ≤ 1 keeps the exponential in (0, 1], and one common factor of all l_f changes nothing, so the longest frame has
length one. What is left of the work beside one matrix product is f² per pair of a video and a node.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.vectors import TINY, direction_and_length, product

SMOOTHING = 4.0
"""λ of the frame attention, the value of the published systems."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FrameSet:
    """Frames of videos, made ready to be compared with any number of nodes.

    Attributes:
        directions: frame vectors of unit length; zero for padding and zero vectors.
        lengths: of the frame vectors, relative to the longest of the video; zero for padding.
        gram: products of all directions of a video.
    """

    directions: Float[Array, "v f d"]
    lengths: Float[Array, "v f"]
    gram: Float[Array, "v f f"]


def prepare_frames(frames: NodeSet, product_dtype: jnp.dtype | None = None) -> FrameSet:
    """Directions, relative lengths and Gram matrices of videos' frames."""
    directions, lengths = direction_and_length(jnp.where(frames.mask[:, :, None], frames.vectors, 0))
    longest = jax.lax.stop_gradient(jnp.max(lengths, axis=1, keepdims=True))
    relative = lengths / jnp.where(longest > 0, longest, 1.0)
    gram = product("vfd,vgd->vfg", directions, directions, product_dtype)
    return FrameSet(directions, relative[:, :, 0], gram)


def attended_similarity(
    frames: FrameSet,
    queries: Float[Array, "m d"],
    smoothing: float = SMOOTHING,
    product_dtype: jnp.dtype | None = None,
) -> Float[Array, "v m"]:
    """Score of every video and every node, as in the module's formula; the reference for other forms of it.

    Args:
        frames: prepared frames.
        queries: node vectors of unit length, or zero.
        smoothing: λ, the inverse temperature of the attention over frames.
        product_dtype: type of the large product's inputs; sums are float32.

    Returns:
        Scores in [−1, 1]; those of zero vectors and of videos without frames are zero.
    """
    # The axis of nodes comes last: it is long, so that what follows the product runs in full vector registers.
    cosines = product("vfd,md->vfm", frames.directions, queries, product_dtype)
    return score_from_cosines(cosines, frames.lengths, frames.gram, smoothing)


def score_from_cosines(
    cosines: Float[Array, "v f m"],
    lengths: Float[Array, "v f"],
    gram: Float[Array, "v f f"],
    smoothing: float,
) -> Float[Array, "v m"]:
    """The formula from the cosines of frames and nodes on."""
    weights = frame_weights(cosines, smoothing) * lengths[:, :, None]

    attended_gram = jnp.einsum("vfg,vgm->vfm", gram, weights, precision=jax.lax.Precision.HIGHEST)
    squared_length = jnp.sum(weights * attended_gram, axis=1)
    is_zero = squared_length <= TINY * jnp.square(jnp.sum(weights, axis=1))
    inverse_length = jax.lax.rsqrt(jnp.where(is_zero, 1.0, squared_length))
    return jnp.where(is_zero, 0.0, jnp.sum(weights * cosines, axis=1) * inverse_length)


def frame_weights(cosines: Float[Array, "v f m"], smoothing: float) -> Float[Array, "v f m"]:
    """exp(λ r̂_f − λ), the attention to each frame up to a common factor; padding is to be left out by the caller."""
    positive = jax.nn.relu(cosines)
    squared = jnp.sum(positive * positive, axis=1, keepdims=True)
    is_zero = squared <= TINY**2
    inverse_norm = jnp.where(is_zero, 1.0 / TINY, jax.lax.rsqrt(jnp.where(is_zero, 1.0, squared)))
    return jnp.exp(smoothing * (positive * inverse_norm - 1.0))
