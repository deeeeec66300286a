"""This module tells how sure the mean of answers is, and whether two runs differ in it; videos are resampled whole.

It is `significance` for means of one kind of answers, such as those to foils, of which a video has several. The sources
are the same.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from mcsan_jax.evaluation.significance import chunks_of, percentile_interval

_ROUNDING = 1e-9
"""Sums of differences below this are rounding."""


@dataclasses.dataclass(frozen=True)
class MeanDifference:
    """It is how far the mean of a run is from that of another on the same questions.

    Attributes:
        difference: ``second − first``.
        low, high: the percentile interval of it.
        p: of Fisher's randomisation test, two-sided.
    """

    difference: float
    low: float
    high: float
    p: float


def mean_intervals(
    videos: Int[np.ndarray, " q"],
    values: Mapping[str, Float[np.ndarray, " q"]],
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Returns percentile intervals of the means of values, by a bootstrap over videos.

    Args:
        videos: the video of each value.
        values: columns of values by name; a resample takes the same videos for all of them.
        resamples, confidence, seed: as in `significance.bootstrap_intervals`.
    """
    columns = np.stack(list(values.values()), axis=1)
    means = _resampled_means(_sums_by_video(videos, columns), resamples, np.random.default_rng(seed))
    return {
        name: percentile_interval(column, confidence) for name, column in zip(values, means.T, strict=True)
    }


def paired_means(
    videos: Int[np.ndarray, " q"],
    first: Float[np.ndarray, " q"],
    second: Float[np.ndarray, " q"],
    resamples: int = 2000,
    permutations: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> MeanDifference:
    """Returns the difference of two runs' means, its interval by a paired bootstrap, and whether it can be chance.

    Args:
        videos: the video of each question.
        first, second: what the answer of each run to it is worth.
        resamples, confidence, seed: as in `significance.paired_intervals`.
        permutations: each swaps the answers of both runs on every video with probability 1/2; p is as in
            `significance.randomisation_test`.
    """
    sums = _sums_by_video(videos, (second - first)[:, None])
    rng = np.random.default_rng(seed)
    low, high = percentile_interval(_resampled_means(sums, resamples, rng)[:, 0], confidence)
    differences = sums[:, 1]
    reached = 0
    for size in chunks_of(permutations):
        signs = 1 - 2 * rng.integers(0, 2, (size, len(differences)))
        reached += int(np.sum(np.abs(signs @ differences) >= abs(differences.sum()) - _ROUNDING))
    return MeanDifference(
        float(differences.sum() / len(videos)), low, high, (1 + reached) / (1 + permutations)
    )


def _sums_by_video(
    videos: Int[np.ndarray, " q"], columns: Float[np.ndarray, "q c"]
) -> Float[np.ndarray, "v columns"]:
    """Returns the number of values of each video, and the sum of each column."""
    names, of_value = np.unique(videos, return_inverse=True)
    sums = np.zeros((len(names), 1 + columns.shape[1]))
    np.add.at(sums, of_value, np.concatenate([np.ones((len(videos), 1)), columns], axis=1))
    return sums


def _resampled_means(
    sums: Float[np.ndarray, "v columns"], resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, "n c"]:
    """Returns the mean of each column when as many videos as there are, are drawn with replacement."""
    chance = np.full(len(sums), 1 / len(sums))
    drawn = np.concatenate([rng.multinomial(len(sums), chance, size) @ sums for size in chunks_of(resamples)])
    return drawn[:, 1:] / drawn[:, :1]
