"""This module makes the training objective: the weighted sum of the losses that the config switches on.
The objective is over the global batch, which is split over the devices of a mesh. The devices pass each other
captions (`exchange`), columns of the similarity matrix (all-to-all), and sums of losses; all of this is written out.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.batches.batch import PairBatch
from data_pipeline.levels import NODE_LEVELS
from mcsan_jax.config import Config
from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.scoring.foiled_levels import concerned_attributes, concerned_captions
from mcsan_jax.scoring.losses import FoiledCaptions, LossInputs, RankedQueries, make_losses
from mcsan_jax.scoring.multi_level import ATTRIBUTES, score_normalised
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos, normalise_videos
from mcsan_jax.scoring.paired_scores import paired_attribute_scores, paired_level_scores
from mcsan_jax.scoring.vectors import product_dtype
from mcsan_jax.sharding import DATA_AXIS
from mcsan_jax.training.exchange import gathered_scores, ring_scores

Terms = dict[str, Float[Array, ""]]
Objective = Callable[
    [Encoding, Encoding, ScoringParameters, PairBatch, Encoding | None], tuple[Float[Array, ""], Terms]
]
"""It makes the loss of a batch and its terms of encoded videos and captions, and of encoded foils if there are any."""


def make_objective(config: Config, mesh: Mesh) -> Objective:
    """Returns the function that computes the loss of a batch and its terms from encodings and scoring parameters.

    The terms have the names of the losses (`mcsan_jax.scoring.losses`) and no weights yet; the total weighs them. A
    loss whose weight is zero is not computed. Encodings and batch are split by rows over the mesh.
    """

    def objective(
        videos: Encoding,
        texts: Encoding,
        parameters: ScoringParameters,
        batch: PairBatch,
        foils: Encoding | None,
    ) -> tuple[Float[Array, ""], Terms]:
        normalised = functools.cache(
            lambda: normalise_videos(videos, product_dtype(config.model.compute_dtype))
        )
        ranked = functools.cache(lambda: _rank(normalised(), texts, parameters, batch, config))
        foiled = None
        asked: tuple[str, ...] = ()
        if foils is not None:
            asked = _asked_components(texts, config)
            foiled = functools.cache(lambda: _score_foils(normalised(), texts, foils, batch, config, asked))
        inputs = LossInputs(videos, texts, batch, parameters.temperature, ranked, DATA_AXIS, foiled)
        terms: Terms = {}
        total = jnp.zeros((), jnp.float32)
        for loss in make_losses(config.loss, texts.attribute_logits, asked):
            terms[loss.name] = loss.value(inputs)
            total += loss.weight * terms[loss.name]
        return total, terms

    split, everywhere = PartitionSpec(DATA_AXIS), PartitionSpec()
    return jax.shard_map(
        objective,
        mesh=mesh,
        in_specs=(split, split, everywhere, split, split),
        out_specs=(everywhere, everywhere),
    )


def logged_losses(total: Float[Array, ""], terms: Terms) -> Terms:
    """Returns the total as ``loss`` and each term as ``loss/<name>``, which are the names of metrics."""
    return {"loss": total, **{f"loss/{name}": value for name, value in terms.items()}}


def _asked_components(texts: Encoding, config: Config) -> tuple[str, ...]:
    """Returns what is to tell foils from captions: levels, and attributes where they are a part of the score."""
    levels = tuple(level for level in NODE_LEVELS if level in texts.embeddings.nodes)
    return (
        (*levels, ATTRIBUTES) if config.similarity.attribute_share > 0 and texts.attribute_logits else levels
    )


def _score_foils(
    videos: NormalisedVideos,
    texts: Encoding,
    foils: Encoding,
    batch: PairBatch,
    config: Config,
    asked: tuple[str, ...],
) -> FoiledCaptions:
    """Returns this device's captions and their foils, scored with their own videos; nothing passes between devices."""
    dtype = product_dtype(config.model.compute_dtype)
    true, false = (paired_level_scores(videos, one, config.similarity, dtype) for one in (texts, foils))
    concerned = concerned_captions(texts, foils, batch)
    if ATTRIBUTES in asked:
        true[ATTRIBUTES], false[ATTRIBUTES] = (paired_attribute_scores(videos, one) for one in (texts, foils))
        concerned[ATTRIBUTES] = concerned_attributes(concerned, texts, foils, batch)
    return FoiledCaptions(true, false, concerned)


def _rank(
    videos: NormalisedVideos,
    texts: Encoding,
    parameters: ScoringParameters,
    batch: PairBatch,
    config: Config,
) -> tuple[RankedQueries, RankedQueries]:
    """Returns this device's videos, and its captions, as queries with all candidates of the global batch.

    The captions of a video, and every caption of the batch that has the text of one of them, are relevant to it.
    """
    dtype = product_dtype(config.model.compute_dtype)

    def fused(
        videos: NormalisedVideos, texts: NormalisedTexts, parameters: ScoringParameters
    ) -> Float[Array, "v t"]:
        return score_normalised(videos, texts, parameters, config.similarity, dtype).fused

    exchange = ring_scores if config.train.exchange == "ring" else gathered_scores
    of_videos = exchange(fused, DATA_AXIS, videos, texts, parameters)
    of_texts = jax.lax.all_to_all(of_videos, DATA_AXIS, split_axis=1, concat_axis=0, tiled=True).T

    mask, groups = jnp.asarray(batch.example_mask), jnp.asarray(batch.texts.caption_group)
    per_video = len(groups) // len(mask)
    all_groups, all_mask = jax.lax.all_gather((groups, mask), DATA_AXIS, tiled=True)
    first_video = jax.lax.axis_index(DATA_AXIS) * len(mask)
    video = first_video + jnp.arange(len(mask), dtype=jnp.int32)
    all_videos = jnp.arange(len(all_mask), dtype=jnp.int32)
    return (
        _queries(
            of_videos,
            video[:, None] == jnp.repeat(all_videos, per_video)[None],
            _same_text(groups.reshape(len(mask), per_video), all_groups),
            mask,
            jnp.repeat(all_mask, per_video),
        ),
        _queries(
            of_texts,
            jnp.repeat(video, per_video)[:, None] == all_videos[None],
            _same_text(all_groups.reshape(len(all_mask), per_video), groups).T,
            jnp.repeat(mask, per_video),
            all_mask,
        ),
    )


def _same_text(of_videos: Int[Array, "v n"], of_texts: Int[Array, " t"]) -> Bool[Array, "v t"]:
    """Returns whether a caption has the text of one of the video's captions, as their groups say."""
    return jnp.any(of_videos[:, :, None] == of_texts[None, None], axis=1)


def _queries(
    scores: Float[Array, "q c"],
    matched: Bool[Array, "q c"],
    same_text: Bool[Array, "q c"],
    real: Bool[Array, " q"],
    all_real: Bool[Array, " c"],
) -> RankedQueries:
    both_real = real[:, None] & all_real[None]
    positives = matched | same_text
    return RankedQueries(scores, positives & both_real, ~positives & both_real, matched, real)
