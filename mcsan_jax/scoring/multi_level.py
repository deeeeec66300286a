"""Scores of every video and caption from their encodings: each level alone, attributes, and all fused."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mcsan_jax.config import SimilarityConfig
from mcsan_jax.levels import Encoding, ScoringParameters
from mcsan_jax.scoring.attribute_losses import attribute_agreement
from mcsan_jax.scoring.similarity import fuse_levels, level_presence, level_similarities

ATTRIBUTES = "attributes"
FUSED = "fused"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scores:
    """Similarity matrices: the fused one, and one for each part it is made of."""

    fused: Float[Array, "v t"]
    parts: dict[str, Float[Array, "v t"]]


def score(
    videos: Encoding,
    texts: Encoding,
    parameters: ScoringParameters,
    config: SimilarityConfig,
    product_dtype: jnp.dtype | None = None,
) -> Scores:
    """All similarity matrices of a set of videos and a set of captions.

    The fused score is ``(1 − μ) Σ_l w_l S_l / Σ_l w_l + μ A`` with A the attribute agreement, averaged over the node
    levels that a caption has, and μ ``config.attribute_weight``.
    """
    present = level_presence(texts.embeddings)
    parts = level_similarities(videos.embeddings, texts.embeddings, config.smoothing, product_dtype)
    fused = fuse_levels(parts, present, parameters.level_weights, config.missing_levels)
    if config.attribute_weight > 0 and texts.attribute_logits:
        agreement = {
            level: attribute_agreement(videos.attribute_logits[level], texts.attribute_logits[level])
            for level in texts.attribute_logits
        }
        uniform = dict.fromkeys(agreement, 1.0)
        parts[ATTRIBUTES] = fuse_levels(agreement, present, uniform)
        fused = (1.0 - config.attribute_weight) * fused + config.attribute_weight * parts[ATTRIBUTES]
    return Scores(fused, parts)
