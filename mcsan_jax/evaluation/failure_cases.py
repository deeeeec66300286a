"""This module finds captions whose relevant video has a bad rank, what came first instead, and the level to blame."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from data_pipeline.levels import LEVELS
from mcsan_jax.ranking.rank_split import ScoredSplit
from mcsan_jax.ranking.ranks import Ranks
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR

SHOWN = 20
_RETURNED = 3


def failure_cases(
    scored: ScoredSplit, ranks: Ranks, answers: Int[np.ndarray, "t k"], weights: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Returns the queries with the greatest expected rank, the worst first.

    The level to blame is the one at which the first wrong answer leads by most, times the level's weight; a level
    that the caption lacks scores both the same.

    Args:
        scored: the split.
        ranks: of all captions among the videos.
        answers: indices of each caption's best videos [t, k], the best first.
        weights: share of each level in the fused score.

    Returns:
        Per query its id, text, video, rank, the wrong answers before it, its scores by component, and the level to
        blame.
    """
    expected = ranks.expected_rank()
    captions = np.argsort(-expected, kind="stable")[:SHOWN]
    captions = captions[ranks.greater[captions] > 0]
    if not len(captions):
        return []
    relevant_to = {
        int(caption): scored.matches.videos[scored.matches.texts == caption] for caption in captions
    }
    wrong = {
        caption: [int(video) for video in answers[caption] if video >= 0 and video not in relevant][
            :_RETURNED
        ]
        for caption, relevant in relevant_to.items()
    }
    named = [video for caption, relevant in relevant_to.items() for video in (*relevant, *wrong[caption])]
    videos = np.unique(np.asarray(named, np.int64))
    place = {int(video): row for row, video in enumerate(videos)}
    scores = scored.scorer.scores_of(videos, captions)
    found = []
    for column, caption in enumerate(map(int, captions)):
        fused = {video: float(scores[FUSED][place[video], column]) for video in place}
        relevant = max(map(int, relevant_to[caption]), key=lambda video: fused[video])
        first = wrong[caption][0]
        components = {
            component: {
                "relevant": float(block[place[relevant], column]),
                "returned": float(block[place[first], column]),
            }
            for component, block in scores.items()
            if component in (FUSED, *LEVELS, ATTRIBUTES, LINEAR)
        }
        found.append(
            {
                "query": scored.captions.ids[caption],
                "text": scored.captions.texts[caption],
                "video": scored.videos.ids[relevant],
                "rank": float(expected[caption]),
                "returned": [
                    {
                        "video": scored.videos.ids[video],
                        "score": fused[video],
                        "text": _a_caption_of(scored, video),
                    }
                    for video in wrong[caption]
                ],
                "components": components,
                "blame": _level_to_blame(components, weights),
            }
        )
    return found


def _level_to_blame(components: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> str:
    levels = [level for level in LEVELS if level in components]
    return max(
        levels,
        key=lambda level: weights[level] * (components[level]["returned"] - components[level]["relevant"]),
    )


def _a_caption_of(scored: ScoredSplit, video: int) -> str:
    """Returns the first of a video's captions, empty where it has none."""
    texts = scored.matches.texts[scored.matches.videos == video]
    return scored.captions.texts[int(texts[0])] if len(texts) else ""
