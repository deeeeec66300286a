"""This module learns from texts alone to tell true captions from false ones, so that such pairs can be left out."""

import dataclasses
import itertools
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import scipy.optimize
import scipy.sparse

from data_pipeline.foils.text_edits import Captioned, words_of

_FEATURES = 2**18
_PENALTY = 0.5


@dataclasses.dataclass(frozen=True)
class Plausibility:
    """A plausibility is a linear score of texts: what is said often in true captions, and not in foils, scores high.

    Attributes:
        weights: the weight of each feature by its number; features of weight zero are left out.
    """

    weights: Mapping[int, float]

    def advantage(self, difference: Mapping[int, int]) -> float:
        """Returns the log odds that the first of two captions is true, one of them made from the other.

        Args:
            difference: the features of the first less those of the second.
        """
        return sum(self.weights.get(feature, 0.0) * count for feature, count in difference.items())

    def plus(self, other: "Plausibility") -> "Plausibility":
        """Returns the sum of two scores."""
        used = {**self.weights, **other.weights}
        return Plausibility({key: self.weights.get(key, 0.0) + other.weights.get(key, 0.0) for key in used})


def features_of(caption: Captioned) -> Iterable[int]:
    """Yields the numbers of a caption's features, with repetitions.

    They are its words, its neighbouring words, its relationships, and its pairs of lemmas, wherever they stand.
    """
    words = ["^", *words_of(caption.text), "$"]
    graph = caption.graph
    lemmas = [lemma for node in graph.nodes for lemma in (node.lemma, *(one.lemma for one in node.modifiers))]
    yield from map(_number, words)
    yield from (_number(f"{first} {second}") for first, second in itertools.pairwise(words))
    yield from map(_number, graph.triples())
    yield from (_number("&".join(sorted(pair))) for pair in itertools.combinations(lemmas, 2))


def _number(feature: str) -> int:
    return zlib.crc32(feature.encode()) % _FEATURES


def fit_plausibility(differences: Sequence[Mapping[int, int]]) -> Plausibility:
    """Fits a score by logistic regression, such that true captions score above the foils made from them.

    Args:
        differences: the features of each true caption less those of a foil of it.
    """
    if not differences:
        return Plausibility({})
    used = sorted({key for row in differences for key in row})
    column = {key: index for index, key in enumerate(used)}
    rows = np.repeat(np.arange(len(differences)), [len(row) for row in differences])
    columns = np.array([column[key] for row in differences for key in row], np.int32)
    values = np.array([count for row in differences for count in row.values()], np.float64)
    matrix = scipy.sparse.csr_matrix((values, (rows, columns)), (len(differences), len(used)))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = matrix @ weights
        losses = np.logaddexp(0, -margins)
        slopes = -np.exp(-margins - losses)
        total = losses.sum() + _PENALTY / 2 * weights @ weights
        return float(total), matrix.T @ slopes + _PENALTY * weights

    found = scipy.optimize.minimize(
        loss, np.zeros(len(used)), jac=True, method="L-BFGS-B", options={"maxiter": 60}
    )
    # Few digits, so that the last bits of a processor's sums do not decide which foils there are.
    weights = np.round(found.x, 4)
    return Plausibility({key: float(weight) for key, weight in zip(used, weights, strict=True) if weight})


def keeping_chance(advantage: float) -> float:
    """Returns the chance with which a foil is kept, given how much likelier the true caption is (log odds).

    It is that of Metropolis's algorithm, ``min(1, exp(-advantage))``: kept pairs are as likely the other way round, so
    that the texts alone do not tell which of the two is true.
    """
    return math.exp(-max(advantage, 0.0))
