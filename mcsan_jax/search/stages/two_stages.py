"""This module finds the best videos of a large index: candidates by stage-1 vectors, then exact scores of these.

Candidates are scored in order, a batch at a time, until it is unlikely that one that is left out is an answer. What is
known of it is its product a with the query's stage-1 vector. With the mean μ and the deviation σ of what the
last batch scored above its products, and the score s of the worst answer so far,

    Σ over the candidates left of Q((s − a − μ) / σ),   Q the upper tail of the normal distribution,

videos are expected to be missed. Trained vectors stop after the first batch; of random ones, whose stage-1 vectors say
less, more are scored.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.stage_one import Bases, stage_one_texts
from mcsan_jax.ranking.block_scores import ComponentScores
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.stages.exact_scores import CollectionScorer

EXACT_UP_TO = 10_000
"""Up to this many videos all are scored."""

CANDIDATES = 500
"""So many candidates are scored at least."""

_RESERVE = 16
"""Candidates that an engine is asked for, as a multiple of those that are scored at least."""

_MISSED, _SPREAD = 0.001, 1.1
"""Scoring goes on while more videos than this are expected to be missed, with deviations so many times as large: the
tails of scores are longer than those of the normal distribution."""


@dataclasses.dataclass(frozen=True)
class Mix:
    """A mix says how the score of a query is made of those of its texts: their weighted sum.

    Attributes:
        texts: their numbers among all texts that are scored.
        weights: of each; those of a negative part are negative.
    """

    texts: tuple[int, ...]
    weights: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ScoredVideos:
    """Scored videos are those that may be answers to a query.

    Attributes:
        rows: of the videos, in no particular order.
        scores: by component, of each text of the query and each of the videos, float32 [t, m].
    """

    rows: Int[np.ndarray, " m"]
    scores: ComponentScores


class CandidateSearch:
    """A candidate search scores all videos that can be answers: all there are, or the candidates of an engine.

    Args:
        scorer: of the videos.
        engine: with the stage-1 vectors of the same videos.
        numbers: under which the engine has the video of each row.
        parameters: level weights and the share of the linear branch.
        config: how the model fuses components.
        bases: of the stage-1 vectors.
    """

    def __init__(
        self,
        scorer: CollectionScorer,
        engine: Engine,
        numbers: Int[np.ndarray, " v"],
        parameters: ScoringParameters,
        config: SimilarityConfig,
        bases: Bases | None = None,
    ) -> None:
        self.scorer, self.engine, self.numbers = scorer, engine, numbers
        self._order = np.argsort(numbers)
        self._sorted = numbers[self._order]
        self._parameters, self._config, self._bases = parameters, config, bases

    def search(
        self,
        texts: TextCollection,
        mixes: Sequence[Mix],
        k: int,
        *,
        candidates: int = CANDIDATES,
        among: Bool[np.ndarray, " v"] | None = None,
        exact: bool | None = None,
    ) -> list[ScoredVideos]:
        """Returns the scored videos of each query.

        Args:
            texts: of all queries.
            mixes: of each query.
            k: how many answers are wanted; the best `k` are among the scored ones but for what is said above.
            candidates: how many are scored at least, where not all are.
            among: the videos that may be answers; by default all.
            exact: whether all are scored; None decides by their number.
        """
        count = len(self.numbers) if among is None else int(among.sum())
        first = max(candidates, 2 * k)
        if exact or first >= count or (exact is None and count <= EXACT_UP_TO):
            rows = np.arange(count) if among is None else np.flatnonzero(among)
            scores = self.scorer.scores(texts, None if among is None else rows)
            return [ScoredVideos(rows, _of_texts(scores, mix)) for mix in mixes]
        vectors = self.vectors_of(texts)
        queries = np.stack([np.asarray(mix.weights, np.float32) @ vectors[list(mix.texts)] for mix in mixes])
        allowed = None if among is None else np.sort(self.numbers[among])
        found = self.engine.search(queries, min(_RESERVE * first, count), allowed)
        answers = []
        for mix, (own, products) in zip(mixes, found, strict=True):
            rows, known = self.rows_of(own)
            of_query = texts.rows(np.array(mix.texts))
            answers.append(self._rescored(of_query, mix, rows, products[known], k, first))
        return answers

    def candidates(self, texts: TextCollection, most: int) -> list[Int[np.ndarray, " m"]]:
        """Returns the rows of the videos whose stage-1 vectors are nearest to each text, the nearest first."""
        found = self.engine.search(self.vectors_of(texts), most)
        return [self.rows_of(numbers)[0] for numbers, _ in found]

    def vectors_of(self, texts: TextCollection) -> Float[np.ndarray, "t w"]:
        """Returns the stage-1 vectors of texts."""
        return stage_one_texts(texts, self._parameters, self._config, self._bases)

    def rows_of(self, numbers: Int[np.ndarray, " c"]) -> tuple[Int[np.ndarray, " m"], Bool[np.ndarray, " c"]]:
        """Returns the rows of the numbers that are known, and which are.

        An engine that others use, too, may know more videos: those that a writer has added since.
        """
        places = np.minimum(np.searchsorted(self._sorted, numbers), max(len(self._sorted) - 1, 0))
        known = self._sorted[places] == numbers if len(self._sorted) else np.zeros(len(numbers), bool)
        return self._order[places[known]], known

    def _rescored(
        self,
        texts: TextCollection,
        mix: Mix,
        rows: Int[np.ndarray, " c"],
        products: Float[np.ndarray, " c"],
        k: int,
        first: int,
    ) -> ScoredVideos:
        """Scores the candidates of one query, batch by batch."""
        weights, parts, mixed = np.asarray(mix.weights, np.float32), [], np.zeros(0, np.float32)
        end = first
        while True:
            batch = slice(len(mixed), end)
            parts.append(self.scorer.scores(texts, rows[batch]))
            own = weights @ parts[-1][FUSED]
            mixed = np.concatenate([mixed, own])
            if (
                end >= len(rows)
                or _expected_misses(mixed, own - products[batch], products[end:], k) < _MISSED
            ):
                break
            end += 2 * first
        scores = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
        return ScoredVideos(rows[: len(mixed)], scores)


def _expected_misses(
    scores: Float[np.ndarray, " m"], above: Float[np.ndarray, " b"], left: Float[np.ndarray, " c"], k: int
) -> float:
    """Returns how many of the candidates left are expected to belong to the best `k`.

    Args:
        scores: of those that are scored.
        above: by how much those of the last batch score above their products.
        left: products of the candidates left.
        k: how many answers are wanted.
    """
    # It takes a fifth of a second to load, for which a small index has no use.
    from scipy.special import ndtr

    worst = np.partition(scores, -k)[-k]
    deviation = max(_SPREAD * float(above.std()), float(np.finfo(np.float32).tiny))
    return float(ndtr((left + above.mean() - worst) / deviation).sum())


def _of_texts(scores: ComponentScores, mix: Mix) -> ComponentScores:
    return {name: of_all[list(mix.texts)] for name, of_all in scores.items()}
