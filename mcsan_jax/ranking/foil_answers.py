"""This module asks a model which caption of a video is true, among a true one and its foils."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection


@dataclasses.dataclass(frozen=True)
class FoilAnswers:
    """They say of questions whether the true caption scored above all of its foils.

    Attributes:
        kinds: what the foils of each question change.
        videos: index of each question's video.
        texts: the captions of each question, the true one first.
        right: for each component of the score, 1 where the true caption scored highest alone, else 0; where n captions
            share the highest score and the true one is among them, 1 / n, which is what a draw among them expects.
    """

    kinds: list[str]
    videos: Int[np.ndarray, " q"]
    texts: list[tuple[str, ...]]
    right: dict[str, Float[np.ndarray, " q"]]

    def accuracies(self) -> dict[str, dict[str, float]]:
        """Returns the percentage of right answers, by component and by kind in alphabetical order."""
        rows = {kind: np.asarray(self.kinds) == kind for kind in sorted(set(self.kinds))}
        return {
            component: {kind: 100.0 * float(np.mean(right[own])) for kind, own in rows.items()}
            for component, right in self.right.items()
        }

    def counts(self) -> dict[str, int]:
        """Returns the number of questions of each kind."""
        return {kind: self.kinds.count(kind) for kind in sorted(set(self.kinds))}


def share_of_true(scores: Float[np.ndarray, "choice q"]) -> Float[np.ndarray, " q"]:
    """Returns the chance that the first choice is drawn among those with the highest score."""
    best = scores == scores.max(axis=0)
    return best[0] / best.sum(axis=0)


def answer_questions(
    scorer: BlockScorer,
    texts: TextCollection,
    choices: Sequence[Sequence[int]],
    videos: Int[np.ndarray, " q"],
    size: int,
) -> dict[str, Float[np.ndarray, " q"]]:
    """Scores the captions of questions with their videos, and returns `FoilAnswers.right`.

    Args:
        scorer: scores the videos.
        texts: all captions that any question names.
        choices: for each question the rows of its captions, the true one first; questions may differ in their number.
        videos: index of each question's video.
        size: how many questions are asked at a time.
    """
    right: dict[str, np.ndarray] = {}
    # One capacity for all, so that one program scores true captions and foils, and equal texts get equal bits.
    capacity = texts.capacity_for_any(size)
    for rows, table in _of_equal_length(choices, size):
        scores = [scorer.pair_scores(texts, column, videos[rows], size, capacity) for column in table.T]
        for component in scores[0]:
            of_choices = np.stack([one[component] for one in scores])
            right.setdefault(component, np.zeros(len(choices)))[rows] = share_of_true(of_choices)
    return right


def _of_equal_length(
    choices: Sequence[Sequence[int]], size: int
) -> Iterator[tuple[Int[np.ndarray, " n"], Int[np.ndarray, "n choice"]]]:
    """Yields at most `size` questions with as many captions each, and the rows of these."""
    lengths = np.array([len(each) for each in choices])
    for length in np.unique(lengths):
        (members,) = np.nonzero(lengths == length)
        for start in range(0, len(members), size):
            rows = members[start : start + size]
            yield rows, np.array([choices[row] for row in rows])
