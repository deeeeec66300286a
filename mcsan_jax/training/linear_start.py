"""This module gives the linear branch its constants before the first step, and its share at every validation."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.batches.batch import VideoBatch
from mcsan_jax.models.linear_branch import pool_frames
from mcsan_jax.models.linear_fit import TrainingSplit, fit_linear_branch
from mcsan_jax.models.ridge_map import PROBES, ranking_loss
from mcsan_jax.processes import as_in_first
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.duplicates import relevant_pairs
from mcsan_jax.ranking.encode_split import EncodedSplit
from mcsan_jax.ranking.readable_split import Split
from mcsan_jax.scoring.multi_level import FUSED, LINEAR
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.token_state_cache import TokenStateCache, make_token_state_cache
from mcsan_jax.training.train_step import TrainState

MOST_VIDEOS = 50_000
"""So many training videos are read at most, the first ones of the records, whose order says nothing of them."""
WEIGHTS = tuple(np.geomspace(0.02, 16.0, 30))
"""Candidates for the weight of the linear score, where both scores have the standard deviation one."""
_DOUBT = 0.75
"""Standard deviation of the logarithm of the weight, before a validation split has been seen."""
_SMALL = 1e-9
"""Scores that differ by no more tell nothing apart."""


def fit_to_split(
    experiment: Experiment, state: TrainState, split: Split, states: TokenStateCache | None
) -> TrainState:
    """Returns the state with a linear branch that was fitted to the training split.

    Args:
        experiment: model and data.
        state: freshly initialised.
        split: the training split.
        states: what a frozen encoder made of captions, where training keeps that.
    """
    reads_sentences = "sentence_mean" in state.statistics["linear_branch"]
    cache = states
    if reads_sentences and cache is None:
        cache = make_token_state_cache(experiment, state)
    size = experiment.config.evaluation.encode_batch
    batches = itertools.islice(split.video_batches(size), -(-MOST_VIDEOS // size))
    statistics = jax.device_get(state.statistics["frame_statistics"])
    pooled = np.concatenate([of_batch for _, of_batch in pooled_frames(batches, statistics)])[:MOST_VIDEOS]
    token_ids, owners, sentences = [], [], []
    for rows, batch in split.caption_batches(size):
        real = np.flatnonzero(rows.videos < len(pooled))
        if not len(real):
            break
        # A video need not show what its captions deny.
        affirmed = np.asarray(batch.token_mask) & ~np.asarray(batch.denied_tokens())
        ids, mask = np.asarray(batch.token_ids)[real], affirmed[real]
        token_ids += [own[known] for own, known in zip(ids, mask, strict=True)]
        owners.append(rows.videos[real])
        if reads_sentences and cache is not None:
            sentences.append(cache.mean_states(batch)[real])
            if states is None:
                cache.forget()
    constants = fit_linear_branch(
        TrainingSplit(
            pooled,
            token_ids,
            np.concatenate(owners),
            np.concatenate(sentences) if sentences else None,
            experiment.manifest.tokenizer.size,
            pooled.shape[1] // 2,
        )
    )
    return _with_constants(state, as_in_first(constants))


def with_linear_share(state: TrainState, share: float) -> TrainState:
    """Returns the state with another share of the linear branch."""
    return _with_constants(state, {"share": np.asarray(share)})


def choose_linear_share(encoded: EncodedSplit, experiment: Experiment) -> float:
    """Returns the share of the linear branch in the fused score under which validation is most likely, given a prior.

    Both scores are divided by their standard deviations. A small validation split says little of the weight between
    them, so its logarithm has a normal prior around `prior_weight`: a closed form is worth most where captions are few.
    """
    config = experiment.config
    videos = np.arange(len(encoded.videos.ids))[:PROBES]
    owners = encoded.captions.video_of_text
    each = max(1, 2 * PROBES // len(videos))
    number = np.arange(len(owners)) - np.searchsorted(owners, owners)
    captions = np.flatnonzero((owners < len(videos)) & (number < each))
    without_branch = dataclasses.replace(encoded.parameters, linear_share=None)
    collections = encoded.videos.collection, encoded.captions.collection
    scores = BlockScorer(*collections, without_branch, config).scores_of(videos, captions)
    rule = config.evaluation.same_text
    matches = relevant_pairs(encoded.captions.texts, owners, len(encoded.videos.ids), rule)
    place = np.full(len(owners), -1)
    place[captions] = np.arange(len(captions))
    known = (matches.videos < len(videos)) & (place[matches.texts] >= 0)
    relevant = np.zeros((len(videos), len(captions)), bool)
    relevant[matches.videos[known], place[matches.texts[known]]] = True
    train = experiment.manifest.splits[config.data.train_split]
    share = best_share(scores[FUSED], scores[LINEAR], relevant, prior_weight(train.videos, train.captions))
    return float(as_in_first(np.float32(share)))


def prior_weight(videos: int, captions: int) -> float:
    """Returns the weight that suits so many training videos and captions, by collections of 25 to 700 videos.

    It falls with the captions. A network that saw fewer than 50 videos knows hardly anything of others.
    """
    by_captions, by_videos = np.sqrt(3000.0 / max(captions, 1)), (50.0 / max(videos, 1)) ** 2
    return float(np.clip(max(by_captions, by_videos), 0.1, 4.0))


def best_share(
    own: Float[np.ndarray, "v t"],
    linear: Float[np.ndarray, "v t"],
    relevant: Bool[np.ndarray, "v t"],
    prior: float,
) -> float:
    """Returns the share of the linear score of greatest posterior probability; zero where it tells nothing apart.

    Args:
        own: scores without the branch.
        linear: scores of the branch.
        relevant: which captions belong to a video.
        prior: the most probable weight before these scores are seen.
    """
    own, linear = own.astype(np.float64), linear.astype(np.float64)
    spreads = own.std(), linear.std()
    if spreads[1] < _SMALL:
        return 0.0
    if spreads[0] < _SMALL:
        return 0.5

    def loss(weight: float) -> float:
        mixed = (own / spreads[0] + weight * linear / spreads[1]) / np.hypot(weight, 1.0)
        doubt = np.log(weight / prior) ** 2 / (2.0 * _DOUBT**2)
        return len(own) * ranking_loss(mixed, relevant) + doubt

    weight = min(WEIGHTS, key=loss) * spreads[0] / spreads[1]
    return float(weight / (1.0 + weight))


def pooled_frames(
    batches: Iterable[tuple[Sequence[str], VideoBatch]], statistics: Mapping[str, Any]
) -> Iterator[tuple[Sequence[str], Float[np.ndarray, "v inputs"]]]:
    """Yields the ids of each batch's videos, and the mean and the maximum of their standardised frames.

    Args:
        batches: videos, as `SplitReader.video_batches` gives them.
        statistics: ``mean`` and ``std`` of training frames [d].
    """
    for ids, batch in batches:
        frames = (np.asarray(batch.frames, np.float64) - statistics["mean"]) / statistics["std"]
        yield ids, pool_frames(frames, np.asarray(batch.frame_mask))[: len(ids)]


def _with_constants(state: TrainState, constants: dict[str, np.ndarray]) -> TrainState:
    """Returns the state with some constants of the branch replaced, each in its type and place."""
    branch: dict[str, Any] = dict(state.statistics["linear_branch"])
    for name, value in constants.items():
        held = branch[name]
        given = np.asarray(value, held.dtype).reshape(held.shape)
        branch[name] = jax.make_array_from_callback(held.shape, held.sharding, given.__getitem__)
    return dataclasses.replace(state, statistics={**state.statistics, "linear_branch": branch})
