"""This module fits the linear branch in closed form: ridge regression from pooled frames to what captions say.

The targets of a video are the TF-IDF vector of all its captions' tokens and, where a frozen published encoder reads
captions, the mean of their sentence vectors. Each map has the penalty whose leave-one-out predictions point best to
their targets; the two are mixed by the share that makes the leave-one-out ranking of the training videos most likely.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from jaxtyping import Bool, Float, Int

from mcsan_jax.models.linear_branch import LINEAR_WIDTH

Rows = Any
"""Vectors in the space of targets [row, target], a sparse array or a dense one."""

MINIMUM_VIDEOS = 2
"""A token counts where the captions of so many training videos have it."""
PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-4, 4))
"""Candidates for the penalty, in units of an input's sum of squares."""
WORD_WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Candidates for the weight of words against sentences, both in units of the spread of their scores."""
TEMPERATURES = tuple(np.geomspace(0.125, 4.0, 16))
"""Candidates for the temperature of scores whose standard deviation is one."""
PROBES = 512
"""So many training videos, each with its first caption, choose between the candidates above."""
_CLEARLY = 0.99
"""The loss of the better map is at most this share of the other's."""
_SMALL = 1e-12


@dataclasses.dataclass(frozen=True)
class TrainingSplit:
    """The training videos and captions as the branch sees them.

    Attributes:
        pooled: what the maps read of each video [v, d]: the mean of its standardised frames, then their maximum.
        token_ids: the tokens of each caption.
        owners: index of each caption's video [t]; every video has a caption.
        sentences: mean token state of each caption [t, s], in any precision; None without a frozen encoder.
        vocabulary_size: number of tokens.
        means: how many of the first columns are means; the others are read if they help.
    """

    pooled: Float[np.ndarray, "v d"]
    token_ids: list[Int[np.ndarray, " _"]]
    owners: Int[np.ndarray, " t"]
    sentences: Float[np.ndarray, "t s"] | None
    vocabulary_size: int
    means: int

    @property
    def first_captions(self) -> Int[np.ndarray, " v"]:
        """Index of each video's first caption."""
        return np.unique(self.owners, return_index=True)[1]

    def token_counts(self) -> scipy.sparse.csr_array:
        """How often each token occurs in all captions of a video [v, token]."""
        return _counted(self.token_ids, self.owners, len(self.pooled), self.vocabulary_size)

    def mean_over_captions(self, vectors: Float[np.ndarray, "t s"]) -> Float[np.ndarray, "v s"]:
        """The mean over the captions of each video."""
        ones = np.ones(len(self.owners))
        captions = scipy.sparse.csr_array((ones, (self.owners, np.arange(len(self.owners)))))
        return (captions @ vectors) / captions.sum(axis=1)[:, None]

    def first_tokens(self) -> scipy.sparse.csr_array:
        """Which tokens each video's first caption has, as ones [v, token]."""
        first = [np.unique(self.token_ids[caption]) for caption in self.first_captions]
        return _counted(first, np.arange(len(first)), len(first), self.vocabulary_size)


def fit_linear_branch(split: TrainingSplit) -> dict[str, np.ndarray]:
    """The constants of a `LinearBranch`, but for its share of the fused score, which is zero.

    A split of a single video, or one whose videos all look alike, gives maps that are zero.
    """
    mean, deviation = split.pooled.mean(axis=0), split.pooled.std(axis=0)
    # An input that hardly varies says nothing, and would be blown up.
    scale = np.where(deviation > 1e-6, 1.0 / np.maximum(deviation, 1e-6), 0.0)
    inputs = (split.pooled - mean) * scale
    counts = split.token_counts()
    weights = token_weights(counts)
    documents = tf_idf(counts, weights)
    width = min(inputs.shape[1], LINEAR_WIDTH)
    words = _better_map(inputs, split.means, documents, tf_idf(split.first_tokens(), weights), width)
    constants = {
        "frames_mean": mean,
        "token_weights": weights,
        "frames_to_words": _padded(scale[:, None] * words.weights, width),
        "tokens_to_words": _padded(words.basis, width),
        "words_share": np.ones(()),
        "share": np.zeros(()),
    }
    if split.sentences is not None:
        width = min(width, split.sentences.shape[1])
        directions = _unit(split.sentences)
        sentence_mean = directions.mean(axis=0, dtype=np.float64)
        per_video = split.mean_over_captions(directions)
        first = _unit(directions[split.first_captions] - sentence_mean)
        sentences = _better_map(inputs, split.means, per_video, first, width)
        constants |= {
            "sentence_mean": sentence_mean,
            "frames_to_sentences": _padded(scale[:, None] * sentences.weights, width),
            "states_to_sentences": _padded(sentences.basis, width),
            "words_share": np.asarray(_words_share(words.probe_scores, sentences.probe_scores)),
        }
    return constants


