"""Scores of every video and caption from their encodings: each level alone, attributes, and all fused."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos, prepare_texts, prepare_videos
from mcsan_jax.scoring.similarity import fuse_levels, level_similarities
from mcsan_jax.scoring.vectors import product

ATTRIBUTES = "attributes"
FUSED = "fused"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scores:
    """Similarity matrices: the fused score, and the level scores and attribute score that it is made of (`parts`)."""

    fused: Float[Array, "v t"]
    parts: dict[str, Float[Array, "v t"]]


def score(
    videos: Encoding,
    texts: Encoding,
    parameters: ScoringParameters,
    config: SimilarityConfig,
    product_dtype: jnp.dtype | None = None,
) -> Scores:
    """All similarity matrices of a set of videos and a set of captions, as they come from the encoders."""
    return score_prepared(
        prepare_videos(videos, product_dtype), prepare_texts(texts), parameters, config, product_dtype
    )


def score_prepared(
    videos: PreparedVideos,
    texts: PreparedTexts,
    parameters: ScoringParameters,
    config: SimilarityConfig,
    product_dtype: jnp.dtype | None = None,
) -> Scores:
    """All similarity matrices of prepared videos and captions.

    The fused score is ``(1 − μ) Σ_l w_l S_l / Σ_l w_l + μ A`` with A the cosine of the attribute probabilities,
    averaged over the node levels that a caption has, and μ ``config.attribute_share``.
    """
    parts = score_parts(videos, texts, config, config.attribute_share > 0, product_dtype)
    fused = fuse_parts(parts, texts, parameters, config.missing_levels, config.attribute_share)
    return Scores(fused, parts)


def score_parts(
    videos: PreparedVideos,
    texts: PreparedTexts,
    config: SimilarityConfig,
    with_attributes: bool,
    product_dtype: jnp.dtype | None = None,
) -> dict[str, Float[Array, "v t"]]:
    """The score of every level and, if it is asked for and the texts have attributes, the attribute score."""
    parts = level_similarities(videos, texts, config, product_dtype)
    if with_attributes and texts.attributes:
        agreement = {
            level: product("va,ta->vt", videos.attributes[level], texts.attributes[level], None)
            for level in texts.attributes
        }
        parts[ATTRIBUTES] = fuse_levels(agreement, texts.presence(), dict.fromkeys(agreement, 1.0))
    return parts


def fuse_parts(
    parts: Mapping[str, Float[Array, "v t"]],
    texts: PreparedTexts,
    parameters: ScoringParameters,
    missing_levels: str,
    attribute_share: float,
) -> Float[Array, "v t"]:
    """The fused score from level scores, mixed with the attribute score if `parts` holds it."""
    fused = fuse_levels(parts, texts.presence(), parameters.level_weights, missing_levels)
    if attribute_share > 0 and ATTRIBUTES in parts:
        fused = (1.0 - attribute_share) * fused + attribute_share * parts[ATTRIBUTES]
    return fused
