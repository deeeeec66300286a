"""This module scores a video and a node of a caption by the field's stacked attention over the video's frames.

With frame vectors V and a node vector P (Lee et al. 2018; Chen et al. 2020):

    s_f = cos(V_f, P)        r = ReLU(s)        r̂ = r / max(‖r‖₂ over f, ε), ε = 1e-6
    a   = softmax_f(λ r̂_f), padding excluded      S(v, n) = cos(Σ_f a_f V_f, P)

ε bounds the gradient: that of r̂ is at most 1/ε, where it would grow like 1/‖r‖ for a node that is at right angles to
all frames, or nearly so, and to which no frame deserves attention.

The attended vector is not built. Write V_f = l_f U_f with unit vectors U_f and their Gram matrix
G_ff' = ⟨U_f, U_f'⟩; the normaliser of the softmax cancels, so that w_f = l_f exp(λ r̂_f − λ) serves as weight:

    S(v, n) = Σ_f w_f s_f / √(wᵀ G w)

r̂ ≤ 1 keeps the exponential in (0, 1], and one common factor of all l_f changes nothing, so the longest frame has
length one. What is left of the work beside one matrix product is f² per pair of a video and a node.

Where frames cancel, wᵀ G w is a small difference of large numbers. With ρ = ‖Σ_f w_f U_f‖ / Σ_f w_f and the unit
roundoff u (6e-8 in float32), its relative error is of the order u / ρ², against u / ρ of a vector that is built. Pairs
with ρ² < 1/400 are therefore computed again in the direct form, with the attended vectors of one video at a time.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.vectors import TINY, direction_and_length, inverse_rounded_length, product

SMOOTHING = 4.0
"""λ of the frame attention, the value of the published systems."""

FLOOR = 1e-6
"""ε, the least norm over frames by which positive cosines are divided."""

CANCELLATION = 1 / 400
"""ρ² below which a pair of a video and a node is computed in the direct form."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FrameSet:
    """A frame set holds the frames of videos, made ready to be compared with any number of nodes.

    Attributes:
        directions: frame vectors of unit length; zero for padding and zero vectors.
        lengths: of the frame vectors, relative to the longest of the video; zero for padding.
        gram: products of all directions of a video.
    """

    directions: Float[Array, "v f d"]
    lengths: Float[Array, "v f"]
    gram: Float[Array, "v f f"]


def normalise_frames(frames: NodeSet, product_dtype: jnp.dtype | None = None) -> FrameSet:
    """Returns directions, relative lengths and Gram matrices of videos' frames."""
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
    """Returns the score of every video and every node by the module's formula, as a reference for other forms of it.

    Args:
        frames: normalised frames.
        queries: node vectors of unit length, or zero.
        smoothing: λ, the inverse temperature of the attention over frames.
        product_dtype: type of the large product's inputs; sums are float32.

    Returns:
        Scores, in [−1, 1] but for the rounding of sums; those of zero vectors and of videos without frames are zero.
    """
    inputs = (frames.directions, frames.lengths, frames.gram, queries)
    return _scores(inputs, smoothing, product_dtype)