def token_weights(counts: scipy.sparse.csr_array) -> Float[np.ndarray, " token"]:
    """Inverse document frequency ``1 + ln(v / v_token)``; zero for a token of fewer than `MINIMUM_VIDEOS` videos."""
    videos = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.where(videos >= MINIMUM_VIDEOS, 1.0 + np.log(counts.shape[0] / np.maximum(videos, 1)), 0.0)


def tf_idf(counts: scipy.sparse.csr_array, weights: Float[np.ndarray, " token"]) -> scipy.sparse.csr_array:
    """Unit vectors along ``ln(1 + count) · weight`` [row, token]; a row without a known token is zero."""
    values = np.log1p(counts.data) * weights[counts.indices]
    rows = scipy.sparse.csr_array((values, counts.indices, counts.indptr), counts.shape)
    lengths = np.sqrt(_squares(rows))
    return (scipy.sparse.diags_array(1.0 / np.maximum(lengths, _SMALL)) @ rows).tocsr()


@dataclasses.dataclass(frozen=True)
class RidgeMap:
    """A ridge regression of reduced rank: ``inputs @ weights`` are the coordinates of the prediction in `basis`.

    Attributes:
        weights: [d, r].
        basis: orthonormal columns in the space of targets [target, r].
        penalty: the chosen one, in units of an input's sum of squares.
        agreement: mean leave-one-out cosine of prediction and target, both without the mean of the other targets.
        probe_scores: leave-one-out cosines of some videos with the first captions of all of these [probe, probe].
    """

    weights: Float[np.ndarray, "d r"]
    basis: Float[np.ndarray, "target r"]
    penalty: float
    agreement: float
    probe_scores: Float[np.ndarray, "probe probe"]


def fit_map(inputs: Float[np.ndarray, "v d"], targets: Rows, captions: Rows, width: int) -> RidgeMap:
    """Fits ``targets − mean`` by inputs of zero mean.

    With the singular value decomposition ``U S Vᵀ`` of the inputs, the fit of a penalty λ is ``F = U D Uᵀ Y`` with
    ``D = S² / (S² + λ)``, and what it would be for a video that is left out follows from its leverage
    ``h = 1/v + Σ_k D_k U_k²`` (the first term is that of the mean): ``y − (y − f) / (1 − h)``.

    Args:
        inputs: pooled frames [v, d].
        targets: of each video [v, target].
        captions: unit vector of a caption of each video [v, target].
        width: coordinates that are kept: the directions in which predictions vary most.
    """
    count = len(inputs)
    left, singular = _left_singular(inputs)
    if count < 3 or not len(singular):
        dim, size = inputs.shape[1], targets.shape[1]
        return RidgeMap(np.zeros((dim, 0)), np.zeros((size, 0)), PENALTIES[-1], 0.0, np.zeros((0, 0)))
    mean = np.asarray(targets.mean(axis=0)).ravel()
    projected = np.asarray(left.T @ targets)
    gram = projected @ projected.T
    own = np.asarray(targets @ projected.T) - projected @ mean
    squared = _squares(targets) - 2.0 * np.asarray(targets @ mean) + mean @ mean
    unit_penalty = np.sum(singular**2) / inputs.shape[1]

    def left_out(penalty: float) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        shrink = singular**2 / (singular**2 + penalty * unit_penalty)
        fitted = left * shrink
        fit_own, fit_fit = _row_products(fitted, own), _row_products(fitted @ gram, fitted)
        # The prediction for a video left out, without the mean of the others, is of_own · y + of_fit · f.
        of_fit = 1.0 / np.maximum(1.0 - 1.0 / count - _row_products(fitted, left), _SMALL)
        of_own = 1.0 + 1.0 / (count - 1) - of_fit
        length = of_own**2 * squared + 2.0 * of_own * of_fit * fit_own + of_fit**2 * fit_fit
        length = np.sqrt(np.maximum(length, _SMALL**2))
        cosines = (of_own * squared + of_fit * fit_own) / (length * np.sqrt(np.maximum(squared, _SMALL**2)))
        return float(cosines.mean()), shrink, of_own, of_fit, length

    tried = {penalty: left_out(penalty) for penalty in PENALTIES}
    penalty = max(tried, key=lambda each: tried[each][0])
    agreement, shrink, of_own, of_fit, length = tried[penalty]

    probes = np.unique(np.linspace(0, count - 1, PROBES).round().astype(int))
    heard = captions[probes]
    with_own = _dense(targets[probes] @ heard.T) - np.asarray(heard @ mean)[None]
    with_fit = (left[probes] * shrink) @ np.asarray(projected @ heard.T)
    scores = of_own[probes, None] * with_own + of_fit[probes, None] * with_fit

    values, directions = scipy.linalg.eigh(shrink[:, None] * gram * shrink[None])
    kept = np.flatnonzero(values > 1e-10 * max(values[-1], _SMALL))[::-1][:width]
    basis = projected.T @ (shrink[:, None] * directions[:, kept]) / np.sqrt(values[kept])
    to_left = inputs.T @ left / singular**2
    return RidgeMap(
        to_left @ (shrink[:, None] * (projected @ basis)),
        basis,
        penalty,
        agreement,
        scores / length[probes, None],
    )


