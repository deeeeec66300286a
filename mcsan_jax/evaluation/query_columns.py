"""What is kept of every query, as the columns of `query_table`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from mcsan_jax.evaluation.occurrences import Answers, TopAnswers
from mcsan_jax.evaluation.pair_ranks import PairRanks
from mcsan_jax.evaluation.rank_split import ScoredSplit
from mcsan_jax.evaluation.ranking import RankCounter
from mcsan_jax.evaluation.relevance import Matches
from mcsan_jax.levels import NODE_LEVELS
from mcsan_jax.scoring.multi_level import FUSED


@dataclasses.dataclass(frozen=True)
class BothWays:
    """Ranks of every right pair by the fused score, text-to-video and video-to-text."""

    t2v: PairRanks
    v2t: PairRanks


def first_videos(matches: Matches) -> np.ndarray:
    """The first right video of every caption that has one."""
    return matches.videos_of_texts()[matches.queried_texts, 0]


def query_columns(
    scored: ScoredSplit, counters: Mapping[str, RankCounter], ranks: BothWays, answers: TopAnswers
) -> dict[str, Any]:
    """The columns of `query_table.query_schema`: first all captions, then all videos.

    Args:
        scored: the split.
        counters: ranks by each part of the score.
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
        "video": video_ids[first_videos(matches)],
        "words": words[texts],
        **{f"nodes_{level}": counts.get(level, np.zeros_like(words))[texts] for level in NODE_LEVELS},
        "right_score": fused.best_of_text[texts],
        "relevant_items": _named(matches.videos_of_texts()[texts], video_ids),
        **_of_ranks(ranks.t2v),
        **{f"rank_{part}": counter.text_to_video().expected_rank() for part, counter in counters.items()},
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
        "right_score": fused.best_of_video[videos],
        "relevant_items": _named(matches.texts_of_videos()[videos], caption_ids),
        **_of_ranks(ranks.v2t),
        **{f"rank_{part}": counter.video_to_text().expected_rank() for part, counter in counters.items()},
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
    """Names of the items of each row; -1 stands for none."""
    return [names[row[row >= 0]].tolist() for row in items]
