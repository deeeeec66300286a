import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mcsan_jax.evaluation.significance import (
    RSUM,
    QueryValues,
    bootstrap_intervals,
    holm,
    metrics_of,
    paired_intervals,
    query_values,
    randomisation_test,
    weighted_medians,
)
from mcsan_jax.ranking.metrics import recall_sum, retrieval_metrics
from mcsan_jax.ranking.ranks import Ranks

Places = dict[str, tuple[np.ndarray, np.ndarray]]
"""By direction: wrong items above the right one, and the video, of each query."""


def values_of(places: Places) -> dict[str, QueryValues]:
    return {
        direction: query_values(
            Ranks(greater, np.ones_like(greater), np.ones_like(greater)),
            videos,
            1 / (greater + 1),
            1 / np.log2(greater + 2),
        )
        for direction, (greater, videos) in places.items()
    }


def random_places(rng: np.random.Generator, videos: int = 40, captions: int = 3) -> Places:
    """Ranks that are alike within a video."""
    easy = rng.normal(1.0, 1.0, videos)
    owners = {"t2v": np.repeat(np.arange(videos), captions), "v2t": np.arange(videos)}
    return {
        direction: (np.exp(easy[of] + 0.5 * rng.normal(size=len(of))).astype(np.int64), of)
        for direction, of in owners.items()
    }


def plain_metrics(places: Places, drawn: list[int]) -> dict[tuple[str, str], float]:
    """Metrics of a list of videos, some of them several times, by putting their queries together one by one."""
    found: dict[tuple[str, str], float] = {}
    metrics = {}
    for direction, (greater, videos) in places.items():
        of_drawn = np.concatenate([greater[videos == video] for video in drawn])
        ones = np.ones_like(of_drawn)
        metrics[direction] = retrieval_metrics(Ranks(of_drawn, ones, ones))
        metrics[direction]["mAP"] = 100.0 * float(np.mean(1 / (of_drawn + 1)))
        metrics[direction]["nDCG@10"] = 100.0 * float(np.mean(1 / np.log2(of_drawn + 2)))
        del metrics[direction]["tied_fraction"]
        found |= {(direction, name): value for name, value in metrics[direction].items()}
    found[RSUM] = recall_sum(metrics["t2v"], metrics["v2t"])
    return found


def test_the_metrics_are_those_of_the_table() -> None:
    places = random_places(np.random.default_rng(0))
    assert metrics_of(values_of(places)) == pytest.approx(plain_metrics(places, list(range(40))))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_weighted_median_of_repeated_values(data: st.DataObject) -> None:
    count, groups = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 6))
    values = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    owners = data.draw(st.lists(st.integers(0, groups - 1), min_size=count, max_size=count))
    weights = data.draw(st.lists(st.integers(0, 3), min_size=groups, max_size=groups))
    found = weighted_medians(np.array(values) / 2, np.array(owners), np.array([weights, [1] * groups], float))
    repeated = np.repeat(np.array(values) / 2, np.array(weights)[owners])
    expected = np.median(repeated) if len(repeated) else np.nan
    np.testing.assert_array_equal(found, [expected, np.median(np.array(values) / 2)])


def test_weighted_medians_of_many_values() -> None:
    rng = np.random.default_rng(1)
    values, owners = rng.integers(0, 500, 3001) / 2, rng.integers(0, 70, 3001)
    weights = rng.multinomial(70, np.full(70, 1 / 70), 20).astype(float)
    expected = [np.median(np.repeat(values, of_group[owners].astype(int))) for of_group in weights]
    np.testing.assert_array_equal(weighted_medians(values, owners, weights), expected)


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    """Two bootstraps of different draws: ends of intervals agree to a fraction of their width."""
    places = random_places(np.random.default_rng(2))
    found = bootstrap_intervals(values_of(places), resamples=4000)
    rng = np.random.default_rng(3)
    drawn = [plain_metrics(places, rng.integers(0, 40, 40).tolist()) for _ in range(400)]
    assert found.keys() == {"t2v", "v2t", "rsum"}
    for key in drawn[0]:
        low, high = found["rsum"] if key == RSUM else found[key[0]][key[1]]
        expected = np.quantile([metrics[key] for metrics in drawn], [0.025, 0.975])
        np.testing.assert_allclose([low, high], expected, atol=0.2 * (high - low) + 1e-9, err_msg=str(key))


