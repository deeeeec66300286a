"""This module fits a ridge regression in closed form, and says what it would be for each video that is left out.

A prediction and a caption are compared by their product over the lengths of both. That of a caption is measured by what
it is compared with: it is the root mean square of its products with the predictions for training videos that were left
out. A hub, a caption that is near to every video, is long by this measure. (Bogolin et al., "Cross Modal Retrieval with
Querybank Normalisation", CVPR 2022, correct hubs by a bank of training items too, with a softmax over it.)
"""

import dataclasses
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from jaxtyping import Bool, Float

Rows = Any
"""Vectors in the space of targets [row, target], a sparse array or a dense one."""

PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-4, 4))
"""Candidates for the penalty, in units of an input's sum of squares."""
TEMPERATURES = tuple(np.geomspace(0.125, 4.0, 16))
"""Candidates for the temperature of scores whose standard deviation is one."""
PROBES = 512
"""So many training videos, each with its first caption, choose between candidates."""
SHRINKAGE = 0.1
"""Weight of the Euclidean length beside the one that is measured by predictions."""
_CLEARLY = 0.99
"""The loss of the better map is at most this share of the other's."""
_SMALL = 1e-12


@dataclasses.dataclass(frozen=True)
class RidgeMap:
    """A ridge regression of reduced rank: ``inputs @ weights`` are the coordinates of the prediction in `basis`.

    Attributes:
        weights: [d, r].
        basis: orthonormal columns in the space of targets [target, r].
        penalty: the chosen one, in units of an input's sum of squares.
        agreement: mean leave-one-out cosine of prediction and target, both without the mean of the other targets.
        probe_scores: leave-one-out scores of some videos with the first captions of all of these [probe, probe].
        metric: M of the length ``√(cᵀ M c)`` of a caption c in the basis [r, r]; zero where it is left as it is.
    """

    weights: Float[np.ndarray, "d r"]
    basis: Float[np.ndarray, "target r"]
    penalty: float
    agreement: float
    probe_scores: Float[np.ndarray, "probe probe"]
    metric: Float[np.ndarray, "r r"]


def fit_map(
    inputs: Float[np.ndarray, "v d"], targets: Rows, captions: Rows, width: int, corrects_hubs: bool = True
) -> RidgeMap:
    """Fits ``targets − mean`` by inputs of zero mean.

    With the singular value decomposition ``U S Vᵀ`` of the inputs, the fit of a penalty λ is ``F = U D Uᵀ Y`` with
    ``D = S² / (S² + λ)``, and what it would be for a video that is left out follows from its leverage
    ``h = 1/v + Σ_k D_k U_k²`` (the first term is that of the mean): ``y − (y − f) / (1 − h)``.

    Args:
        inputs: pooled frames [v, d].
        targets: of each video [v, target].
        captions: unit vector of a caption of each video [v, target].
        width: coordinates that are kept: the directions in which predictions vary most.
        corrects_hubs: whether captions are divided by their lengths under the metric.
    """
    count = len(inputs)
    left, singular = _left_singular(inputs)
    if count < 3 or not len(singular):
        dim, size = inputs.shape[1], targets.shape[1]
        none = np.zeros((0, 0))
        return RidgeMap(np.zeros((dim, 0)), np.zeros((size, 0)), PENALTIES[-1], 0.0, none, none)
    mean = np.asarray(targets.mean(axis=0)).ravel()
    projected = np.asarray(left.T @ targets)
    gram = projected @ projected.T
    own = np.asarray(targets @ projected.T) - projected @ mean
    squared = squares(targets) - 2.0 * np.asarray(targets @ mean) + mean @ mean
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
    coordinates = projected @ basis
    scores /= length[probes, None]
    metric = np.zeros((len(kept), len(kept)))
    if corrects_hubs:
        predicted = of_fit[:, None] * ((left * shrink) @ coordinates)
        predicted += of_own[:, None] * (np.asarray(targets @ basis) - mean @ basis)
        metric = _second_moments(predicted / length[:, None])
        scores /= lengths_under(metric, np.asarray(heard @ basis))[None]
    weights = to_left @ (shrink[:, None] * coordinates)
    return RidgeMap(weights, basis, penalty, agreement, scores, metric)


def lengths_under(
    metric: Float[np.ndarray, "r r"], rows: Float[np.ndarray, "row r"]
) -> Float[np.ndarray, " row"]:
    """Length ``√(xᵀ M x)`` of each row under a metric; one where it is zero."""
    squared = _row_products(rows @ metric, rows)
    return np.sqrt(np.where(squared > _SMALL**2, squared, 1.0))


def _second_moments(rows: Float[np.ndarray, "row r"]) -> Float[np.ndarray, "r r"]:
    """The mean of ``x xᵀ``, scaled to a mean eigenvalue of one and shrunk towards the Euclidean metric."""
    moments, identity = rows.T @ rows, np.eye(rows.shape[1])
    eigenvalue = np.trace(moments) / max(len(identity), 1)
    return (moments / max(eigenvalue, _SMALL) + SHRINKAGE * identity) / (1.0 + SHRINKAGE)


def better_map(
    inputs: Float[np.ndarray, "v d"],
    means: int,
    targets: Rows,
    captions: Rows,
    width: int,
    corrects_hubs: bool = True,
) -> RidgeMap:
    """The map of the first inputs, unless that of all ranks the training videos left out clearly better.

    Args:
        inputs, targets, captions, width, corrects_hubs: as `fit_map` takes them.
        means: how many inputs are the first ones.
    """
    first = fit_map(inputs[:, :means], targets, captions, width, corrects_hubs)
    weights = np.zeros((inputs.shape[1], first.weights.shape[1]))
    weights[:means] = first.weights
    first = dataclasses.replace(first, weights=weights)
    if means == inputs.shape[1]:
        return first
    whole = fit_map(inputs, targets, captions, width, corrects_hubs)
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


def squares(rows: Rows) -> Float[np.ndarray, " row"]:
    """The sum of squares of each row."""
    return np.asarray((rows * rows).sum(axis=1)).ravel()


def _row_products(
    one: Float[np.ndarray, "row k"], other: Float[np.ndarray, "row k"]
) -> Float[np.ndarray, " row"]:
    return np.einsum("vk,vk->v", one, other)


def _dense(rows: Any) -> Float[np.ndarray, "row column"]:
    return rows.toarray() if scipy.sparse.issparse(rows) else np.asarray(rows)
