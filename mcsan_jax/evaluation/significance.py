"""This module tells how sure a figure is, and whether two runs differ, though captions of a video are dependent.

Everything is resampled by whole videos: a video brings all its queries of both directions with it, so that Rsum has an
interval too. The gallery stays as it is. Sources: the bootstrap and its percentile interval, Efron (1979) and Efron
and Tibshirani (1993, ch. 13); by clusters, Davison and Hinkley (1997, ch. 3.8) and Field and Welsh (2007); the
randomisation test of two retrieval systems, Fisher (1935) and Smucker, Allan and Carterette (CIKM 2007); p-values of
drawn permutations, Phipson and Smyth (2010); several metrics, Holm (1979).

`scipy.stats` has a bootstrap and a permutation test, with which tests compare where there is one query a video. They
are not used here because they hand a statistic whole resamples: here a resample is one row of counts, a thousand rows
are one product of matrices, and all metrics of both directions are of the same draws. It has no correction by Holm.
"""

import dataclasses
import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int, Num

from mcsan_jax.ranking.ranks import Ranks

Key = tuple[str, str]
"""A direction and a metric, such as ("t2v", "R@1"); Rsum is ``("", "rsum")``."""

Name = TypeVar("Name", bound=Hashable)
"""What a p-value is of."""

RSUM: Key = ("", "rsum")
RECALLS = (1, 5, 10, 50)
_IN_RSUM = ("R@1", "R@5", "R@10")
_CHUNK = 1000
_ROUNDING = 1e-9
"""Differences of percentages below this are rounding."""


@dataclasses.dataclass(frozen=True)
class QueryValues:
    """They are what the queries of one direction are worth.

    Attributes:
        videos: index of each query's video [q].
        means: metrics that are a mean over the queries, R@1, R@5 and R@10 among them: for each, the value of every
            query [q].
        ranks: expected ranks [q], for the median.
    """

    videos: Int[np.ndarray, " q"]
    means: Mapping[str, Float[np.ndarray, " q"]]
    ranks: Float[np.ndarray, " q"]


Directions = Mapping[str, QueryValues]
"""Values by direction ("t2v", "v2t"); indices of videos mean the same in both."""


def query_values(
    ranks: Ranks,
    videos: Int[np.ndarray, " q"],
    average_precision: Float[np.ndarray, " q"] | None = None,
    ndcg10: Float[np.ndarray, " q"] | None = None,
) -> QueryValues:
    """Returns the values of each query: R@1, R@5, R@10, R@50, mAP and nDCG@10 in percent, and MnR.

    Average precision and nDCG@10 are given as shares, from 0 to 1, or left out.
    """
    means = {f"R@{k}": 100.0 * ranks.hit_probability(k) for k in RECALLS}
    means["MnR"] = ranks.expected_rank()
    for name, shares in (("mAP", average_precision), ("nDCG@10", ndcg10)):
        if shares is not None:
            means[name] = 100.0 * np.asarray(shares, np.float64)
    return QueryValues(np.asarray(videos), means, means["MnR"])


def metrics_of(directions: Directions) -> dict[Key, float]:
    """Returns the metrics themselves: `QueryValues.means`, MedR and gmean of each direction, and Rsum."""
    directions, videos = _numbered(directions)
    return {key: float(values[0]) for key, values in _estimates(directions, np.ones((1, videos))).items()}


