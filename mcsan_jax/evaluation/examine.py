"""Evaluation with all that explains it: intervals, best answers, hubs, attributes, the worst queries."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.levels import LEVELS
from mcsan_jax.config import Config
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.evaluation.ablation import ablations
from mcsan_jax.evaluation.attribute_precision import average_precisions, by_frequency
from mcsan_jax.evaluation.block_scores import BlockCounter, EveryBlock, ScoreFile, count_ranks
from mcsan_jax.evaluation.densities import ScoreDensities
from mcsan_jax.evaluation.duplicates import merge, probable_false_negatives
from mcsan_jax.evaluation.encoded_split import EncodedVideos, Split
from mcsan_jax.evaluation.encoding import Encoders, Variables
from mcsan_jax.evaluation.evaluate import Evaluation, Trial, figures_of, summarize
from mcsan_jax.evaluation.metrics import whole_list_metrics
from mcsan_jax.evaluation.occurrences import TopAnswers, hub_summary
from mcsan_jax.evaluation.pair_ranks import PairCounter
from mcsan_jax.evaluation.query_columns import BothWays, first_videos, query_columns
from mcsan_jax.evaluation.ranking import RankCounter, Ranks
from mcsan_jax.evaluation.relevance import Matches
from mcsan_jax.evaluation.significance import bootstrap_intervals, query_values
from mcsan_jax.evaluation.worst_queries import worst_queries
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED

HUB_ANSWERS = 10
"""An item occurs where it is among so many best answers."""


@dataclasses.dataclass(frozen=True)
class Examination:
    """What is known of a split after it was ranked.

    Attributes:
        evaluation: the figures.
        trial: the encoded split.
        details: what explains them, by section, ready for JSON.
        queries: the columns of `query_table`.
    """

    evaluation: Evaluation
    trial: Trial
    details: dict[str, Any]
    queries: dict[str, Any]


def examine(
    encoders: Encoders,
    variables: Variables,
    split: Split,
    config: Config,
    name: str,
    attribute_counts: Mapping[str, Sequence[int]],
    scores_file: pathlib.Path | None = None,
    ablate: bool = False,
) -> Examination:
    """Ranks as `evaluate.evaluate` does, and looks closer.

    Args:
        encoders, variables, split, config, name: as of `evaluate.evaluate`.
        attribute_counts: for each level, how many training videos have each attribute.
        scores_file: where the fused score of every video and caption is written, [v, t] in the format of numpy.
        ablate: whether each level is also left out, and so on (`ablation.ablations`).

    Raises:
        InputError: the split holds no video or no caption.
    """
    fusions = ablations(config) if ablate else ()
    trial = Trial.of(encoders, variables, split, config, name, fusions)
    videos, texts = trial.scorer.shape
    pairs, densities = PairCounter(trial.matches), ScoreDensities(trial.matches)
    forgiving = RankCounter(_same_text_is_right(trial))
    answers = TopAnswers(config.evaluation.answers, videos, texts)
    others: list[BlockCounter] = [pairs, forgiving, EveryBlock(densities.count), EveryBlock(answers.count)]
    with ScoreFile.maybe(scores_file, (videos, texts)) as write:
        others += [] if write is None else [EveryBlock(write)]
        counters = count_ranks(trial.scorer, trial.matches, others)
    of_fusions = {fusion.name: counters.pop(fusion.name) for fusion in fusions}
    evaluation = summarize(trial, counters, encoders, variables, split, config.evaluation.encode_batch)
    ranks = BothWays(*(getattr(pairs, direction)() for direction in ("text_to_video", "video_to_text")))
    for direction, of_direction in (("t2v", ranks.t2v), ("v2t", ranks.v2t)):
        evaluation.directions[FUSED][direction].update(whole_list_metrics(of_direction))
    details = {
        "intervals": _intervals(trial.matches, ranks),
        "attributes": _attribute_precision(trial.videos, attribute_counts),
        "densities": densities.summary(),
        **_from_answers(trial, ranks.t2v.best(), answers, encoders.scoring_parameters(variables)),
        "false_negatives": _false_negatives(trial, ranks.t2v.best(), forgiving),
    }
    if ablate:
        details["ablation"] = _ablation_rows(evaluation, of_fusions)
    columns = query_columns(trial, counters, ranks, answers)
    return Examination(evaluation, trial, details, columns)


def _intervals(matches: Matches, ranks: BothWays) -> dict[str, Any]:
    """95 % intervals of the fused figures."""
    sides = {"t2v": (ranks.t2v, first_videos(matches)), "v2t": (ranks.v2t, matches.queried_videos)}
    values = {
        direction: query_values(pairs.best(), videos, pairs.average_precision(), pairs.ndcg(10))
        for direction, (pairs, videos) in sides.items()
    }
    return bootstrap_intervals(values)


def _attribute_precision(
    videos: EncodedVideos, attribute_counts: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, dict[str, float | int]]]:
    return {
        level: by_frequency(average_precisions(probabilities, videos.labels[level]), attribute_counts[level])
        for level, probabilities in videos.probabilities.items()
        if level in attribute_counts
    }


def _from_answers(
    trial: Trial, ranks: Ranks, answers: TopAnswers, parameters: ScoringParameters
) -> dict[str, Any]:
    weights = {level: float(weight) for level, weight in parameters.level_weights.items()}
    videos, texts = answers.text_to_video().items, answers.video_to_text().items
    queries = trial.matches.queried_videos
    return {
        "level_weights": weights,
        "hubs": {
            "t2v": hub_summary(videos[:, :HUB_ANSWERS], trial.videos.ids),
            "v2t": hub_summary(texts[queries, :HUB_ANSWERS], trial.captions.ids),
        },
        "worst": worst_queries(trial, ranks, videos, weights),
    }


def _same_text_is_right(trial: Trial) -> Matches:
    """The matches if every video that has a caption of the very same text were right."""
    merged = merge(trial.captions.texts, trial.captions.video_of_text)
    if len(merged.kept) == len(trial.captions.ids):
        return trial.matches
    captions_of: list[list[int]] = [[] for _ in merged.kept]
    for caption, query in enumerate(merged.query_of):
        captions_of[query].append(caption)
    pairs = [
        (video, caption)
        for video, query in zip(merged.videos, merged.queries, strict=True)
        for caption in captions_of[query]
    ]
    videos, texts = np.array(pairs).T
    return Matches(videos, texts, trial.matches.video_count, trial.matches.text_count)


def _false_negatives(trial: Trial, ranks: Ranks, forgiving: RankCounter) -> dict[str, Any]:
    found = probable_false_negatives(
        trial.captions.texts,
        trial.captions.video_of_text,
        trial.captions.ids,
        trial.videos.ids,
        ranks.expected_rank(),
    )
    return {**found, "rsum_merged": figures_of(forgiving)["rsum"]}


def _ablation_rows(evaluation: Evaluation, of_fusions: Mapping[str, RankCounter]) -> list[dict[str, Any]]:
    alone = [part for part in (*LEVELS, ATTRIBUTES) if part in evaluation.directions]
    return [
        {"name": "as trained", **evaluation.directions[FUSED]},
        *({"name": f"only {part}", **evaluation.directions[part]} for part in alone),
        *({"name": name, **figures_of(counter)} for name, counter in of_fusions.items()),
    ]
