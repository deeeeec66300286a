"""This module measures how well frequent and rare attributes are recognised, by average precision over videos."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.errors import InputError

FREQUENCIES = ("frequent", "medium", "rare")

_AT_A_TIME = 64
"""Attributes that are ranked together; few enough for their arrays to stay in the cache."""


@dataclasses.dataclass(frozen=True)
class AttributePrecisions:
    """It holds the average precision of the attributes that some video of the split has.

    Attributes:
        ids: place of each attribute in the vocabulary, ascending.
        precisions: average precision of each, in 0..1.
        chances: share of the videos that have it: what a constant probability gets for large splits.
    """

    ids: Int[np.ndarray, " kept"]
    precisions: Float[np.ndarray, " kept"]
    chances: Float[np.ndarray, " kept"]


def average_precisions(
    probabilities: Float[np.ndarray, "v a"], labels: Bool[np.ndarray, "v a"]
) -> AttributePrecisions:
    """Returns the average precision of every attribute that some video has.

    Average precision is the mean, over the videos that have the attribute, of the share of such videos among all down
    to that one. Videos of the same probability count by expectation over all their orders, as ranks do elsewhere
    (scikit-learn puts the whole tie group at its end instead). At place p of the ranking, j-th in a group of t videos
    of which r have the attribute, with R that have it above the group, the expected summand is
    ``r/t · (R + 1 + (j−1)(r−1)/(t−1)) / p``.

    Args:
        probabilities: of each attribute for each video; anything that grows with it does as well.
        labels: whether the video has the attribute.

    Raises:
        InputError: a probability is not finite.
    """
    if not np.all(np.isfinite(probabilities)):
        video, attribute = (int(i[0]) for i in np.nonzero(~np.isfinite(probabilities)))
        raise InputError(
            f"the probability of attribute {attribute} for video {video} is {probabilities[video, attribute]}; "
            "expected finite numbers: the checkpoint is damaged or its training diverged, evaluate an earlier one"
        )
    ids = np.nonzero(labels.any(axis=0))[0]
    precisions = np.zeros(len(ids))
    for start in range(0, len(ids), _AT_A_TIME):
        some = ids[start : start + _AT_A_TIME]
        columns = (np.ascontiguousarray(array[:, some].T) for array in (probabilities, labels))
        precisions[start : start + _AT_A_TIME] = _of_rows(*columns)
    return AttributePrecisions(ids, precisions, labels[:, ids].mean(axis=0))


def _of_rows(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the average precision of each row [a, v]; every row has a positive."""
    order = np.argsort(-values, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    labels = np.take_along_axis(labels, order, axis=1)
    rows, count = values.shape
    places = np.arange(1, count + 1)
    # A group begins where the value changes; positions run through all rows, and every row begins a group.
    begins = np.ones((rows, count), bool)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    starts = np.nonzero(begins.ravel())[0]
    sizes = np.diff(starts, append=rows * count)
    group = np.cumsum(begins.ravel()) - 1
    positive = np.add.reduceat(labels.ravel().astype(np.int64), starts)
    seen = np.cumsum(labels, axis=1, dtype=np.int64).ravel()
    above = seen[starts] - labels.ravel()[starts]
    inside = np.arange(rows * count) - starts[group]
    slope = (positive - 1) / np.maximum(sizes - 1, 1)
    expected = (positive / sizes)[group] * (above[group] + 1 + inside * slope[group])
    return np.sum(expected.reshape(rows, count) / places, axis=1) / labels.sum(axis=1)


def by_frequency(
    precisions: AttributePrecisions, training_counts: Sequence[int]
) -> dict[str, dict[str, int | float]]:
    """Returns the mean average precision of the frequent, the medium and the rare third of a vocabulary.

    Args:
        precisions: of the attributes that the split has.
        training_counts: for every attribute of the vocabulary, how many training videos have it. The vocabulary is
            ordered by it and cut into three parts of equal size (to within one); equal counts keep their order.

    Returns:
        For each of `FREQUENCIES`, ``count`` (attributes that the split has), ``mAP`` in percent and ``chance`` (mean
        share of the videos that have an attribute) in percent; a third without such attributes is left out.

    Raises:
        InputError: the split has attributes beyond the vocabulary.
    """
    if np.any(precisions.ids >= len(training_counts)):
        raise InputError(
            f"attribute {precisions.ids.max()} is not in the vocabulary of {len(training_counts)} attributes; use the "
            "prepared data with which the run was trained"
        )
    order = np.argsort(-np.asarray(training_counts, np.int64), kind="stable")
    thirds: dict[str, dict[str, int | float]] = {}
    for name, members in zip(FREQUENCIES, np.array_split(order, len(FREQUENCIES)), strict=True):
        chosen = np.isin(precisions.ids, members)
        if chosen.any():
            thirds[name] = {
                "count": int(chosen.sum()),
                "mAP": 100.0 * float(precisions.precisions[chosen].mean()),
                "chance": 100.0 * float(precisions.chances[chosen].mean()),
            }
    return thirds
