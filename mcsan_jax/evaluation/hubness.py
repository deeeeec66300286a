"""This module corrects scores against hubs, the gallery items that are near to too many queries.

A gallery item is judged by how near it is to a *bank* of queries of the training split, and marked down by that: for
text-to-video the scores of training captions with the gallery's videos, for video-to-text those of training videos
with the gallery's captions. Every formula is in the space of logarithms and free of what is the same for all items of
a query, so that no temperature overflows and float32 keeps the order.

* Inverted softmax: Smith et al., ICLR 2017.
* QB-Norm with the dynamic inverted softmax: Bogolin et al., CVPR 2022.
* CSLS: Conneau et al., ICLR 2018.
* DSL, dual softmax: Cheng et al., arXiv 2109.04290. Its bank are the other test queries, so it is *transductive*:
  no search for a single query can do that, and its figures are not comparable with those of other methods.
"""

import abc
import dataclasses
import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.errors import InputError
from mcsan_jax.ranking.occurrences import BestItems
from mcsan_jax.ranking.ranks import RankCounter, Ranks
from mcsan_jax.ranking.relevance import Matches

T2V, V2T = "t2v", "v2t"
_CELLS = 1 << 20
"""Scores that are worked on at a time."""


@dataclasses.dataclass(frozen=True)
class Correction(abc.ABC):
    """A correction turns scores into others, whose order within a query is what counts.

    Attributes:
        penalties: of the gallery's items [gallery].
        temperature: of the softmax, None where there is none.
    """

    name: ClassVar[str]
    transductive: ClassVar[bool] = False
    """Whether a query's answers hang on the other test queries."""

    penalties: Float[np.ndarray, " gallery"]
    temperature: float | None

    def __call__(self, scores: Float[np.ndarray, "gallery q"]) -> Float[np.ndarray, "gallery q"]:
        """Returns corrected scores in float32, for some queries and the whole gallery."""
        return self._corrected(scores).astype(np.float32)

    @abc.abstractmethod
    def _corrected(self, scores: np.ndarray) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class NoCorrection(Correction):
    """It leaves the scores as they are."""

    name = "no correction"

    @classmethod
    def of(cls, gallery: int) -> "NoCorrection":
        """Makes one for a gallery of so many items."""
        return cls(np.zeros(gallery), None)

    def _corrected(self, scores: np.ndarray) -> np.ndarray:
        return scores


class InvertedSoftmax(Correction):
    """It is a log softmax over the bank instead of the gallery: ``s − τ log mean_b exp(s_b / τ)``."""

    name = "inverted softmax"

    @classmethod
    def fit(cls, bank: Float[np.ndarray, "gallery bank"], temperature: float) -> "InvertedSoftmax":
        """Learns the penalties from the scores of a bank."""
        return cls(_soft_maxima(bank, temperature), temperature)

    def _corrected(self, scores: np.ndarray) -> np.ndarray:
        return _lowered(scores, self.penalties)


@dataclasses.dataclass(frozen=True)
class QueryBankNorm(Correction):
    """It is the inverted softmax for those queries only whose best answer is in the bank's activation set.

    Attributes:
        activated: items that are the best answer of a query of the bank [gallery].
    """

    name = "QB-Norm"
    activated: Bool[np.ndarray, " gallery"]

    @classmethod
    def fit(
        cls, bank: Float[np.ndarray, "gallery bank"], temperature: float, best: int = 1
    ) -> "QueryBankNorm":
        """Learns from the scores of a bank, whose `best` answers make the activation set."""
        answers = BestItems(best, bank.shape[1], bank.shape[0])
        for tile, items, queries in _tiles(bank):
            answers.add(tile.T, queries, items)
        activated = np.zeros(len(bank), bool)
        found = answers.answers().items
        activated[found[found >= 0]] = True
        return cls(_soft_maxima(bank, temperature), temperature, activated)

    def _corrected(self, scores: np.ndarray) -> np.ndarray:
        normalised = self.activated[np.argmax(scores, axis=0)]
        return np.where(normalised, _lowered(scores, self.penalties), scores)


