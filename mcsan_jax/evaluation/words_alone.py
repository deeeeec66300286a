"""This module asks how far words alone tell a true caption from its foils: a control that sees no video.

A model is fitted to the captions of some questions and answers the others, so that each is answered by one that has
seen neither it nor another of its video. Where it is right more often than chance, the foils give themselves away, and
so much of a model's accuracy may have nothing to do with videos.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, sparse

from mcsan_jax.ranking.foil_answers import share_of_true

_FOLDS = 5
_PENALTY = 1.0
_STEPS = 50
_ENDS = "\n"
"""Stands before the first word and after the last, and is no word itself."""


def answer_by_words(
    questions: Sequence[Sequence[str]], groups: Int[np.ndarray, " q"], seed: int = 0
) -> Float[np.ndarray, " q"] | None:
    """Answers questions from their texts, as `foil_answers.FoilAnswers.right` counts.

    The model is the conditional logit (McFadden, 1974): caption c of a question is the true one with a probability in
    proportion to exp(w·x_c), where x_c counts the words and pairs of neighbouring words of c. w is fitted with the
    penalty |w|²/2.

    Args:
        questions: the captions of each, the true one first; they may differ in their number.
        groups: questions of the same group, such as those about one video, are never fitted and answered in turn.
        seed: of the division of the groups into five parts.

    Returns:
        The share of right answers to each question; None where all questions are of one group.
    """
    values, places = np.unique(groups, return_inverse=True)
    if len(values) < 2:
        return None
    folds = np.random.default_rng(seed).permutation(len(values))[places] % _FOLDS
    counts = np.array([len(texts) for texts in questions])
    starts, question = np.cumsum(counts) - counts, np.repeat(np.arange(len(questions)), counts)
    words = _word_counts([text for texts in questions for text in texts])
    # What a question's captions share tells none of them apart; what a single caption has answers no other question.
    words = words - words[starts[question]]
    words.eliminate_zeros()
    words = words[:, words.getnnz(axis=0) > 1]
    right = np.zeros(len(questions))
    for fold in np.unique(folds):
        fitted = folds[question] != fold
        weights = _fit(words[fitted], counts[folds != fold])
        scores = words @ weights
        for row in np.flatnonzero(folds == fold):
            own = scores[starts[row] : starts[row] + counts[row]]
            right[row] = share_of_true(own[:, None])[0]
    return right


def _word_counts(texts: Sequence[str]) -> sparse.csr_matrix:
    """Returns how often each word, and each pair of neighbours, is in each text [text, feature]."""
    numbers: dict[object, int] = {}
    columns: list[int] = []
    ends = [0]
    for text in texts:
        for feature in _features(text):
            columns.append(numbers.setdefault(feature, len(numbers)))
        ends.append(len(columns))
    made = sparse.csr_matrix((np.ones(len(columns)), columns, ends), (len(texts), len(numbers)))
    made.sum_duplicates()
    return made


def _features(text: str) -> Iterator[object]:
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    yield from words
    yield from zip([_ENDS, *words], [*words, _ENDS], strict=True)


def _fit(words: sparse.csr_matrix, counts: Int[np.ndarray, " q"]) -> Float[np.ndarray, " feature"]:
    """Returns the weights of the conditional logit; the captions of the questions lie end to end."""
    starts = np.cumsum(counts) - counts
    transposed = words.T.tocsr()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = words @ weights
        shifted = scores - np.repeat(np.maximum.reduceat(scores, starts), counts)
        exponents = np.exp(shifted)
        totals = np.add.reduceat(exponents, starts)
        probabilities = exponents / np.repeat(totals, counts)
        value = float(np.sum(np.log(totals) - shifted[starts]) + 0.5 * _PENALTY * weights @ weights)
        probabilities[starts] -= 1.0
        return value, transposed @ probabilities + _PENALTY * weights

    start = np.zeros(words.shape[1])
    return optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
