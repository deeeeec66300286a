"""The training objective: ranking + λ_attr · FBCE + λ_kl · KL, each term by name and level.

It is over the global batch, which is split over the devices of a mesh. What passes between them is written out:
captions (`exchange`), the columns of the similarity matrix (all-to-all), and sums of losses.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.config import Config, LossConfig
from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.scoring.attribute_losses import attribute_divergence, focal_binary_cross_entropy
from mcsan_jax.scoring.averaging import mean_over_examples
from mcsan_jax.scoring.multi_level import score_prepared
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos, prepare_videos
from mcsan_jax.scoring.ranking_losses import info_nce_losses, triplet_losses
from mcsan_jax.scoring.vectors import product_dtype
from mcsan_jax.sharding import DATA_AXIS
from mcsan_jax.training.exchange import gathered_scores, ring_scores

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
    """The mean cost of the global batch's videos plus that of its captions as queries, each device with its own."""
    dtype = product_dtype(config.model.compute_dtype)

    def fused(
        videos: PreparedVideos, texts: PreparedTexts, parameters: ScoringParameters
    ) -> Float[Array, "v t"]:
        return score_prepared(videos, texts, parameters, config.similarity, dtype).fused

    exchange = ring_scores if config.train.exchange == "ring" else gathered_scores
    of_videos = exchange(fused, DATA_AXIS, prepare_videos(videos, dtype), texts, parameters)
    of_texts = jax.lax.all_to_all(of_videos, DATA_AXIS, split_axis=1, concat_axis=0, tiled=True).T

    mask, groups = jnp.asarray(batch.example_mask), jnp.asarray(batch.texts.caption_group)
    total = jnp.zeros((), jnp.float32)
    for scores, matches in zip((of_videos, of_texts), _matches(groups, mask), strict=True):
        costs = _costs(scores, matches, parameters, config.loss)
        total += mean_over_examples(costs, matches.real, DATA_AXIS)
    return total


@dataclasses.dataclass(frozen=True)
class _Matches:
    """For the queries of one device, which candidates of the global batch are right and which wrong.

    ``own`` are the captions written for a video, or the video for which a caption was written; ``real`` queries are no
    padding.
    """

    positives: Bool[Array, "own_q c"]
    negatives: Bool[Array, "own_q c"]
    own: Bool[Array, "own_q c"]
    real: Bool[Array, " own_q"]


def _matches(groups: Int[Array, " own_t"], mask: Bool[Array, " own_v"]) -> tuple[_Matches, _Matches]:
    """With videos as queries, and with captions.

    A video is matched by its own captions and by every caption of the batch that has the text of one of them.
    """
    per_video = len(groups) // len(mask)
    all_groups, all_mask = jax.lax.all_gather((groups, mask), DATA_AXIS, tiled=True)
    first_video = jax.lax.axis_index(DATA_AXIS) * len(mask)
    videos = first_video + jnp.arange(len(mask), dtype=jnp.int32)
    owners = jnp.repeat(videos, per_video)
    all_videos = jnp.arange(len(all_mask), dtype=jnp.int32)

    def matches(
        own: Bool[Array, "own_q c"], same_text: Bool[Array, "own_q c"], real: Array, all_real: Array
    ) -> _Matches:
        both_real = real[:, None] & all_real[None]
        positives = own | same_text
        return _Matches(positives & both_real, ~positives & both_real, own, real)

    of_videos = matches(
        videos[:, None] == jnp.repeat(all_videos, per_video)[None],
        jnp.any(groups.reshape(len(mask), per_video, 1) == all_groups[None, None], axis=1),
        mask,
        jnp.repeat(all_mask, per_video),
    )
    of_texts = matches(
        owners[:, None] == all_videos[None],
        jnp.any(groups[:, None, None] == all_groups.reshape(1, len(all_mask), per_video), axis=2),
        jnp.repeat(mask, per_video),
        all_mask,
    )
    return of_videos, of_texts


def _costs(
    scores: Float[Array, "own_q c"], matches: _Matches, parameters: ScoringParameters, loss: LossConfig
) -> Float[Array, " own_q"]:
    """Cost of each query; that of InfoNCE is halved, as in its usual symmetric form."""
    if loss.ranking == "triplet":
        matched = jnp.sum(jnp.where(matches.own, scores, 0.0), axis=1)
        return triplet_losses(scores, matched, matches.negatives, loss.margin, loss.hardest_negative)
    return 0.5 * info_nce_losses(
        scores, matches.positives, matches.negatives, parameters.temperature, loss.positives
    )


def _attribute_terms(
    videos: Encoding, texts: Encoding, batch: PairBatch, loss: LossConfig
) -> dict[str, tuple[float, Float[Array, ""]]]:
    """Weight and value of each term on attributes."""
    mask = jnp.asarray(batch.example_mask)
    per_video = len(batch.texts.caption_group) // len(mask)
    text_mask = jnp.repeat(mask, per_video)
    terms = {}
    for level, text_logits in texts.attribute_logits.items():
        video_logits = videos.attribute_logits[level]
        if loss.attribute_weight > 0:
            focal = jnp.zeros((), jnp.float32)
            for logits, labels, real in (
                (video_logits, batch.videos.labels, mask),
                (text_logits, batch.texts.labels, text_mask),
            ):
                costs = focal_binary_cross_entropy(
                    logits, jnp.asarray(labels[level]), loss.focal_alpha, loss.focal_gamma
                )
                focal += mean_over_examples(costs, real, DATA_AXIS)
            terms[f"fbce/{level}"] = (loss.attribute_weight, focal)
        if loss.divergence_weight > 0:
            divergence = attribute_divergence(
                jnp.repeat(video_logits, per_video, axis=0),
                text_logits,
                loss.divergence_direction,
                loss.divergence_temperature,
                loss.divergence_stop_gradient,
            )
            present = jnp.any(texts.embeddings.nodes[level].mask, axis=1)
            terms[f"kl/{level}"] = (
                loss.divergence_weight,
                mean_over_examples(divergence, text_mask & present, DATA_AXIS),
            )
    return terms