class CrossDomainScaling(Correction):
    """CSLS gives ``2 s − r``, halved, where r is an item's mean score with its nearest queries of the bank.

    The query's own mean score with its nearest items is left out: it is the same for all its items.
    """

    name = "CSLS"

    @classmethod
    def fit(cls, bank: Float[np.ndarray, "gallery bank"], neighbours: int = 10) -> "CrossDomainScaling":
        """Learns from the scores of a bank; of a smaller one, all queries are neighbours."""
        nearest = BestItems(min(neighbours, bank.shape[1]), *bank.shape)
        for tile, items, queries in _tiles(bank):
            nearest.add(tile, items, queries)
        scores = nearest.answers().scores
        return cls(scores.sum(axis=1, dtype=np.float64) / (2 * scores.shape[1]), None)

    def _corrected(self, scores: np.ndarray) -> np.ndarray:
        return _lowered(scores, self.penalties)


@dataclasses.dataclass(frozen=True)
class DualSoftmax(Correction):
    """DSL gives scores times their softmax over the test queries, ``s exp(s / τ) / Σ_q exp(s_q / τ)``: transductive.

    The product p would underflow, so sign(p) · (log |p| + c) is given, which has the same order: c is such that the
    bracket is at least 1 for all items of a query.
    """

    name = "DSL"
    transductive = True

    temperature: float

    @classmethod
    def fit(cls, scores: Float[np.ndarray, "gallery q"], temperature: float) -> "DualSoftmax":
        """Learns from all test scores."""
        return cls(_soft_maxima(scores, temperature), temperature)

    def _corrected(self, scores: np.ndarray) -> np.ndarray:
        scores = np.asarray(scores, np.float64)
        something = scores != 0
        logarithms = np.log(np.abs(scores), out=np.zeros_like(scores), where=something)
        logarithms += (scores - self.penalties[:, None]) / self.temperature
        least = np.min(logarithms, axis=0, where=something, initial=np.inf)
        sizes = np.subtract(logarithms, least, out=np.zeros_like(scores), where=something)
        return np.sign(scores) * (sizes + 1)


METHODS = (InvertedSoftmax.name, QueryBankNorm.name, CrossDomainScaling.name, DualSoftmax.name)


def fit_correction(
    method: str, bank: Float[np.ndarray, "_ _"], direction: str, temperature: float | None = None
) -> Correction:
    """Fits one of `METHODS`.

    Args:
        method: its name.
        bank: scores of training captions with the gallery's videos [v, bank] for "t2v", of training videos with the
            gallery's captions [bank, t] for "v2t"; an array, or a file mapped to memory. For DSL, the test scores.
        direction: "t2v" or "v2t".
        temperature: of the softmax; CSLS has none.

    Raises:
        InputError: the bank is empty or not finite, or the temperature is not above 0.
    """
    if method not in METHODS:
        raise InputError(f"unknown correction {method!r}; choose from {', '.join(METHODS)}")
    bank = _seen_by_queries(bank, direction)
    if 0 in bank.shape:
        raise InputError(
            f"the bank of {method} for {direction} holds {bank.shape[1]} queries and {bank.shape[0]} gallery items; "
            "give the scores of at least one training query"
        )
    if method == CrossDomainScaling.name:
        return CrossDomainScaling.fit(bank)
    if temperature is None or not 0 < temperature < math.inf:
        raise InputError(f"the temperature of {method} must be above 0 and finite, found {temperature}")
    if method == InvertedSoftmax.name:
        return InvertedSoftmax.fit(bank, temperature)
    if method == QueryBankNorm.name:
        return QueryBankNorm.fit(bank, temperature)
    return DualSoftmax.fit(bank, temperature)


