"""This module learns from texts alone to tell true captions from false ones, so that such pairs can be left out."""

import collections
import dataclasses
import itertools
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import scipy.optimize
import scipy.sparse

from data_pipeline.foils.text_edits import Captioned, words_of

_PENALTY = 0.5
_FEWEST_PAIRS = 3
"""A feature has a weight where so many pairs differ in it."""

WORD, NEIGHBOURS, RELATION, COMPANY = _SORTS = range(4)
"""The sorts of features: words, neighbouring words, relationships, and pairs of lemmas anywhere in a caption."""

IMPARTIAL = (0.0, 0.0, 0.0, 0.0)
BIGRAM_MODEL = (-0.7, 0.7, 0.5, 0.0)
"""With this familiarity captions are about as plausible as a model of neighbouring words finds them."""

Difference = Mapping[int, int]
"""A difference has the features of a true caption less those of a caption made from it, by number, without zeros."""


@dataclasses.dataclass(frozen=True)
class Plausibility:
    """A plausibility is a linear score of texts: what is said often in true captions, and not in foils, scores high.

    Attributes:
        weights: the weight of each feature by its number; features of weight zero are left out.
        counts: how often captions have each feature.
        familiarity: the weight, by sort of feature, of the logarithm of the feature's count and one.
    """

    weights: Mapping[int, float]
    counts: Mapping[int, int]
    familiarity: tuple[float, ...]

    def advantage(self, difference: Difference) -> float:
        """Returns the log odds that the first of the two captions that differ so is the true one."""
        return sum(
            number * (self.weights.get(feature, 0.0) + self.familiarity[feature % 4] * self._known(feature))
            for feature, number in difference.items()
        )

    def fitted_to(self, differences: Sequence[Difference], counts: Mapping[int, int]) -> "Plausibility":
        """Returns the score that tells true captions from foils which this one lets pass.

        It is fitted by logistic regression and added to this one.

        Args:
            differences: the differences of pairs.
            counts: how often captions that are in none of the pairs have each feature.
        """
        if not differences:
            return self
        weights, familiarity = _fit(differences, dataclasses.replace(self, counts=counts))
        used = self.weights.keys() | weights.keys()
        return dataclasses.replace(
            self,
            weights={key: self.weights.get(key, 0.0) + weights.get(key, 0.0) for key in sorted(used)},
            familiarity=tuple(old + new for old, new in zip(self.familiarity, familiarity, strict=True)),
        )

    def known(self, difference: Difference) -> list[float]:
        """Returns how much more familiar the first caption is, by sort of feature."""
        sums = [0.0] * len(_SORTS)
        for feature, number in difference.items():
            sums[feature % 4] += number * self._known(feature)
        return sums

    def _known(self, feature: int) -> float:
        return math.log1p(self.counts.get(feature, 0))


def features_of(caption: Captioned) -> Iterable[int]:
    """Yields the numbers of a caption's features, with repetitions."""
    words = ["^", *words_of(caption.text), "$"]
    graph = caption.graph
    lemmas = [lemma for node in graph.nodes for lemma in (node.lemma, *(one.lemma for one in node.modifiers))]
    yield from (_number(word, WORD) for word in words)
    yield from (_number(f"{first} {second}", NEIGHBOURS) for first, second in itertools.pairwise(words))
    yield from (_number(triple, RELATION) for triple in graph.triples())
    yield from (_number("&".join(sorted(pair)), COMPANY) for pair in itertools.combinations(lemmas, 2))


def _number(feature: str, sort: int) -> int:
    return zlib.crc32(feature.encode()) * len(_SORTS) + sort


def _fit(differences: Sequence[Difference], known: Plausibility) -> tuple[dict[int, float], list[float]]:
    pairs = collections.Counter(itertools.chain.from_iterable(differences))
    used = sorted(feature for feature, number in pairs.items() if number >= _FEWEST_PAIRS)
    column = {feature: index for index, feature in enumerate(used)}
    entries = [
        (row, column[feature], number)
        for row, difference in enumerate(differences)
        for feature, number in difference.items()
        if feature in column
    ]
    rows, columns, values = np.array(entries, np.int32).reshape(-1, 3).T
    sparse = scipy.sparse.csr_matrix((values.astype(float), (rows, columns)), (len(differences), len(used)))
    dense = np.array([known.known(row) for row in differences])
    matrix = scipy.sparse.hstack([sparse, scipy.sparse.csr_matrix(dense)], format="csr")

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = matrix @ weights
        losses = np.logaddexp(0, -margins)
        slopes = -np.exp(-margins - losses)
        total = losses.sum() + _PENALTY / 2 * weights @ weights
        return float(total), matrix.T @ slopes + _PENALTY * weights

    start = np.zeros(matrix.shape[1])
    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    # Few digits, so that the last bits of a processor's sums do not decide which foils there are.
    weights = np.round(found.x, 4).tolist()
    fitted = {feature: weight for feature, weight in zip(used, weights, strict=False) if weight}
    return fitted, weights[len(used) :]


def keeping_chance(advantage: float) -> float:
    """Returns the chance with which a foil is kept, given how much likelier the true caption is (log odds).

    It is that of Metropolis's algorithm, ``min(1, exp(-advantage))``: kept pairs are as likely the other way round, so
    that the texts alone do not tell which of the two is true.
    """
    return math.exp(-max(advantage, 0.0))
