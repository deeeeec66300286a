"""The multi-level similarity of videos and captions.

For a level with frame vectors V and node vectors P the score of a video and a node is the field's stacked
attention (Lee et al. 2018; Chen et al. 2020):

    s_f = cos(V_f, P)        r = ReLU(s)        r̂ = r / max(‖r‖₂ over f, ε)
    a   = softmax_f(λ r̂), padding excluded      S(v, n) = cos(Σ_f a_f V_f, P)

and the score of a video and a caption is the mean over the caption's real nodes. The attended vector is never
built. With the video's Gram matrix G_ff' = ⟨V_f, V_f'⟩,

    cos(Σ_f a_f V_f, P) = Σ_f a_f ⟨V_f, P⟩ / (‖P‖ √(aᵀ G a)),

where the normaliser of the softmax cancels, so that e_f = exp(λ r̂_f − λ) serves as a_f; r̂ ≤ 1 keeps it in (0, 1].
Scaling P to unit length, and all frames of a video by one factor, changes nothing and keeps every product
near one.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mcsan_jax.levels import GLOBAL, LEVELS, LevelEmbeddings, NodeSet

SMOOTHING = 4.0
"""λ of the frame attention, the value of the published systems."""

_TINY = 1e-12


def product_dtype(compute_dtype: str) -> jnp.dtype | None:
    """The type to which large products round their inputs; None leaves them as they are, for float32."""
    return None if compute_dtype == "float32" else jnp.dtype(compute_dtype)


def safe_norm(x: Float[Array, "*batch d"]) -> Float[Array, "*batch 1"]:
    """Euclidean length over the last axis; zero vectors have length 1e-12 and a zero gradient."""
    squared = jnp.sum(x * x, axis=-1, keepdims=True)
    is_zero = squared <= _TINY**2
    return jnp.where(is_zero, _TINY, jnp.sqrt(jnp.where(is_zero, 1.0, squared)))


def normalize(x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Vectors scaled to unit length; zero vectors stay zero."""
    return x / safe_norm(x)


def cosine_similarity(
    videos: Float[Array, "v d"], texts: Float[Array, "t d"], product_dtype: jnp.dtype | None = None
) -> Float[Array, "v t"]:
    """Cosine of every pair; `product_dtype` is the type of the large product's inputs (sums are float32)."""
    return _product("vd,td->vt", normalize(videos), normalize(texts), product_dtype)


def attended_node_similarity(
    frames: NodeSet,
    nodes: NodeSet,
    smoothing: float = SMOOTHING,
    product_dtype: jnp.dtype | None = None,
) -> Float[Array, "v t n"]:
    """Score of every video and every node of every caption, as in the module's formula.

    Args:
        frames: frame vectors of videos.
        nodes: node vectors of captions.
        smoothing: λ, the inverse temperature of the attention over frames.
        product_dtype: type of the large products' inputs; sums are float32.

    Returns:
        Scores in [−1, 1]; those of padded nodes, zero vectors and videos without frames are zero.
    """
    frame_mask = frames.mask[:, :, None]
    masked_frames = jnp.where(frame_mask, frames.vectors, 0)
    largest = jnp.max(safe_norm(masked_frames), axis=1, keepdims=True)
    scaled = masked_frames / jax.lax.stop_gradient(largest)
    lengths = safe_norm(scaled)[:, None, None, :, 0]
    queries = normalize(jnp.where(nodes.mask[:, :, None], nodes.vectors, 0))

    products = _product("vfd,tnd->vtnf", scaled, queries, product_dtype)
    attention = jax.nn.relu(products / lengths)
    attention = attention / safe_norm(attention)
    weights = jnp.exp(smoothing * (attention - 1.0)) * frames.mask[:, None, None, :].astype(products.dtype)

    gram = _product("vfd,vgd->vfg", scaled, scaled, product_dtype)
    squared_length = jnp.sum(jnp.einsum("vtnf,vfg->vtng", weights, gram) * weights, axis=-1)
    is_zero = squared_length <= _TINY * jnp.square(jnp.sum(weights, axis=-1))
    length = jnp.sqrt(jnp.where(is_zero, 1.0, squared_length))
    scores = jnp.sum(weights * products, axis=-1) / length
    return jnp.where(is_zero | ~nodes.mask[None], 0.0, scores)


def level_similarities(
    videos: LevelEmbeddings,
    texts: LevelEmbeddings,
    smoothing: float = SMOOTHING,
    product_dtype: jnp.dtype | None = None,
) -> dict[str, Float[Array, "v t"]]:
    """The similarity matrix of each level that the embeddings hold; zero where a caption lacks the level."""
    scores: dict[str, Float[Array, "v t"]] = {}
    for level in videos.levels:
        if level == GLOBAL:
            if videos.pooled is None or texts.pooled is None:
                raise ValueError("the global level needs pooled vectors of both videos and texts")
            scores[level] = cosine_similarity(videos.pooled, texts.pooled, product_dtype)
        else:
            nodes = texts.nodes[level]
            node_scores = attended_node_similarity(videos.nodes[level], nodes, smoothing, product_dtype)
            count = jnp.maximum(jnp.sum(nodes.mask, axis=-1), 1).astype(node_scores.dtype)
            scores[level] = jnp.sum(node_scores, axis=-1) / count[None]
    return scores


def level_presence(texts: LevelEmbeddings) -> dict[str, Bool[Array, " t"]]:
    """For each level, whether a caption has at least one node there (every caption has a global level)."""
    present = {level: jnp.any(nodes.mask, axis=-1) for level, nodes in texts.nodes.items()}
    if texts.pooled is not None:
        present[GLOBAL] = jnp.ones(texts.pooled.shape[0], bool)
    return {level: present[level] for level in texts.levels}


def fuse_levels(
    scores: Mapping[str, Float[Array, "v t"]],
    present: Mapping[str, Bool[Array, " t"]],
    weights: Mapping[str, Float[Array, ""] | float],
    missing_levels: str = "renormalize",
) -> Float[Array, "v t"]:
    """The weighted mean of the levels' similarities.

    Args:
        scores: similarity matrix of each level.
        present: whether a caption has the level.
        weights: non-negative weight of each level.
        missing_levels: "renormalize" averages over the levels that a caption has; "zero" counts a missing
            level as similarity 0, as the published systems do.
    """
    levels = [level for level in LEVELS if level in scores]
    share = {}
    for level in levels:
        counts = present[level] if missing_levels == "renormalize" else jnp.ones_like(present[level])
        share[level] = weights[level] * counts.astype(scores[level].dtype)
    total = jnp.maximum(sum(share.values(), start=0.0), _TINY)
    parts = [scores[level] * (share[level] / total)[None] for level in levels]
    return sum(parts[1:], start=parts[0])


def _product(equation: str, x: Array, y: Array, dtype: jnp.dtype | None) -> Array:
    """An einsum whose inputs are rounded to `dtype` and whose sums are float32 (or float64 for float64)."""
    if dtype is None:
        return jnp.einsum(equation, x, y, precision=jax.lax.Precision.HIGHEST)
    return jnp.einsum(equation, x.astype(dtype), y.astype(dtype), preferred_element_type=jnp.float32)