def corrected_blocks(
    correction: Correction, scores: Float[np.ndarray, "v t"], direction: str
) -> Iterator[tuple[Float[np.ndarray, "_ _"], slice, slice]]:
    """Yields corrected scores in blocks, each with its videos and texts; a block holds some queries' whole gallery.

    Args:
        correction: fitted for this direction and gallery.
        scores: of all videos and texts [v, t]; an array, or a file mapped to memory.
        direction: "t2v" or "v2t".

    Raises:
        InputError: a score is not finite, or the bank had another gallery.
    """
    oriented = _seen_by_queries(scores, direction)
    gallery, queries = oriented.shape
    if gallery != len(correction.penalties):
        raise InputError(
            f"{correction.name} for {direction}: the bank was scored with {len(correction.penalties)} gallery items, "
            f"the scores to correct have {gallery}; score the bank with the gallery that is searched"
        )
    everything, width = slice(0, gallery), max(1, _CELLS // max(1, gallery))
    for start in range(0, queries, width):
        some = slice(start, min(start + width, queries))
        block = np.asarray(oriented[:, some], np.float32)
        _require_finite(block, everything, some, "query")
        if direction == T2V:
            yield correction(block), everything, some
        else:
            yield correction(block).T, some, everything


def corrected_ranks(
    correction: Correction, scores: Float[np.ndarray, "v t"], matches: Matches, direction: str
) -> Ranks:
    """Returns the ranks of one direction after a correction; see `corrected_blocks`."""
    counter = RankCounter(matches)
    for block, videos, texts in corrected_blocks(correction, scores, direction):
        # A block holds all that its queries are compared with, so no other is needed before it is counted.
        counter.see_matches(block, videos, texts)
        counter.count(block, videos, texts)
    return counter.text_to_video() if direction == T2V else counter.video_to_text()


def _seen_by_queries(matrix: np.ndarray, direction: str) -> np.ndarray:
    """Returns scores [v, t] as a view [gallery, q]."""
    if direction not in (T2V, V2T):
        raise ValueError(f"direction must be {T2V!r} or {V2T!r}, found {direction!r}")
    return matrix if direction == T2V else matrix.T


def _lowered(scores: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    return np.subtract(scores, penalties[:, None], dtype=np.float64)


def _soft_maxima(bank: np.ndarray, temperature: float) -> np.ndarray:
    """Returns ``τ log mean exp(s / τ)`` over the bank, between its mean and its maximum, for every item [gallery]."""
    maxima = np.full(len(bank), -np.inf)
    sums = np.zeros(len(bank))
    for tile, items, _ in _tiles(bank):
        higher = np.maximum(maxima[items], tile.max(axis=1))
        sums[items] *= np.exp((maxima[items] - higher) / temperature)
        powers = np.subtract(tile, higher[:, None], dtype=np.float64)
        powers /= temperature
        sums[items] += np.exp(powers, out=powers).sum(axis=1)
        maxima[items] = higher
    return maxima + temperature * np.log(sums / bank.shape[1])


def _tiles(matrix: np.ndarray) -> Iterator[tuple[np.ndarray, slice, slice]]:
    """Yields tiles in float32 with their rows and columns, long in the direction in which the matrix lies in memory."""
    rows, columns = matrix.shape
    side = math.isqrt(_CELLS)
    height, width = (side // 4, side * 4) if matrix.flags.c_contiguous else (side * 4, side // 4)
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            tile_of = slice(top, min(top + height, rows)), slice(left, min(left + width, columns))
            tile = np.asarray(matrix[tile_of], np.float32)
            _require_finite(tile, *tile_of, "query of the bank")
            yield tile, *tile_of


def _require_finite(block: np.ndarray, items: slice, queries: slice, kind: str) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise InputError(
            f"the score of gallery item {items.start + row} and {kind} {queries.start + column} is "
            f"{block[row, column]}; scores must be finite"
        )
