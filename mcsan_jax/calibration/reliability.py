"""This module compares probabilities with how often answers are right."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from mcsan_jax.calibration.calibration import Calibration
from mcsan_jax.calibration.judged_queries import JudgedQueries
from mcsan_jax.scoring.multi_level import FUSED

BINS = 10
FIRST_ANSWERS = 10


@dataclasses.dataclass(frozen=True)
class Reliability:
    """It compares the probabilities of answers with the share of them that is right.

    The answers are sorted by probability and cut into bins of equal size, or as nearly so as can be.

    Attributes:
        probabilities: mean probability of each bin.
        relevant: share of each bin's answers that are right.
        answers: number of answers of each bin.
    """

    probabilities: Float[np.ndarray, " bin"]
    relevant: Float[np.ndarray, " bin"]
    answers: np.ndarray

    @classmethod
    def of(
        cls,
        probabilities: Float[np.ndarray, " answer"],
        relevant: Bool[np.ndarray, " answer"],
        bins: int = BINS,
    ) -> "Reliability":
        """Bins answers.

        Args:
            probabilities: that each answer is right.
            relevant: whether it is.
            bins: how many; with fewer answers than bins, each answer has a bin.
        """
        order = np.argsort(probabilities, kind="stable")
        parts = np.array_split(order, min(bins, len(order)))
        return cls(
            np.array([probabilities[part].mean() for part in parts]),
            np.array([relevant[part].mean() for part in parts]),
            np.array([len(part) for part in parts]),
        )

    @property
    def ece(self) -> float:
        """Returns the expected calibration error, the mean over answers of |share right − mean probability|.

        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, here with bins of equal size.
        """
        return float(np.average(np.abs(self.relevant - self.probabilities), weights=self.answers))

    @property
    def mean_probability(self) -> float:
        """Returns the mean probability of all answers."""
        return float(np.average(self.probabilities, weights=self.answers))

    @property
    def mean_relevant(self) -> float:
        """Returns the share of all answers that are right."""
        return float(np.average(self.relevant, weights=self.answers))


@dataclasses.dataclass(frozen=True)
class AnswersOfQueries:
    """They are the first answers of queries.

    Attributes:
        probabilities: that an answer is right, by rank.
        relevant: whether it is.
        presence: the probability that there is a right answer.
    """

    probabilities: Float[np.ndarray, "q k"]
    relevant: Bool[np.ndarray, "q k"]
    presence: Float[np.ndarray, " q"]

    @classmethod
    def of(cls, calibration: Calibration, judged: JudgedQueries, absent: bool = False) -> "AnswersOfQueries":
        """Answers every query.

        Args:
            calibration: gives the probabilities.
            judged: the queries.
            absent: whether the videos that have the text of a query are left out, all right ones among them; queries
                that no video is left to answer are skipped.
        """
        k = min(FIRST_ANSWERS, judged.scores.shape[1])
        kept = ~judged.alike if absent else np.ones_like(judged.alike)
        asked = np.flatnonzero(kept.any(axis=1))
        probabilities = np.full((len(asked), k), np.nan)
        relevant, presence = np.zeros((len(asked), k), bool), np.zeros(len(asked))
        for place, query in enumerate(asked):
            videos = np.flatnonzero(kept[query])
            scores = judged.scores[query, videos]
            every = calibration.probabilities({FUSED: scores})
            best = np.argsort(-scores, kind="stable")[:k]
            probabilities[place, : len(best)] = every[best]
            relevant[place, : len(best)] = judged.relevant[query, videos[best]]
            presence[place] = every.sum()
        return cls(probabilities, relevant, presence)

    def first(self) -> Reliability:
        """Returns the reliability of the first answers."""
        return Reliability.of(self.probabilities[:, 0], self.relevant[:, 0])

    def first_ten(self) -> Reliability:
        """Returns the reliability of the first ten answers, or as many as there are."""
        there = ~np.isnan(self.probabilities)
        return Reliability.of(self.probabilities[there], self.relevant[there])
