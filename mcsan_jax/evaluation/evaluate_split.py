"""This module evaluates a split: it makes its figures and all that explains them, from intervals to failure cases."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from data_pipeline.levels import LEVELS, NODE_LEVELS
from mcsan_jax.config import Config, EvaluationConfig
from mcsan_jax.evaluation.attribute_precision import average_precisions, by_frequency
from mcsan_jax.evaluation.failure_cases import failure_cases
from mcsan_jax.evaluation.foil_figures import PREPARED, AskedFoils, words_by_kind
from mcsan_jax.evaluation.significance import bootstrap_intervals, paired_rsum, query_values
from mcsan_jax.ranking.counting import BlockCounter, ScoreDensities, count_ranks, score_file
from mcsan_jax.ranking.duplicates import relevant_pairs, shared_captions
from mcsan_jax.ranking.encode_split import EncodedVideos
from mcsan_jax.ranking.foil_answers import FoilAnswers
from mcsan_jax.ranking.metrics import whole_list_metrics
from mcsan_jax.ranking.occurrences import HUB_ANSWERS, Answers, TopAnswers, hub_summary
from mcsan_jax.ranking.pair_ranks import PairCounter, PairRanks
from mcsan_jax.ranking.rank_split import (
    Evaluation,
    ScoredSplit,
    answer_foils,
    figures_of,
    figures_of_components,
)
from mcsan_jax.ranking.ranks import RankCounter, Ranks
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR, ablations


@dataclasses.dataclass(frozen=True)
class BothWays:
    """They are the ranks of every relevant pair by the fused score, text-to-video and video-to-text."""

    t2v: PairRanks
    v2t: PairRanks


@dataclasses.dataclass(frozen=True)
class EvaluatedSplit:
    """It holds what is known of a split after it was ranked.

    Attributes:
        evaluation: the figures.
        captions: how many captions the records have; with `evaluation.merge_duplicates` there may be fewer queries.
        details: what explains the figures, by section, ready for JSON.
        queries: the columns of `query_table`.
        foils: the foils that the records hold, with the answers; empty where they hold none.
    """

    evaluation: Evaluation
    captions: int
    details: dict[str, Any]
    queries: dict[str, Any]
    foils: list[AskedFoils]


def evaluate_split(
    scored: ScoredSplit,
    config: Config,
    attribute_counts: Mapping[str, Sequence[int]],
    scores_file: pathlib.Path | None = None,
    ablate: bool = False,
    watching: Sequence[BlockCounter] = (),
) -> EvaluatedSplit:
    """Ranks as `rank_split.rank_split` does, and looks closer.

    Args:
        scored: the split.
        config: the experiment.
        attribute_counts: for each level, how many training videos have each attribute.
        scores_file: where the fused score of every video and caption is written, [v, t] in the format of numpy; each
            of several processes writes all of them, and must be given another file.
        ablate: whether each level is also left out, and so on (`multi_level.ablations`).
        watching: counters that are shown the fused scores, too.

    Raises:
        ValueError: a score is not finite.
    """
    fusions = ablations(config) if ablate else ()
    scored = dataclasses.replace(scored, scorer=scored.scorer.with_fusions(fusions))
    videos, texts = scored.scorer.shape
    pairs, densities = PairCounter(scored.matches), ScoreDensities(scored.matches)
    other_rule = RankCounter(_by_the_other_rule(scored, config.evaluation))
    answers = TopAnswers(config.evaluation.answers, videos, texts)
    others: list[BlockCounter] = [pairs, other_rule, densities, answers, *watching]
    with contextlib.ExitStack() as files:
        if scores_file is not None:
            others.append(files.enter_context(score_file(scores_file, (videos, texts))))
        counters = count_ranks(scored.scorer, scored.matches, others)
    of_fusions = {fusion.name: counters.pop(fusion.name) for fusion in fusions}
    foils = answer_foils(scored)
    evaluation = figures_of_components(scored, counters, foils)
    ranks = BothWays(*(getattr(pairs, direction)() for direction in ("text_to_video", "video_to_text")))
    for direction, of_direction in (("t2v", ranks.t2v), ("v2t", ranks.v2t)):
        evaluation.directions[FUSED][direction].update(whole_list_metrics(of_direction))
    details = {
        "intervals": _intervals(scored, ranks),
        "over_linear": _over_linear(scored, counters),
        "attributes": _attribute_precision(scored.videos, attribute_counts),
        "densities": densities.summary(),
        **_from_answers(scored, ranks.t2v.best(), answers),
        "false_negatives": _false_negatives(scored, ranks.t2v.best(), other_rule, evaluation.rsum, config),
    }
    if ablate:
        details["ablation"] = _ablation_rows(evaluation, of_fusions)
    queries = query_columns(scored, counters, ranks, answers)
    return EvaluatedSplit(evaluation, len(scored.caption_of), details, queries, _of_records(foils))


def _of_records(answers: FoilAnswers) -> list[AskedFoils]:
    if not answers.kinds:
        return []
    words = words_by_kind(answers.kinds, answers.texts, answers.videos)
    return [AskedFoils(PREPARED, PREPARED, answers, words)]


def _intervals(scored: ScoredSplit, ranks: BothWays) -> dict[str, Any]:
    """Returns the 95 % intervals of the fused figures."""
    videos = _videos_of_queries(scored)
    values = {
        direction: query_values(pairs.best(), videos[direction], pairs.average_precision(), pairs.ndcg(10))
        for direction, pairs in (("t2v", ranks.t2v), ("v2t", ranks.v2t))
    }
    return bootstrap_intervals(values)


def _over_linear(scored: ScoredSplit, counters: Mapping[str, RankCounter]) -> dict[str, Any] | None:
    """By how much Rsum of the fused score is above that of the linear branch alone; None without a branch."""
    if LINEAR not in counters:
        return None
    videos = _videos_of_queries(scored)
    ranks = [
        {"t2v": counters[name].text_to_video(), "v2t": counters[name].video_to_text()}
        for name in (LINEAR, FUSED)
    ]
    difference, interval = paired_rsum(
        *(
            {way: query_values(own, videos[way]) for way, own in of_component.items()}
            for of_component in ranks
        )
    )
    return {"rsum": difference, "interval": list(interval)}


def _videos_of_queries(scored: ScoredSplit) -> dict[str, Int[np.ndarray, " q"]]:
    """The video to which each query belongs, by direction."""
    matches = scored.matches
    return {"t2v": scored.captions.video_of_text[matches.queried_texts], "v2t": matches.queried_videos}


def _attribute_precision(
    videos: EncodedVideos, counts: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, dict[str, float | int]]]:
    return {
        level: by_frequency(average_precisions(_probabilities(logits), videos.labels[level]), counts[level])
        for level, logits in videos.logits.items()
        if level in counts
    }


def _probabilities(logits: Float[np.ndarray, "v a"]) -> Float[np.ndarray, "v a"]:
    return np.asarray(jax.nn.sigmoid(logits))


def _from_answers(scored: ScoredSplit, ranks: Ranks, answers: TopAnswers) -> dict[str, Any]:
    weights = {level: float(weight) for level, weight in scored.scorer.parameters.level_weights.items()}
    videos, texts = answers.text_to_video().items, answers.video_to_text().items
    queries = scored.matches.queried_videos
    return {
        "level_weights": weights,
        "hubs": {
            "t2v": hub_summary(videos[:, :HUB_ANSWERS], scored.videos.ids),
            "v2t": hub_summary(texts[queries, :HUB_ANSWERS], scored.captions.ids),
        },
        "failure_cases": failure_cases(scored, ranks, videos, weights),
    }


def _by_the_other_rule(scored: ScoredSplit, evaluation: EvaluationConfig) -> Matches:
    """Returns the matches if `evaluation.same_text` were the other one; where captions are merged, the same ones."""
    if evaluation.merge_duplicates:
        return scored.matches
    captions, other = scored.captions, "wrong" if evaluation.same_text == "relevant" else "relevant"
    return relevant_pairs(captions.texts, captions.video_of_text, len(scored.videos.ids), other)


def _false_negatives(
    scored: ScoredSplit, ranks: Ranks, other_rule: RankCounter, rsum: float, config: Config
) -> dict[str, Any]:
    captions, found = scored.captions, figures_of(other_rule)["rsum"]
    shared = shared_captions(
        captions.texts, captions.video_of_text, captions.ids, scored.videos.ids, ranks.expected_rank()
    )
    merged, apart = (rsum, found) if config.evaluation.same_text == "relevant" else (found, rsum)
    return {**shared, "rsum_merged": merged, "rsum_apart": apart}


def _ablation_rows(evaluation: Evaluation, of_fusions: Mapping[str, RankCounter]) -> list[dict[str, Any]]:
    alone = [component for component in (*LEVELS, ATTRIBUTES, LINEAR) if component in evaluation.directions]
    return [
        {"name": "as trained", **evaluation.directions[FUSED]},
        *({"name": f"only {component}", **evaluation.directions[component]} for component in alone),
        *({"name": name, **figures_of(counter)} for name, counter in of_fusions.items()),
    ]


def query_columns(
    scored: ScoredSplit, counters: Mapping[str, RankCounter], ranks: BothWays, answers: TopAnswers
) -> dict[str, Any]:
    """Returns the columns of `query_table.query_schema`, first of all captions, then of all videos.

    Args:
        scored: the split.
        counters: ranks by each component of the score.
        ranks: of the fused score.
        answers: the best items of every query.
    """
    matches, fused = scored.matches, counters[FUSED]
    video_ids, caption_ids = np.array(scored.videos.ids, object), np.array(scored.captions.ids, object)
    texts, videos = matches.queried_texts, matches.queried_videos
    counts = {level: nodes.counts for level, nodes in scored.captions.collection.nodes.items()}
    words = np.array([len(text.split()) for text in scored.captions.texts])
    captions = {
        "direction": np.full(len(texts), "t2v", object),
        "query": caption_ids[texts],
        "text": np.array(scored.captions.texts, object)[texts],
        "video": video_ids[_videos_of_queries(scored)["t2v"]],
        "words": words[texts],
        **{f"nodes_{level}": counts.get(level, np.zeros_like(words))[texts] for level in NODE_LEVELS},
        "relevant_score": fused.best_of_text[texts],
        "relevant_items": _named(matches.videos_of_texts()[texts], video_ids),
        **_of_ranks(ranks.t2v),
        **{
            f"rank_{component}": counter.text_to_video().expected_rank()
            for component, counter in counters.items()
        },
        **_answer_columns(answers.text_to_video(), texts, video_ids),
    }
    unknown = np.full(len(videos), None, object)
    clips = {
        "direction": np.full(len(videos), "v2t", object),
        "query": video_ids[videos],
        "text": unknown,
        "video": video_ids[videos],
        "words": unknown,
        **{f"nodes_{level}": unknown for level in NODE_LEVELS},
        "relevant_score": fused.best_of_video[videos],
        "relevant_items": _named(matches.texts_of_videos()[videos], caption_ids),
        **_of_ranks(ranks.v2t),
        **{
            f"rank_{component}": counter.video_to_text().expected_rank()
            for component, counter in counters.items()
        },
        **_answer_columns(answers.video_to_text(), videos, caption_ids),
    }
    return {name: [*values, *clips[name]] for name, values in captions.items()}


def _of_ranks(ranks: PairRanks) -> dict[str, np.ndarray]:
    best = ranks.best()
    return {
        "greater": best.greater,
        "tied": best.tied,
        "relevant": best.relevant,
        "rank": best.expected_rank(),
        "ap": ranks.average_precision(),
        "ndcg10": ranks.ndcg(10),
    }


def _answer_columns(answers: Answers, queries: np.ndarray, names: np.ndarray) -> dict[str, list[list[Any]]]:
    items, scores = answers.items[queries], answers.scores[queries]
    return {
        "answers": _named(items, names),
        "answer_scores": [row[own >= 0].tolist() for row, own in zip(scores, items, strict=True)],
    }


def _named(items: np.ndarray, names: np.ndarray) -> list[list[str]]:
    """Returns the names of the items of each row; −1 stands for none."""
    return [names[row[row >= 0]].tolist() for row in items]
