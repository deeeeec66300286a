"""This module scores each caption with its own video alone, component by component, without a matrix of all pairs.

The score of a node is that of `frame_attention` in its direct form: one video has few nodes of its own, whose attended
vectors take no more room than the nodes do. As in the matrix of all pairs, whose results these are, a level's score is
the mean over nodes, with a minus where the caption denies the node.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from data_pipeline.levels import GLOBAL, LEVELS
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import Encoding, NodeSet
from mcsan_jax.scoring.frame_attention import FrameSet, directly_attended
from mcsan_jax.scoring.normalised import NormalisedVideos, stated_attributes
from mcsan_jax.scoring.similarity import attribute_agreement
from mcsan_jax.scoring.vectors import cosines_of_directions, normalize


def paired_level_scores(
    videos: NormalisedVideos,
    texts: Encoding,
    config: SimilarityConfig,
    product_dtype: jnp.dtype | None = None,
) -> dict[str, Float[Array, " t"]]:
    """Returns the scores of captions with their own videos by level, zero where a caption lacks the level.

    Args:
        videos: normalised videos [v].
        texts: encoded captions [t], t / v for each video, one video after the other.
        config: has the λ of the attention over frames.
        product_dtype: type to which large products round their inputs.
    """
    embeddings = texts.embeddings
    scores: dict[str, Float[Array, " t"]] = {}
    for level in (level for level in LEVELS if level in embeddings.levels):
        if level != GLOBAL:
            scores[level] = _of_nodes(
                videos.frames[level], embeddings.nodes[level], config.smoothing, product_dtype
            )
        elif videos.pooled is not None and embeddings.pooled is not None:
            scores[level] = _of_pooled(videos.pooled, normalize(embeddings.pooled), product_dtype)
    return scores


def paired_attribute_scores(videos: NormalisedVideos, texts: Encoding) -> Float[Array, " t"]:
    """Returns how well the attributes of captions agree with those of their own videos, zero where none is stated.

    Args:
        videos: normalised videos [v].
        texts: encoded captions [t], t / v for each video, one video after the other.
    """
    attributes = stated_attributes(texts)
    agreement = {
        level: _of_pooled(videos.attributes[level], own, None)[None] for level, own in attributes.items()
    }
    return attribute_agreement(agreement, attributes)[0]


def _of_pooled(
    videos: Float[Array, "v d"], texts: Float[Array, "t d"], product_dtype: jnp.dtype | None
) -> Float[Array, " t"]:
    own = texts.reshape(len(videos), -1, texts.shape[1])
    cosines = jax.vmap(functools.partial(cosines_of_directions, product_dtype=product_dtype))
    return cosines(videos[:, None], own).reshape(-1)


def _of_nodes(
    frames: FrameSet, nodes: NodeSet, smoothing: float, product_dtype: jnp.dtype | None
) -> Float[Array, " t"]:
    real = nodes.mask
    directions = normalize(jnp.where(real[..., None], nodes.vectors, 0.0))
    score_own = functools.partial(directly_attended, smoothing=smoothing, product_dtype=product_dtype)
    own = directions.reshape(len(frames.lengths), -1, directions.shape[2])
    scores = jax.vmap(score_own)(frames.directions, frames.lengths, own).reshape(real.shape)
    if nodes.negated is not None:
        scores = jnp.where(nodes.negated, -scores, scores)
    count = jnp.maximum(jnp.sum(real, axis=1), 1).astype(scores.dtype)
    return jnp.sum(jnp.where(real, scores, 0.0), axis=1) / count
