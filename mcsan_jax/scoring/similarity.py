"""This module computes the similarity of videos and captions level by level, and the levels' weighted mean.

The global level is a cosine. At every other level the score of a video and a caption is the mean over the caption's
nodes of `frame_attention`'s score, with a minus where the caption denies the node, computed in blocks of packed nodes
(`blocks`).
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.levels import GLOBAL, LEVELS
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.scoring.blocks import mean_node_similarity
from mcsan_jax.scoring.frame_attention import attended_similarity
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos
from mcsan_jax.scoring.vectors import TINY, cosines_of_directions

_CACHE_BYTES = 2 * 2**20
_ACCELERATOR_BYTES = 256 * 2**20


def level_similarities(
    videos: NormalisedVideos,
    texts: NormalisedTexts,
    config: SimilarityConfig,
    product_dtype: jnp.dtype | None = None,
) -> dict[str, Float[Array, "v t"]]:
    """Returns the similarity matrix of each level, zero where a caption lacks the level.

    Raises:
        ValueError: the global level lacks the pooled vectors of videos or of texts.
    """
    score_nodes, budget = node_scorer(config, product_dtype), block_budget(config)
    scores: dict[str, Float[Array, "v t"]] = {}
    for level in texts.levels:
        if level == GLOBAL:
            if videos.pooled is None or texts.pooled is None:
                raise ValueError("the global level needs pooled vectors of both videos and texts")
            scores[level] = cosines_of_directions(videos.pooled, texts.pooled, product_dtype)
        else:
            scores[level] = mean_node_similarity(
                videos.frames[level], texts.nodes[level], score_nodes, budget
            )
    return scores


def node_scorer(
    config: SimilarityConfig, product_dtype: jnp.dtype | None
) -> functools.partial[Float[Array, "v block"]]:
    """Returns the score of videos and nodes as configured."""
    return functools.partial(attended_similarity, smoothing=config.smoothing, product_dtype=product_dtype)


def block_budget(config: SimilarityConfig) -> int:
    """Returns the bytes of a block: as configured, or what fits in a core's cache or keeps an accelerator busy."""
    if config.cosine_bytes:
        return config.cosine_bytes
    return _CACHE_BYTES if jax.default_backend() == "cpu" else _ACCELERATOR_BYTES


def fuse_levels(
    scores: Mapping[str, Float[Array, "v t"]],
    present: Mapping[str, Bool[Array, " t"]],
    weights: Mapping[str, Float[Array, ""] | float],
    missing_levels: str = "renormalize",
) -> Float[Array, "v t"]:
    """Returns the weighted mean of the levels' similarities.

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
    total = jnp.maximum(sum(share.values(), start=0.0), TINY)
    weighted = [scores[level] * (share[level] / total)[None] for level in levels]
    return sum(weighted[1:], start=weighted[0])


def attribute_agreement(
    of_levels: Mapping[str, Float[Array, "v t"]], attributes: Mapping[str, Float[Array, "t _"]]
) -> Float[Array, "v t"]:
    """Returns the mean agreement of attributes over the levels at which a caption states something, zero without.

    Args:
        of_levels: agreement at each level with attributes.
        attributes: directions of the captions' attributes, zero where nothing is stated.
    """
    stated = {level: jnp.any(directions != 0, axis=1) for level, directions in attributes.items()}
    return fuse_levels(of_levels, stated, dict.fromkeys(of_levels, 1.0))
