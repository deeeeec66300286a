"""The training objective: ranking + λ_attr · FBCE + λ_kl · KL, each term by name and level."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mcsan_jax.batch import PairBatch
from mcsan_jax.config import Config, LossConfig
from mcsan_jax.levels import Encoding, ScoringParameters
from mcsan_jax.scoring.attribute_losses import attribute_divergence, focal_binary_cross_entropy
from mcsan_jax.scoring.multi_level import score
from mcsan_jax.scoring.ranking_losses import info_nce_loss, triplet_loss
from mcsan_jax.scoring.similarity import level_presence, product_dtype


def objective(
    videos: Encoding,
    texts: Encoding,
    parameters: ScoringParameters,
    batch: PairBatch,
    config: Config,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The total loss of a batch and its terms.

    Terms are named ``ranking``, ``fbce/<level>`` and ``kl/<level>``; the total weighs them by the config. A term
    whose weight is zero is not computed.
    """
    loss = config.loss
    terms: dict[str, Float[Array, ""]] = {}
    total = jnp.zeros((), jnp.float32)
    mask = jnp.asarray(batch.example_mask)

    if loss.ranking != "none":
        dtype = product_dtype(config.model.compute_dtype)
        fused = score(videos, texts, parameters, config.similarity, dtype).fused
        terms["ranking"] = _ranking(fused, _positives(batch), mask, parameters, loss)
        total += terms["ranking"]

    present = level_presence(texts.embeddings)
    for level in texts.attribute_logits:
        video_logits, text_logits = videos.attribute_logits[level], texts.attribute_logits[level]
        if loss.attribute_weight > 0:
            of_videos = focal_binary_cross_entropy(
                video_logits,
                jnp.asarray(batch.videos.labels[level]),
                mask,
                loss.focal_alpha,
                loss.focal_gamma,
            )
            of_texts = focal_binary_cross_entropy(
                text_logits, jnp.asarray(batch.texts.labels[level]), mask, loss.focal_alpha, loss.focal_gamma
            )
            terms[f"fbce/{level}"] = of_videos + of_texts
            total += loss.attribute_weight * terms[f"fbce/{level}"]
        if loss.divergence_weight > 0:
            terms[f"kl/{level}"] = attribute_divergence(
                video_logits,
                text_logits,
                mask & present[level],
                loss.divergence_direction,
                loss.divergence_temperature,
                loss.divergence_stop_gradient,
            )
            total += loss.divergence_weight * terms[f"kl/{level}"]
    return total, terms


def _positives(batch: PairBatch) -> Bool[Array, "v t"]:
    """Each video with its own caption and with every caption of the batch that has the same text."""
    groups = jnp.asarray(batch.texts.caption_group)
    return (groups[:, None] == groups[None, :]) | jnp.eye(groups.shape[0], dtype=bool)


def _ranking(
    scores: Float[Array, "v t"],
    positives: Bool[Array, "v t"],
    mask: Bool[Array, " b"],
    parameters: ScoringParameters,
    loss: LossConfig,
) -> Float[Array, ""]:
    if loss.ranking == "triplet":
        return triplet_loss(scores, positives, mask, loss.margin, loss.hardest_negative)
    return info_nce_loss(scores, positives, mask, parameters.temperature)
