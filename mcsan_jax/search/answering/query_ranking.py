"""This module orders videos by their scores for a query with steps and negative parts."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.search.answering.encoded_texts import EncodedText
from mcsan_jax.search.best_moments import frame_relevance
from mcsan_jax.search.queries.notes import query_notes
from mcsan_jax.search.query_language import ParsedQuery
from mcsan_jax.search.query_score import CombinedScores, combine_parts
from mcsan_jax.search.stretches import best_stretches

FEWEST_ORDERED = 256
"""The order of steps is looked at in so many videos, the best without it, or in twice as many as are asked for."""

ReadVideos = Callable[[Sequence[int]], VideoEmbeddings]
ScoresOfText = Mapping[str, Float[np.ndarray, " v"]]
"""The scores of videos by component."""


@dataclasses.dataclass(frozen=True)
class EncodedQuery:
    """An encoded query holds its parts as the scores take them.

    Attributes:
        parsed: the texts of the parts.
        steps: in the order of time.
        negatives: what the video should not have, by its text.
    """

    parsed: ParsedQuery
    steps: tuple[EncodedText, ...]
    negatives: dict[str, EncodedText]

    @property
    def texts(self) -> dict[str, EncodedText]:
        """Returns all parts by their texts, each once."""
        return dict(zip(self.parsed.steps, self.steps, strict=True)) | self.negatives

    @property
    def notes(self) -> tuple[str, ...]:
        """Returns what the user should know about how the parts are scored."""
        parts = (*self.steps, *self.negatives.values())
        return tuple(note for part in parts for note in query_notes(part.query, part.shares))

    def relevances(self, videos: VideoEmbeddings) -> Float[np.ndarray, "s v f"]:
        """Returns the relevance of each frame to each step; NaN for padding and for steps without nodes."""
        return np.stack([frame_relevance(step.nodes, step.shares, videos.frames) for step in self.steps])


@dataclasses.dataclass(frozen=True)
class RankedVideos:
    """Ranked videos are those that were scored, the best first.

    Attributes:
        rows: of the collection.
        scores: of each, and what adds up to it.
        level_scores: the scores of the components that a step has, averaged over those steps.
    """

    rows: Int[np.ndarray, " v"]
    scores: CombinedScores
    level_scores: dict[str, Float[np.ndarray, " v"]]


def rank_videos(
    query: EncodedQuery,
    rows: Int[np.ndarray, " v"],
    steps: Sequence[ScoresOfText],
    negatives: Mapping[str, Float[np.ndarray, " v"]],
    k: int,
    read: ReadVideos,
) -> RankedVideos:
    """Orders videos by the score of a query.

    Args:
        query: the query.
        rows: the videos that were scored.
        steps: their scores for each step, by component.
        negatives: their fused scores for each negative part.
        k: how many answers are wanted.
        read: reads the vectors of videos, for the order of the steps.

    Returns:
        All of them; those after the first max(`FEWEST_ORDERED`, 2k) without the order of the steps.
    """
    shares = [step.shares for step in query.steps]
    scores = combine_parts(steps, shares, negatives)
    best = np.argsort(-scores.scores, kind="stable")
    if len(steps) > 1 and len(rows):
        first, rest = np.split(best, [max(FEWEST_ORDERED, 2 * k)])
        relevances = query.relevances(read(rows[first].tolist()))
        ordered = combine_parts(
            [_rows_of(step, first) for step in steps],
            shares,
            _rows_of(negatives, first),
            best_stretches(relevances).order_lost,
        )
        place = np.argsort(-ordered.scores, kind="stable")
        best = np.concatenate([first[place], rest])
        scores = _joined(_taken(ordered, place), _taken(scores, rest))
    else:
        scores = _taken(scores, best)
    names = dict.fromkeys(name for share in shares for name in share)
    level_scores = {
        name: np.mean(
            [step[name] for step, share in zip(steps, shares, strict=True) if name in share], axis=0
        )[best]
        for name in names
    }
    return RankedVideos(rows[best], scores, level_scores)


def _rows_of(scores: ScoresOfText, rows: Int[np.ndarray, " some"]) -> dict[str, Float[np.ndarray, " some"]]:
    return {name: of_all[rows] for name, of_all in scores.items()}


def _taken(scores: CombinedScores, rows: Int[np.ndarray, " some"]) -> CombinedScores:
    return CombinedScores(scores.scores[rows], _rows_of(scores.contributions, rows))


def _joined(first: CombinedScores, rest: CombinedScores) -> CombinedScores:
    """Returns all scores; the rest lacks what the order of steps takes off."""
    missing = np.zeros_like(rest.scores)
    return CombinedScores(
        np.concatenate([first.scores, rest.scores]),
        {
            name: np.concatenate([added, rest.contributions.get(name, missing)])
            for name, added in first.contributions.items()
        },
    )