def test_paired_intervals_are_those_of_a_plain_paired_bootstrap() -> None:
    rng = np.random.default_rng(4)
    first = random_places(rng)
    second = {
        direction: (np.maximum(greater - rng.integers(0, 3, len(greater)), 0), of)
        for direction, (greater, of) in first.items()
    }
    found = paired_intervals(values_of(first), values_of(second), resamples=4000)
    differences = []
    for _ in range(400):
        videos = rng.integers(0, 40, 40).tolist()
        one, other = plain_metrics(first, videos), plain_metrics(second, videos)
        differences.append({key: other[key] - one[key] for key in one})
    for key, (low, high) in found.items():
        expected = np.quantile([of_draw[key] for of_draw in differences], [0.025, 0.975])
        np.testing.assert_allclose([low, high], expected, atol=0.2 * (high - low) + 1e-9, err_msg=str(key))
    unpaired = bootstrap_intervals(values_of(second))["rsum"]
    assert found[RSUM][1] - found[RSUM][0] < 0.7 * (unpaired[1] - unpaired[0])


def test_intervals_cover_the_truth_because_videos_are_drawn() -> None:
    """Of 200 samples from a known population, about 95 % of the intervals hold the true R@1 of 40 %.

    Intervals that take the ten captions of a video for independent hold it far too seldom.
    """
    rng = np.random.default_rng(5)
    videos, captions = 60, 10
    owners = np.repeat(np.arange(videos), captions)
    covered: dict[str, list[bool]] = {"videos": [], "captions": []}
    for sample in range(200):
        easy = rng.beta(0.8, 1.2, videos)
        misses = (rng.random(len(owners)) > easy[owners]).astype(np.int64)
        clusters = {"videos": owners} | ({"captions": np.arange(len(owners))} if sample < 50 else {})
        for name, of in clusters.items():
            low, high = bootstrap_intervals(values_of({"t2v": (misses, of)}), 200)["t2v"]["R@1"]
            covered[name].append(low <= 40.0 <= high)
    assert 0.89 <= np.mean(covered["videos"]) <= 0.99
    assert np.mean(covered["captions"]) < 0.75


def test_confidence_and_seed() -> None:
    values = values_of(random_places(np.random.default_rng(6)))
    wide, narrow = (bootstrap_intervals(values, 300, confidence)["rsum"] for confidence in (0.95, 0.5))
    assert wide[0] < narrow[0] < metrics_of(values)[RSUM] < narrow[1] < wide[1]
    assert bootstrap_intervals(values, 300) == bootstrap_intervals(values, 300)
    assert bootstrap_intervals(values, 300) != bootstrap_intervals(values, 300, seed=1)


def test_numbers_of_videos_without_queries_do_not_matter() -> None:
    places = random_places(np.random.default_rng(7))
    gaps = {direction: (greater, 5 + 3 * of) for direction, (greater, of) in places.items()}
    assert bootstrap_intervals(values_of(places), 50) == bootstrap_intervals(values_of(gaps), 50)


def test_a_draw_may_miss_all_queries_of_a_direction() -> None:
    """One video of two has captions that ask for it; both are asked with."""
    places = {"t2v": (np.array([3, 3]), np.array([0, 0])), "v2t": (np.array([1, 2]), np.array([0, 1]))}
    intervals = bootstrap_intervals(values_of(places), 200)
    assert intervals["t2v"]["MedR"] == intervals["t2v"]["MnR"] == [4.0, 4.0]
    assert intervals["v2t"]["MnR"] == [2.0, 3.0]