def _better_map(
    inputs: Float[np.ndarray, "v d"], means: int, targets: Rows, captions: Rows, width: int
) -> RidgeMap:
    """The map of the first inputs, unless that of all ranks the training videos left out clearly better."""
    first = fit_map(inputs[:, :means], targets, captions, width)
    weights = np.zeros((inputs.shape[1], first.weights.shape[1]))
    weights[:means] = first.weights
    first = dataclasses.replace(first, weights=weights)
    if means == inputs.shape[1]:
        return first
    whole = fit_map(inputs, targets, captions, width)
    return whole if _left_out_loss(whole) < _CLEARLY * _left_out_loss(first) else first


def _left_out_loss(fitted: RidgeMap) -> float:
    scores = fitted.probe_scores
    if not scores.size or scores.std() < _SMALL:
        return np.inf
    return ranking_loss(scores / scores.std(), np.eye(len(scores), dtype=bool))


def _left_singular(inputs: Float[np.ndarray, "v d"]) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors [v, k] and singular values [k] of the inputs, those that are not zero."""
    videos, dim = inputs.shape
    small = inputs @ inputs.T if videos <= dim else inputs.T @ inputs
    values, vectors = scipy.linalg.eigh(small)
    kept = values > 1e-10 * max(values[-1], _SMALL)
    singular, vectors = np.sqrt(values[kept]), vectors[:, kept]
    return (vectors if videos <= dim else inputs @ vectors / singular), singular


def _words_share(words: Float[np.ndarray, "p p"], sentences: Float[np.ndarray, "p p"]) -> float:
    """Share of the words in the score, by that of `WORD_WEIGHTS` under which each probe's caption is most likely."""
    if not words.size or min(words.std(), sentences.std()) < _SMALL:
        # A map that tells nothing apart has no share.
        return 0.5 if not words.size else float(words.std() > sentences.std())
    spreads = float(words.std()), float(sentences.std())
    losses = {
        weight: ranking_loss(
            (weight * words / spreads[0] + sentences / spreads[1]) / np.hypot(weight, 1.0),
            np.eye(len(words), dtype=bool),
        )
        for weight in WORD_WEIGHTS
    }
    weight = min(losses, key=lambda each: losses[each])
    return (weight / spreads[0]) / (weight / spreads[0] + 1.0 / spreads[1])


def ranking_loss(scores: Float[np.ndarray, "v t"], relevant: Bool[np.ndarray, "v t"]) -> float:
    """Mean cross-entropy of finding what is relevant, by rows and by columns, at the temperature that suits it best."""
    least = np.finfo(np.float64).tiny
    ways = [(scores - scores.max(axis=axis, keepdims=True), axis) for axis in (0, 1)]
    losses = np.zeros(len(TEMPERATURES))
    for below_best, axis in ways:
        for number, temperature in enumerate(TEMPERATURES):
            chances = np.exp(below_best / temperature)
            found = np.sum(chances, axis=axis, where=relevant)
            losses[number] -= np.mean(np.log(np.maximum(found, least) / chances.sum(axis=axis))) / 2.0
    return float(losses.min())


def _counted(
    token_ids: Iterable[Int[np.ndarray, " _"]], owners: Int[np.ndarray, " t"], rows: int, columns: int
) -> scipy.sparse.csr_array:
    tokens = list(token_ids)
    row_of = np.repeat(owners, [len(own) for own in tokens])
    column_of = np.concatenate([*tokens, np.zeros(0, np.int64)])
    counts = scipy.sparse.coo_array((np.ones(len(row_of)), (row_of, column_of)), shape=(rows, columns))
    return counts.tocsr()


def _unit(vectors: Float[np.ndarray, "row d"]) -> Float[np.ndarray, "row d"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _SMALL)


def _padded(columns: Float[np.ndarray, "row some"], width: int) -> Float[np.ndarray, "row width"]:
    return np.pad(columns, ((0, 0), (0, width - columns.shape[1])))


def _squares(rows: Rows) -> Float[np.ndarray, " row"]:
    return np.asarray((rows * rows).sum(axis=1)).ravel()


def _row_products(
    one: Float[np.ndarray, "row k"], other: Float[np.ndarray, "row k"]
) -> Float[np.ndarray, " row"]:
    return np.einsum("vk,vk->v", one, other)


def _dense(rows: Any) -> Float[np.ndarray, "row column"]:
    return rows.toarray() if scipy.sparse.issparse(rows) else np.asarray(rows)
