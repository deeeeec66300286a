"""This module gives the linear branch its constants before the first step, and its share at every validation."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float

from mcsan_jax.ranking.encode_split import EncodedSplit, Split
from mcsan_jax.ranking.rank_split import ScoredSplit
from mcsan_jax.scoring.multi_level import FUSED, LINEAR
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.linear_fit import PROBES, TrainingSplit, fit_linear_branch, ranking_loss
from mcsan_jax.training.token_state_cache import TokenStateCache, make_token_state_cache
from mcsan_jax.training.train_step import TrainState

WEIGHTS = tuple(np.geomspace(0.02, 4.0, 24))
"""Candidates for the weight of the linear score, where both scores have the standard deviation one."""
_DOUBT = 0.5
"""Standard deviation of the logarithm of the weight, before a validation split has been seen."""


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
    videos = _pooled_frames(experiment, state, split)
    reads_sentences = "sentence_mean" in state.statistics["linear_branch"]
    cache, kept = states, states is not None
    if reads_sentences and cache is None:
        cache = make_token_state_cache(experiment, state)
    token_ids, owners, sentences = [], [], []
    for rows, batch in split.caption_batches(experiment.config.evaluation.encode_batch):
        count = len(rows.ids)
        ids, mask = np.asarray(batch.token_ids), np.asarray(batch.token_mask)
        token_ids += [own[real] for own, real in zip(ids[:count], mask[:count], strict=True)]
        owners.append(rows.videos)
        if reads_sentences:
            assert cache is not None
            of_tokens = np.asarray(cache.with_states(batch).token_states)
            means = of_tokens.sum(axis=1) / np.maximum(mask.sum(axis=1), 1)[:, None]
            sentences.append(means[:count].astype(np.float64))
            if not kept:
                cache.forget()
    constants = fit_linear_branch(
        TrainingSplit(
            videos,
            token_ids,
            np.concatenate(owners),
            np.concatenate(sentences) if reads_sentences else None,
            experiment.manifest.tokenizer.size,
        )
    )
    return _with_constants(state, constants)


def with_linear_share(state: TrainState, share: float) -> TrainState:
    """Returns the state with another share of the linear branch."""
    return _with_constants(state, {"share": np.asarray(share)})


def choose_linear_share(encoded: EncodedSplit, experiment: Experiment) -> float:
    """Returns the share of the linear branch in the fused score under which validation is most likely, given a prior.

    Both scores are divided by their standard deviations. A small validation split says little of the weight between
    them, so its logarithm has a normal prior around `prior_weight`: a closed form is worth most where captions are few.
    """
    videos = np.arange(len(encoded.videos.ids))[:PROBES]
    owners = encoded.captions.video_of_text
    each = max(1, 2 * PROBES // len(videos))
    number = np.arange(len(owners)) - np.searchsorted(owners, owners)
    captions = np.flatnonzero((owners < len(videos)) & (number < each))
    config = experiment.config
    alone = dataclasses.replace(encoded.parameters, linear_share=np.zeros((), np.float32))
    scored = ScoredSplit.of(
        dataclasses.replace(encoded, parameters=alone),
        dataclasses.replace(
            config, evaluation=dataclasses.replace(config.evaluation, merge_duplicates=False)
        ),
    )
    scores = scored.scorer.scores_of(videos, captions)
    place = np.full(len(owners), -1)
    place[captions] = np.arange(len(captions))
    of_pairs = place[scored.matches.texts]
    pairs = (scored.matches.videos < len(videos)) & (of_pairs >= 0)
    relevant = np.zeros((len(videos), len(captions)), bool)
    relevant[scored.matches.videos[pairs], of_pairs[pairs]] = True
    train = experiment.manifest.splits[config.data.train_split]
    return best_share(scores[FUSED], scores[LINEAR], relevant, prior_weight(train.captions))


def prior_weight(captions: int) -> float:
    """Returns the weight that suits so many training captions, by collections of 330 to 14,000 (`docs/results.md`)."""
    return float(np.clip(np.sqrt(1500.0 / max(captions, 1)), 0.1, 2.0))


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
    if min(spreads) < 1e-9:
        return 0.0 if spreads[0] > spreads[1] else 0.5

    def loss(weight: float) -> float:
        mixed = (own / spreads[0] + weight * linear / spreads[1]) / np.hypot(weight, 1.0)
        doubt = np.log(weight / prior) ** 2 / (2.0 * _DOUBT**2)
        return len(own) * ranking_loss(mixed, relevant) + doubt

    weight = min(WEIGHTS, key=loss) * spreads[0] / spreads[1]
    return float(weight / (1.0 + weight))


def _pooled_frames(experiment: Experiment, state: TrainState, split: Split) -> Float[np.ndarray, "v d"]:
    """Returns the mean of each video's standardised frames."""
    statistics = jax.device_get(state.statistics["frame_statistics"])
    pooled = []
    for ids, batch in split.video_batches(experiment.config.evaluation.encode_batch):
        frames, mask = np.asarray(batch.frames, np.float64), np.asarray(batch.frame_mask)
        total = np.sum(np.where(mask[:, :, None], frames, 0.0), axis=1)
        means = total / np.maximum(mask.sum(axis=1), 1)[:, None]
        pooled.append(((means - statistics["mean"]) / statistics["std"])[: len(ids)])
    return np.concatenate(pooled)


def _with_constants(state: TrainState, constants: dict[str, np.ndarray]) -> TrainState:
    """Returns the state with some constants of the branch replaced, each in its type and place."""
    branch: dict[str, Any] = dict(state.statistics["linear_branch"])
    for name, value in constants.items():
        held = branch[name]
        branch[name] = jax.device_put(np.asarray(value, held.dtype).reshape(held.shape), held.sharding)
    return dataclasses.replace(state, statistics={**state.statistics, "linear_branch": branch})