def test_p_values_are_those_of_all_permutations() -> None:
    rng = np.random.default_rng(8)
    first, second = random_places(rng, videos=7, captions=2), random_places(rng, videos=7, captions=2)
    differences = []
    for swaps in itertools.product([False, True], repeat=7):
        sides: tuple[Places, Places] = ({}, {})
        for direction, (one, of) in first.items():
            other, swapped = second[direction][0], np.array(swaps)[of]
            sides[0][direction] = np.where(swapped, other, one), of
            sides[1][direction] = np.where(swapped, one, other), of
        metrics = [plain_metrics(side, list(range(7))) for side in sides]
        differences.append({key: abs(metrics[1][key] - metrics[0][key]) for key in metrics[0]})
    found = randomisation_test(values_of(first), values_of(second), permutations=20_000)
    assert found.keys() == differences[0].keys()
    for key, p in found.items():
        exact = np.mean([of_swap[key] >= differences[0][key] - 1e-9 for of_swap in differences])
        assert p == pytest.approx(exact, abs=0.015), key


def test_scipy_finds_the_same_where_there_is_one_query_a_video() -> None:
    """The mean rank of 12 videos, all of whose permutations scipy goes through."""
    rng = np.random.default_rng(11)
    videos = np.arange(12)
    one = rng.integers(0, 12, 12)
    other = np.maximum(one - rng.integers(-1, 4, 12), 0)
    single = np.ones(12, np.int64)
    first, second = (
        {"v2t": query_values(Ranks(greater, single, single), videos)} for greater in (one, other)
    )

    def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(y, axis=axis) - np.mean(x, axis=axis)

    exact = stats.permutation_test((one, other), difference, permutation_type="samples", n_resamples=np.inf)
    found = randomisation_test(first, second, permutations=20_000)["v2t", "MnR"]
    assert 0.005 < exact.pvalue < 0.5
    assert found == pytest.approx(exact.pvalue, abs=0.012)
    theirs = stats.bootstrap(
        (one, other),
        difference,
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    ours = paired_intervals(first, second, resamples=20_000)["v2t", "MnR"]
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.1)


def test_p_values_are_uniform_where_runs_do_not_differ() -> None:
    rng = np.random.default_rng(9)
    p = []
    for _ in range(200):
        easy = rng.normal(2.0, 1.0, 30)
        owners = np.repeat(np.arange(30), 2)
        first, second = (
            values_of({"t2v": (np.exp(easy[owners] + rng.normal(size=60)).astype(np.int64), owners)})
            for _ in range(2)
        )
        p.append(randomisation_test(first, second, 99)["t2v", "MnR"])
    for level in (0.05, 0.25, 0.5, 0.75):
        spread = np.sqrt(level * (1 - level) / len(p))
        assert abs(np.mean(np.array(p) <= level) - level) < 3 * spread
    assert min(p) >= 1 / 100


def test_runs_that_are_the_same_and_runs_that_differ() -> None:
    places = random_places(np.random.default_rng(10))
    worse = {direction: (greater + 5, of) for direction, (greater, of) in places.items()}
    same, other = values_of(places), values_of(worse)
    assert set(randomisation_test(same, same, 50).values()) == {1.0}
    assert set(paired_intervals(same, same, 50).values()) == {(0.0, 0.0)}
    p = randomisation_test(same, other, 199)
    assert p[RSUM] == p["t2v", "MnR"] == p["v2t", "MedR"] == 1 / 200
    assert paired_intervals(same, other, 200)["t2v", "MnR"] == pytest.approx((5.0, 5.0))
    assert paired_intervals(same, other, 200)[RSUM][1] < 0


def test_holm_by_hand() -> None:
    p = {("t2v", "R@1"): 0.01, ("t2v", "R@5"): 0.04, ("t2v", "R@10"): 0.03, ("v2t", "R@1"): 0.005}
    expected = {("t2v", "R@1"): 0.03, ("t2v", "R@5"): 0.06, ("t2v", "R@10"): 0.06, ("v2t", "R@1"): 0.02}
    assert holm(p) == pytest.approx(expected)
    assert list(holm(p)) == list(p)
    assert holm({RSUM: 0.7, ("t2v", "R@1"): 0.6}) == {RSUM: 1.0, ("t2v", "R@1"): 1.0}


def test_runs_on_other_queries_raise() -> None:
    values = values_of(random_places(np.random.default_rng(11)))
    fewer = values_of(random_places(np.random.default_rng(11), videos=39))
    with pytest.raises(ValueError, match="t2v: the runs have other queries"):
        paired_intervals(values, fewer)
    with pytest.raises(ValueError, match="directions of the runs differ"):
        randomisation_test(values, {"t2v": values["t2v"]})