def bootstrap_intervals(
    directions: Directions, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> dict[str, Any]:
    """Returns percentile intervals by a bootstrap over videos.

    Args:
        directions: values of both directions, or of one (then without Rsum).
        resamples: how often as many videos as there are, are drawn with replacement.
        confidence: share of the resamples that an interval holds.
        seed: of the draws.

    Returns:
        for every direction, ``{metric: [low, high]}``, and ``rsum``.
    """
    drawn = _bootstrap(directions, resamples, seed)
    intervals: dict[str, Any] = {direction: {} for direction in directions}
    for key, values in drawn.items():
        interval = list(percentile_interval(values, confidence))
        if key == RSUM:
            intervals["rsum"] = interval
        else:
            intervals[key[0]][key[1]] = interval
    return intervals


def paired_intervals(
    first: Directions, second: Directions, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> dict[Key, tuple[float, float]]:
    """Returns percentile intervals of ``second − first``; every resample takes the same videos of both runs.

    Raises:
        ValueError: the runs have other queries, directions or metrics.
    """
    _check_paired(first, second)
    one, other = (_bootstrap(directions, resamples, seed) for directions in (first, second))
    return {key: percentile_interval(other[key] - one[key], confidence) for key in one}


def paired_rsum(first: Directions, second: Directions) -> tuple[float, tuple[float, float]]:
    """Rsum of ``second − first``, and its interval by `paired_intervals`."""
    difference = metrics_of(second)[RSUM] - metrics_of(first)[RSUM]
    return difference, paired_intervals(first, second)[RSUM]


def randomisation_test(
    first: Directions, second: Directions, permutations: int = 10_000, seed: int = 0
) -> dict[Key, float]:
    """Returns two-sided p-values of "the runs do not differ", by swapping the runs' results on whole videos.

    Under that hypothesis it is chance which run got which result on a video. Each permutation swaps every video with
    probability 1/2; p is the share of permutations, the observed one among them, whose difference is at least as far
    from zero as the observed one.

    Raises:
        ValueError: the runs have other queries, directions or metrics.
    """
    _check_paired(first, second)
    (first, videos), (second, _) = _numbered(first), _numbered(second)
    both = {direction: _joined(first[direction], second[direction], videos) for direction in first}
    observed = _differences(both, np.zeros((1, videos)))
    reached = dict.fromkeys(observed, 0)
    rng = np.random.default_rng(seed)
    for size in chunks_of(permutations):
        for key, values in _differences(both, rng.integers(0, 2, (size, videos)).astype(float)).items():
            reached[key] += int(np.sum(np.abs(values) >= np.abs(observed[key]) - _ROUNDING))
    return {key: (1 + times) / (1 + permutations) for key, times in reached.items()}


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Corrects p-values for their number, step down: to reject those below α errs anywhere with probability ≤ α."""
    adjusted: dict[Name, float] = {}
    largest = 0.0
    for i, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - i) * p))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}


def weighted_medians(
    values: Num[np.ndarray, " q"], groups: Int[np.ndarray, " q"], weights: Num[np.ndarray, "n groups"]
) -> Float[np.ndarray, " n"]:
    """Returns the medians of `values` when each is repeated as often as its group weighs.

    The sorted values are cut into bins. Weights of whole bins, a small product of matrices, tell in which bin the
    median lies; only its members are then weighed one by one.

    Args:
        values: to take the median of [q].
        groups: index of each value's group [q].
        weights: whole numbers, how often each group counts [n, groups].

    Returns:
        one median per row of weights [n], the mean of the two middle values of an even number; NaN for no value.
    """
    order = np.argsort(values, kind="stable")
    values, groups = np.asarray(values, np.float64)[order], groups[order]
    width = max(1, round(4 * np.sqrt(len(values))))
    bins = -(-len(values) // width)
    members = np.zeros((weights.shape[1], bins))
    np.add.at(members, (groups, np.arange(len(values)) // width), 1.0)
    weights_to_end = np.cumsum(weights @ members, axis=1)
    total = weights_to_end[:, -1]
    padding = bins * width - len(values)
    values = np.concatenate([values, np.full(padding, np.nan)])
    table = np.concatenate([groups, np.zeros(padding, groups.dtype)]).reshape(bins, width)

    def of_place(place: np.ndarray) -> np.ndarray:
        """Returns the value at a place, counted from 1, of each row's repeated values."""
        found = np.sum(weights_to_end < place[:, None], axis=1)
        before = np.where(found > 0, np.take_along_axis(weights_to_end, found[:, None] - 1, 1)[:, 0], 0.0)
        inside = np.cumsum(np.take_along_axis(weights, table[found], axis=1), axis=1)
        return values[found * width + np.sum(inside < (place - before)[:, None], axis=1)]

    medians = np.full(len(weights), np.nan)
    some = np.flatnonzero(total > 0)
    weights, weights_to_end, total = weights[some], weights_to_end[some], total[some]
    lower, upper = (total + 1) // 2, total // 2 + 1
    medians[some] = (of_place(lower) + of_place(upper)) / 2
    return medians


def _numbered(directions: Directions) -> tuple[Directions, int]:
    """Numbers the videos that have a query from 0, and counts them; others are not resampled."""
    videos = np.unique(np.concatenate([queries.videos for queries in directions.values()]))
    numbered = {
        direction: dataclasses.replace(queries, videos=np.searchsorted(videos, queries.videos))
        for direction, queries in directions.items()
    }
    return numbered, len(videos)


def chunks_of(total: int) -> Iterator[int]:
    """Yields sizes that sum to `total`, each so small that its draws fit into the memory."""
    for start in range(0, total, _CHUNK):
        yield min(_CHUNK, total - start)


def _estimates(directions: Directions, weights: np.ndarray) -> dict[Key, np.ndarray]:
    """Returns the metrics [n] when the queries of each video count as often as `weights` [n, v] says."""
    found: dict[Key, np.ndarray] = {}
    for direction, queries in directions.items():
        totals = np.zeros((weights.shape[1], 1 + len(queries.means)))
        np.add.at(totals, queries.videos, np.stack([np.ones(len(queries.ranks)), *queries.means.values()], 1))
        sums = weights @ totals
        # A draw may leave no query of a direction where not every video has one.
        means = np.divide(sums[:, 1:], sums[:, :1], np.full_like(sums[:, 1:], np.nan), where=sums[:, :1] > 0)
        of_direction = dict(zip(queries.means, means.T, strict=True))
        of_direction["MedR"] = weighted_medians(queries.ranks, queries.videos, weights)
        of_direction["gmean"] = np.cbrt(math.prod(of_direction[name] for name in _IN_RSUM))
        found |= {(direction, name): values for name, values in of_direction.items()}
    if len(directions) > 1:
        recalls = [found[direction, name] for direction in directions for name in _IN_RSUM]
        found[RSUM] = np.sum(recalls, axis=0)
    return found


def _bootstrap(directions: Directions, resamples: int, seed: int) -> dict[Key, np.ndarray]:
    directions, videos = _numbered(directions)
    rng = np.random.default_rng(seed)
    drawn = [
        _estimates(directions, rng.multinomial(videos, np.full(videos, 1 / videos), size).astype(float))
        for size in chunks_of(resamples)
    ]
    return {key: np.concatenate([chunk[key] for chunk in drawn]) for key in drawn[0]}


def percentile_interval(drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    """Returns the ends of the interval that holds the middle share `confidence` of what was drawn."""
    low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _joined(first: QueryValues, second: QueryValues, videos: int) -> QueryValues:
    """Joins both runs' queries; those of the second belong to videos of their own, numbered after the first's."""
    return QueryValues(
        np.concatenate([first.videos, second.videos + videos]),
        {name: np.concatenate([first.means[name], second.means[name]]) for name in first.means},
        np.concatenate([first.ranks, second.ranks]),
    )


def _differences(both: Directions, swapped: np.ndarray) -> dict[Key, np.ndarray]:
    """Returns second minus first run [n], after the videos marked by 1 in `swapped` [n, v] changed sides."""
    first = _estimates(both, np.concatenate([1 - swapped, swapped], axis=1))
    second = _estimates(both, np.concatenate([swapped, 1 - swapped], axis=1))
    return {key: second[key] - first[key] for key in first}


def _check_paired(first: Directions, second: Directions) -> None:
    if list(first) != list(second):
        raise ValueError(f"directions of the runs differ: {list(first)} and {list(second)}")
    for direction in first:
        one, other = first[direction], second[direction]
        if not np.array_equal(one.videos, other.videos) or list(one.means) != list(other.means):
            raise ValueError(f"{direction}: the runs have other queries, or other metrics")