Inputs = tuple[Array, Array, Array, Array]
"""Directions [v, f, d], lengths [v, f] and Gram matrices [v, f, f] of a `FrameSet`, and queries [m, d]."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _scores(inputs: Inputs, smoothing: float, product_dtype: jnp.dtype | None) -> Float[Array, "v m"]:
    scores, cancels = _gram_form(inputs, smoothing, product_dtype)
    return replace_cancelled(scores, cancels, inputs, smoothing, product_dtype)


def _forward(
    inputs: Inputs, smoothing: float, product_dtype: jnp.dtype | None
) -> tuple[Float[Array, "v m"], Any]:
    gram_form = functools.partial(_gram_form, smoothing=smoothing, product_dtype=product_dtype)
    scores, pull, cancels = jax.vjp(gram_form, inputs, has_aux=True)
    return replace_cancelled(scores, cancels, inputs, smoothing, product_dtype), (pull, cancels, inputs)


# By itself JAX would also hand on the gradient of the form that was not taken, as zeros: a sixth of the time.
def _backward(
    smoothing: float, product_dtype: jnp.dtype | None, residuals: Any, cotangent: Float[Array, "v m"]
) -> tuple[Inputs]:
    pull, cancels, inputs = residuals

    def of_both_forms() -> tuple[Inputs]:
        direct_form = functools.partial(_direct_form, smoothing=smoothing, product_dtype=product_dtype)
        _, pull_direct = jax.vjp(direct_form, inputs)
        of_direct = pull_direct(jnp.where(cancels, cotangent, 0.0))
        return jax.tree.map(jnp.add, pull(jnp.where(cancels, 0.0, cotangent)), of_direct)

    return jax.lax.cond(jnp.any(cancels), of_both_forms, lambda: pull(cotangent))


_scores.defvjp(_forward, _backward)


def _gram_form(
    inputs: Inputs, smoothing: float, product_dtype: jnp.dtype | None
) -> tuple[Float[Array, "v m"], Bool[Array, "v m"]]:
    """Returns scores, and which of them are inexact because frames cancel."""
    directions, lengths, gram, queries = inputs
    # The axis of nodes comes last: it is long, so that what follows the product runs in full vector registers.
    cosines = product("vfd,md->vfm", directions, queries, product_dtype)
    weights = frame_weights(cosines, smoothing) * lengths[:, :, None]

    attended_gram = jnp.einsum("vfg,vgm->vfm", gram, weights, precision=jax.lax.Precision.HIGHEST)
    squared_length = jnp.sum(weights * attended_gram, axis=1)
    total = jnp.sum(weights, axis=1)
    # Without frames, weights are zero and nothing cancels.
    cancels = squared_length < CANCELLATION * jnp.square(total)
    inverse_length = jax.lax.rsqrt(jnp.where(cancels | (total == 0), 1.0, squared_length))
    scores = jnp.sum(weights * cosines, axis=1) * inverse_length
    # The Gram matrix is that of the rounded frames; what is left to divide out is the length of the rounded nodes.
    if product_dtype is not None:
        scores = scores * inverse_rounded_length(queries, product_dtype)[None]
    return scores, cancels


def _direct_form(inputs: Inputs, smoothing: float, product_dtype: jnp.dtype | None) -> Float[Array, "v m"]:
    """Returns scores in the direct form, of one video after the other, also for the gradient."""
    directions, lengths, _, queries = inputs

    def of_video(directions: Float[Array, "f d"], lengths: Float[Array, " f"]) -> Float[Array, " m"]:
        return directly_attended(directions, lengths, queries, smoothing, product_dtype)

    step = jax.checkpoint(of_video, prevent_cse=False)
    return jax.lax.map(lambda video: step(*video), (directions, lengths))


def directly_attended(
    directions: Float[Array, "f d"],
    lengths: Float[Array, " f"],
    queries: Float[Array, "m d"],
    smoothing: float = SMOOTHING,
    product_dtype: jnp.dtype | None = None,
) -> Float[Array, " m"]:
    """Returns the scores of one video's nodes in the direct form, which builds their attended vectors [m, d].

    Args:
        directions: the directions of the video's frames, as those of a `FrameSet`.
        lengths: their relative lengths.
        queries: node vectors of unit length, or zero.
        smoothing: λ.
        product_dtype: type of the inputs of the product that gives the attention.
    """
    cosines = product("fd,md->fm", directions, queries, product_dtype)
    weights = frame_weights(cosines[None], smoothing)[0] * lengths[:, None]
    attended = jnp.einsum("fm,fd->md", weights, directions, precision=jax.lax.Precision.HIGHEST)
    squared_length = jnp.sum(attended * attended, axis=1)
    # At a millionth of the weights' sum nothing is left but rounding.
    is_zero = squared_length <= TINY * jnp.square(jnp.sum(weights, axis=0))
    inverse_length = jax.lax.rsqrt(jnp.where(is_zero, 1.0, squared_length))
    return jnp.where(is_zero, 0.0, jnp.sum(attended * queries, axis=1) * inverse_length)


def replace_cancelled(
    scores: Float[Array, "v m"],
    cancels: Bool[Array, "v m"],
    inputs: Inputs,
    smoothing: float,
    product_dtype: jnp.dtype | None,
) -> Float[Array, "v m"]:
    """Returns the scores, with those of marked pairs computed again in the direct form.

    Without a marked pair this costs nothing but the look. With one, all given pairs are computed again, one video
    after the other, and only the marked scores are taken.

    Args:
        scores: in the Gram form.
        cancels: which pairs to replace, those whose frames cancel.
        inputs: frames and queries of all the pairs.
        smoothing: λ.
        product_dtype: type of the large product's inputs.
    """

    def replaced() -> Float[Array, "v m"]:
        return jnp.where(cancels, _direct_form(inputs, smoothing, product_dtype), scores)

    return jax.lax.cond(jnp.any(cancels), replaced, lambda: scores)


def frame_weights(cosines: Float[Array, "v f m"], smoothing: float) -> Float[Array, "v f m"]:
    """Returns exp(λ r̂_f − λ), the attention to each frame up to a common factor; the caller leaves out padding."""
    positive = jax.nn.relu(cosines)
    squared = jnp.sum(positive * positive, axis=1, keepdims=True)
    inverse_norm = jax.lax.rsqrt(jnp.maximum(squared, FLOOR**2))
    return jnp.exp(smoothing * (positive * inverse_norm - 1.0))
