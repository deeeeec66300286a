"""The training objective: ranking + λ_attr · FBCE + λ_kl · KL, each term by name and level.

It is over the global batch, which is split over the devices of a mesh. What passes between them is written out:
captions (`exchange`), the columns of the similarity matrix (all-to-all), and sums of losses.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float

from mcsan_jax.batch import PairBatch
from mcsan_jax.config import Config, LossConfig
from mcsan_jax.levels import Encoding, ScoringParameters
from mcsan_jax.scoring.attribute_losses import attribute_divergence, focal_binary_cross_entropy
from mcsan_jax.scoring.averaging import mean_over_examples
from mcsan_jax.scoring.multi_level import score_prepared
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos, prepare_videos
from mcsan_jax.scoring.ranking_losses import info_nce_costs, triplet_costs
from mcsan_jax.scoring.vectors import product_dtype
from mcsan_jax.training.exchange import gathered_scores, ring_scores
from mcsan_jax.training.sharding import DATA_AXIS

Terms = dict[str, Float[Array, ""]]
Objective = Callable[[Encoding, Encoding, ScoringParameters, PairBatch], tuple[Float[Array, ""], Terms]]


def make_objective(config: Config, mesh: Mesh) -> Objective:
    """The total loss of a batch and its terms, from both encodings, the scoring parameters and the batch.

    Terms are named ``ranking``, ``fbce/<level>`` and ``kl/<level>``; the total weighs them by the config. A term
    whose weight is zero is not computed. Encodings and batch are split by rows over the mesh.
    """

    def objective(
        videos: Encoding, texts: Encoding, parameters: ScoringParameters, batch: PairBatch
    ) -> tuple[Float[Array, ""], Terms]:
        loss = config.loss
        terms: Terms = {}
        total = jnp.zeros((), jnp.float32)
        if loss.ranking != "none":
            terms["ranking"] = _ranking(videos, texts, parameters, batch, config)
            total += terms["ranking"]
        for name, (weight, term) in _attribute_terms(videos, texts, batch, loss).items():
            terms[name] = term
            total += weight * term
        return total, terms

    split, everywhere = PartitionSpec(DATA_AXIS), PartitionSpec()
    return jax.shard_map(
        objective,
        mesh=mesh,
        in_specs=(split, split, everywhere, split),
        out_specs=(everywhere, everywhere),
    )


def _ranking(
    videos: Encoding, texts: Encoding, parameters: ScoringParameters, batch: PairBatch, config: Config
) -> Float[Array, ""]:
    """The mean cost of the global batch's videos and captions as queries, each device with its own."""
    dtype = product_dtype(config.model.compute_dtype)

    def fused(
        videos: PreparedVideos, texts: PreparedTexts, parameters: ScoringParameters
    ) -> Float[Array, "v t"]:
        return score_prepared(videos, texts, parameters, config.similarity, dtype).fused

    exchange = ring_scores if config.train.exchange == "ring" else gathered_scores
    of_videos = exchange(fused, DATA_AXIS, prepare_videos(videos, dtype), texts, parameters)
    of_texts = jax.lax.all_to_all(of_videos, DATA_AXIS, split_axis=1, concat_axis=0, tiled=True).T

    mask = jnp.asarray(batch.example_mask)
    groups = jnp.asarray(batch.texts.caption_group)
    all_groups, all_mask = jax.lax.all_gather((groups, mask), DATA_AXIS, tiled=True)
    places = jax.lax.axis_index(DATA_AXIS) * len(groups) + jnp.arange(len(groups), dtype=jnp.int32)
    # A video is matched by its own caption and by every caption of the batch that has the same text.
    own = places[:, None] == jnp.arange(len(all_groups), dtype=jnp.int32)[None]
    positives = (groups[:, None] == all_groups[None]) | own
    real = mask[:, None] & all_mask[None]
    costs = [
        _costs(scores, positives & real, ~positives & real, places, parameters, config.loss)
        for scores in (of_videos, of_texts)
    ]
    return mean_over_examples(costs[0] + costs[1], mask, DATA_AXIS)


def _costs(
    scores: Float[Array, "own_q c"],
    positives: Bool[Array, "own_q c"],
    negatives: Bool[Array, "own_q c"],
    places: Array,
    parameters: ScoringParameters,
    loss: LossConfig,
) -> Float[Array, " own_q"]:
    """Cost of each query; that of InfoNCE is halved, as in its usual symmetric form."""
    if loss.ranking == "triplet":
        matched = jnp.take_along_axis(scores, places[:, None], axis=1)[:, 0]
        return triplet_costs(scores, matched, negatives, loss.margin, loss.hardest_negative)
    return 0.5 * info_nce_costs(scores, positives, negatives, parameters.temperature)


def _attribute_terms(
    videos: Encoding, texts: Encoding, batch: PairBatch, loss: LossConfig
) -> dict[str, tuple[float, Float[Array, ""]]]:
    """Weight and value of each term on attributes."""
    mask = jnp.asarray(batch.example_mask)
    terms = {}
    for level, text_logits in texts.attribute_logits.items():
        video_logits = videos.attribute_logits[level]
        if loss.attribute_weight > 0:
            focal = sum(
                focal_binary_cross_entropy(
                    logits, jnp.asarray(labels[level]), loss.focal_alpha, loss.focal_gamma
                )
                for logits, labels in (
                    (video_logits, batch.videos.labels),
                    (text_logits, batch.texts.labels),
                )
            )
            terms[f"fbce/{level}"] = (
                loss.attribute_weight,
                mean_over_examples(jnp.asarray(focal), mask, DATA_AXIS),
            )
        if loss.divergence_weight > 0:
            divergence = attribute_divergence(
                video_logits,
                text_logits,
                loss.divergence_direction,
                loss.divergence_temperature,
                loss.divergence_stop_gradient,
            )
            present = jnp.any(texts.embeddings.nodes[level].mask, axis=1)
            terms[f"kl/{level}"] = (
                loss.divergence_weight,
                mean_over_examples(divergence, mask & present, DATA_AXIS),
            )
    return terms
