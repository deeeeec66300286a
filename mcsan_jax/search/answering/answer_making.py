"""This module makes answers of the videos that were found: with their moments, metadata and near-duplicates."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.search.answers import SearchAnswer
from mcsan_jax.search.best_moments import found_moments
from mcsan_jax.search.stretches import best_stretches


@dataclasses.dataclass(frozen=True)
class FoundVideo:
    """A found video is an answer before anything is read of it.

    Attributes:
        rows: its row, and after it those of its near-duplicates.
        score, probability, contributions, level_scores: see `SearchAnswer`.
    """

    rows: list[int]
    score: float
    probability: float | None
    contributions: dict[str, float]
    level_scores: dict[str, float]


def make_answers(
    found: Sequence[FoundVideo],
    collection: VideoIndex,
    steps: Sequence[str],
    relevances_of: Callable[[VideoEmbeddings], Float[np.ndarray, "s v f"]],
) -> list[SearchAnswer]:
    """Returns the answers, in the order of the videos that were found.

    Args:
        found: the videos, the best first.
        collection: that holds them.
        steps: the texts of the steps.
        relevances_of: how well each frame of some videos meets each step; NaN where that is unknown, and for padding.
    """
    if not found:
        return []
    videos = collection.embeddings([one.rows[0] for one in found])
    relevances = relevances_of(videos)
    stretches = best_stretches(relevances)
    answers = []
    for place, one in enumerate(found):
        relevance = np.fmax.reduce(relevances[:, place])
        relevance = relevance[np.isfinite(relevance)]
        seconds = videos.times_of(place)
        # A moment is told in frames where only some of their times are known.
        known = seconds if len(seconds) == len(relevance) else seconds[:0]
        answers.append(
            SearchAnswer(
                place + 1,
                collection.ids[one.rows[0]],
                one.score,
                one.probability,
                one.contributions,
                one.level_scores,
                found_moments(steps, stretches, place, known, collection.part_of(one.rows[0])),
                tuple(relevance.tolist()),
                tuple(seconds.tolist()),
                collection.metadata_of(one.rows[0]),
                collection.clip_of(one.rows[0]),
                tuple(collection.ids[row] for row in one.rows[1:]),
            )
        )
    return answers
