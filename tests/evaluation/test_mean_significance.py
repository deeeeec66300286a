import itertools

import numpy as np
import pytest
import scipy.stats

from mcsan_jax.evaluation.mean_significance import mean_intervals, paired_means
from mcsan_jax.evaluation.significance import bootstrap_intervals, query_values
from mcsan_jax.ranking.ranks import text_to_video_ranks


def answers(seed: int = 0, videos: int = 9, questions: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    first, second = (random.integers(0, 2, questions).astype(float) for _ in range(2))
    return random.integers(0, videos, questions), first, np.maximum(first, second)


def test_intervals_are_those_of_the_bootstrap_of_recalls() -> None:
    random = np.random.default_rng(0)
    videos = random.integers(0, 12, 60)
    ranks = text_to_video_ranks(random.standard_normal((12, 60)).astype(np.float32), videos)
    expected = bootstrap_intervals({"t2v": query_values(ranks, videos)})["t2v"]
    found = mean_intervals(videos, {"R@5": 100 * ranks.hit_probability(5)})
    np.testing.assert_allclose(found["R@5"], expected["R@5"])


def test_the_p_value_is_that_of_all_ways_to_swap_videos() -> None:
    videos, first, second = answers()
    differences = [(second - first)[videos == video].sum() for video in np.unique(videos)]
    sums = np.array(list(itertools.product((1, -1), repeat=9))) @ np.array(differences)
    exact = np.mean(np.abs(sums) >= sum(differences) - 1e-9)
    found = paired_means(videos, first, second, permutations=40_000)
    assert found.p == pytest.approx(exact, abs=0.005)
    assert found.difference == pytest.approx((second - first).mean())


def test_with_a_question_a_video_it_is_the_test_of_scipy() -> None:
    random = np.random.default_rng(3)
    first, second = random.random(60), random.random(60) + 0.1
    found = paired_means(np.arange(60), first, second)

    def mean(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(y - x, axis=axis)

    test = scipy.stats.permutation_test(
        (first, second), mean, permutation_type="samples", n_resamples=10_000, rng=random
    )
    interval = scipy.stats.bootstrap(
        (second - first,), np.mean, method="percentile", n_resamples=2000, rng=random
    ).confidence_interval
    assert found.p == pytest.approx(test.pvalue, abs=0.01)
    assert (found.low, found.high) == pytest.approx(tuple(interval), abs=0.01)


def test_no_difference_is_certain_of_nothing() -> None:
    videos, first, _ = answers()
    same = paired_means(videos, first, first, permutations=200)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_answers_of_one_video_are_not_independent() -> None:
    """A hundred questions about the same video are one observation."""
    first, second = np.zeros(100), np.ones(100)
    assert paired_means(np.zeros(100, int), first, second).p == 1
    assert paired_means(np.arange(100), first, second).p < 0.001
