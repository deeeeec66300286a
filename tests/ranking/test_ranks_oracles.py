"""Ranks and measures against loops over all orders of tied items, and against trec_eval."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from ir_measures import AP, Success, nDCG

from mcsan_jax.ranking.pair_ranks import PairCounter, PairRanks
from mcsan_jax.ranking.ranks import RankCounter, Ranks
from mcsan_jax.ranking.relevance import Matches
from tests.ranking.ranking_problems import Problem, Query, counted, problems

CUTOFFS = (1, 2, 3, 5, 10)


def orders(query: Query) -> Iterator[list[bool]]:
    """All lists that sort the scores, by which places hold a right item; each is as likely as any other."""
    groups = []
    for value in sorted(set(query.scores), reverse=True):
        group = [right for score, right in zip(query.scores, query.right, strict=True) if score == value]
        places = itertools.combinations(range(len(group)), sum(group))
        groups.append([[i in chosen for i in range(len(group))] for chosen in places])
    for order in itertools.product(*groups):
        yield list(itertools.chain(*order))


def first_place(order: list[bool]) -> int:
    return order.index(True) + 1


def average_precision(order: list[bool]) -> float:
    places = [place for place, right in enumerate(order, start=1) if right]
    return sum(found / place for found, place in enumerate(places, start=1)) / len(places)


def ndcg(order: list[bool], k: int) -> float:
    def gain(order: list[bool]) -> float:
        return sum(1 / math.log2(1 + place) for place, right in enumerate(order[:k], start=1) if right)

    return gain(order) / gain(sorted(order, reverse=True))


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def assert_expected(ranks: Ranks, pairs: PairRanks, queries: list[Query]) -> None:
    """Compares with the mean over all orders."""
    lists = [list(orders(query)) for query in queries]
    places = [[first_place(order) for order in one] for one in lists]
    np.testing.assert_allclose(ranks.expected_rank(), [mean(one) for one in places], rtol=1e-12)
    expected = [mean([average_precision(order) for order in one]) for one in lists]
    np.testing.assert_allclose(pairs.average_precision(), expected, rtol=1e-12)
    for k in CUTOFFS:
        hits = [mean([place <= k for place in one]) for one in places]
        np.testing.assert_allclose(ranks.hit_probability(k), hits, atol=1e-9)
        expected = [mean([ndcg(order, k) for order in one]) for one in lists]
        np.testing.assert_allclose(pairs.ndcg(k), expected, atol=1e-12)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(problems())
def test_ties_are_resolved_by_expectation(problem: Problem) -> None:
    ranks = counted(RankCounter(problem.matches), problem.scores)
    pairs = counted(PairCounter(problem.matches), problem.scores)
    assert_expected(ranks.text_to_video(), pairs.text_to_video(), problem.text_queries())
    assert_expected(ranks.video_to_text(), pairs.video_to_text(), problem.video_queries())


def one_video_per_caption(random: np.random.Generator) -> Matches:
    """Uneven numbers of captions; a video without any is likely."""
    return Matches.of_owners(random.integers(0, 30, 80), 30)


def merged_duplicates(random: np.random.Generator) -> Matches:
    """80 captions of 50 wordings."""
    _, wording = np.unique(random.integers(0, 50, 80), return_inverse=True)
    videos, texts = np.unique(np.stack([random.integers(0, 30, 80), wording]), axis=1)
    return Matches(videos, texts, 30, int(wording.max()) + 1)


@pytest.mark.parametrize("make", [one_video_per_caption, merged_duplicates])
@pytest.mark.parametrize("seed", range(4))
def test_without_ties_all_is_as_in_trec_eval(
    make: Callable[[np.random.Generator], Matches], seed: int
) -> None:
    random = np.random.default_rng(seed)
    matches = make(random)
    cells = matches.video_count * matches.text_count
    scores = random.permutation(cells).reshape(matches.video_count, -1).astype(np.float32)
    # Real rankings are right more often than chance.
    scores[matches.videos, matches.texts] += (
        0.4 * cells * random.random(len(matches.videos)).astype(np.float32)
    )
    assert len(np.unique(scores)) == cells
    ranks = counted(RankCounter(matches), scores, 7, 11)
    pairs = counted(PairCounter(matches), scores, 7, 11)
    t2v = by_trec_eval(scores.T, matches.texts, matches.videos)
    assert_equal(t2v, matches.queried_texts, ranks.text_to_video(), pairs.text_to_video())
    v2t = by_trec_eval(scores, matches.videos, matches.texts)
    assert_equal(v2t, matches.queried_videos, ranks.video_to_text(), pairs.video_to_text())


def by_trec_eval(scores: np.ndarray, queries: np.ndarray, items: np.ndarray) -> dict[tuple[str, str], float]:
    """Measures of every query (a row of the scores) that has a right item, by name of the measure and query."""
    right = [ir_measures.Qrel(str(q), str(i), 1) for q, i in zip(queries, items, strict=True)]
    run = [
        ir_measures.ScoredDoc(str(q), str(i), float(scores[q, i]))
        for q in np.unique(queries)
        for i in range(scores.shape[1])
    ]
    measures = [AP, nDCG @ 10, Success @ 1, Success @ 5, Success @ 10]
    found = ir_measures.iter_calc(measures, right, run)
    return {(str(metric.measure), metric.query_id): metric.value for metric in found}


def assert_equal(
    expected: dict[tuple[str, str], float], queries: np.ndarray, ranks: Ranks, pairs: PairRanks
) -> None:
    found = {"AP": pairs.average_precision(), "nDCG@10": pairs.ndcg(10)}
    found |= {f"Success@{k}": ranks.hit_probability(k) for k in (1, 5, 10)}
    assert len(expected) == len(found) * len(queries)
    for measure, values in found.items():
        np.testing.assert_allclose(values, [expected[measure, str(q)] for q in queries], atol=1e-9)


def test_long_tie_groups_far_down_the_list() -> None:
    """Tie groups of up to 60,000 items, behind up to 50,000 others, against the sums of the definition."""
    groups = [(0, 1, 1, 0), (7, 5, 2, 1), (20, 59_800, 20, 3), (50_000, 2, 2, 23), (50_002, 3000, 1, 25)]
    query = np.concatenate([np.full(r, 0) for _, _, r, _ in groups])
    greater = np.concatenate([np.full(r, g) for g, _, r, _ in groups])
    tied = np.concatenate([np.full(r, t) for _, t, r, _ in groups])
    found = PairRanks(query, greater, tied)
    precision, gain = 0.0, 0.0
    for g, t, r, above in groups:
        i = np.arange(1, t + 1)
        others = (i - 1) * (r - 1) / max(t - 1, 1)
        precision += math.fsum(r / t * (above + 1 + others) / (g + i))
        gain += math.fsum((r / t / np.log2(1 + g + i))[: max(10 - g, 0)])
    np.testing.assert_allclose(found.average_precision(), precision / len(query), rtol=1e-9)
    most = math.fsum(1 / np.log2(np.arange(2, 12)))
    np.testing.assert_allclose(found.ndcg(10), gain / most, rtol=1e-12)
