import concurrent.futures
import functools
import itertools
import math
import threading
import types
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsan_jax.ranking.counting import BlockCounter, ScoreDensities
from mcsan_jax.ranking.occurrences import TopAnswers
from mcsan_jax.ranking.pair_ranks import PairCounter
from mcsan_jax.ranking.ranks import Gather, RankCounter, text_to_video_ranks, video_to_text_ranks
from mcsan_jax.ranking.relevance import Matches
from tests.ranking.ranking_problems import Problem, counted, problems


def assert_same(found: object, expected: object) -> None:
    """All arrays of two containers are equal."""
    assert vars(found).keys() == vars(expected).keys()
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(vars(found)[name], values)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(problems(), st.integers(1, 4), st.integers(1, 4))
def test_blocks_count_what_the_whole_counts(problem: Problem, height: int, width: int) -> None:
    for make in (RankCounter, PairCounter):
        whole = counted(make(problem.matches), problem.scores)
        blocks = counted(make(problem.matches), problem.scores, height, width)
        assert_same(blocks.text_to_video(), whole.text_to_video())
        assert_same(blocks.video_to_text(), whole.video_to_text())


def gathers_of(count: int) -> list[Gather]:
    """A way for so many threads to see each other's arrays."""
    given: list[np.ndarray] = [np.zeros(0)] * count
    barrier = threading.Barrier(count, timeout=60)

    def gather(own: int, array: np.ndarray) -> np.ndarray:
        given[own] = array
        barrier.wait()
        stacked = np.stack(given)
        # None may bring the next array before all have seen this one.
        barrier.wait()
        return stacked

    return [functools.partial(gather, own) for own in range(count)]


def all_counts(problem: Problem, captions: Sequence[int], gather: Gather) -> list[object]:
    """What all counters say that were shown some captions, one at a time, and then took over what others saw."""
    videos, texts = problem.scores.shape
    ranks, pairs = RankCounter(problem.matches), PairCounter(problem.matches)
    answers, densities = TopAnswers(3, videos, texts), ScoreDensities(problem.matches)
    counters: tuple[BlockCounter, ...] = (ranks, pairs, answers, densities)
    blocks = [(slice(0, videos), slice(caption, caption + 1)) for caption in captions]
    for block, counter in itertools.product(blocks, counters):
        if counter.has_match(*block):
            counter.see_matches(problem.scores[block], *block)
    for counter in counters:
        counter.share_matches(gather)
    for block, counter in itertools.product(blocks, counters):
        counter.count(problem.scores[block], *block)
    for counter in counters:
        counter.share_counts(gather)
    both = [
        found for each in (ranks, pairs, answers) for found in (each.text_to_video(), each.video_to_text())
    ]
    return [*both, types.SimpleNamespace(**densities.summary())]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems(), st.integers(2, 4))
def test_counters_with_a_share_each_count_what_one_counts(problem: Problem, count: int) -> None:
    """Some have no block, or none with a matched pair."""
    captions = range(problem.scores.shape[1])
    alone = all_counts(problem, captions, lambda array: array[None])
    shares = [captions[own::count] for own in range(count)]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for together in pool.map(all_counts, [problem] * count, shares, gathers_of(count)):
            for found, expected in zip(together, alone, strict=True):
                assert_same(found, expected)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(problems())
def test_only_blocks_with_a_pair_are_needed_first(problem: Problem) -> None:
    counter = RankCounter(problem.matches)
    rows, columns = (slice(0, math.ceil(count / 2)) for count in problem.right.shape)
    assert counter.has_match(rows, columns) == problem.right[rows, columns].any()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems())
def test_both_counters_agree_on_the_best_right_item(problem: Problem) -> None:
    ranks = counted(RankCounter(problem.matches), problem.scores)
    pairs = counted(PairCounter(problem.matches), problem.scores)
    assert_same(pairs.text_to_video().best(), ranks.text_to_video())
    assert_same(pairs.video_to_text().best(), ranks.video_to_text())


@settings(max_examples=30, deadline=None, derandomize=True)
@given(problems())
def test_one_video_per_caption_is_a_case_of_many(problem: Problem) -> None:
    owners = np.argmax(problem.right, axis=0)
    counter = counted(RankCounter(Matches.of_owners(owners, len(problem.scores))), problem.scores)
    assert_same(text_to_video_ranks(problem.scores, owners), counter.text_to_video())
    assert_same(video_to_text_ranks(problem.scores, owners), counter.video_to_text())
    np.testing.assert_array_equal(counter.best_of_text, problem.scores[owners, np.arange(len(owners))])


@pytest.mark.parametrize(("videos", "captions"), [(7, 1), (40, 20), (1000, 3)])
def test_a_constant_matrix_gives_chance(videos: int, captions: int) -> None:
    """T2V: K of N videos. V2T: at least one of the video's captions among K drawn from all."""
    texts = videos * captions
    scores, owners = np.full((videos, texts), 0.1, np.float32), np.repeat(np.arange(videos), captions)
    t2v, v2t = text_to_video_ranks(scores, owners), video_to_text_ranks(scores, owners)
    for k in (1, 5, 7):
        np.testing.assert_allclose(t2v.hit_probability(k), k / videos, atol=1e-10)
        missed = math.comb(texts - captions, k) / math.comb(texts, k)
        np.testing.assert_allclose(v2t.hit_probability(k), 1 - missed, atol=1e-10)
    np.testing.assert_allclose(t2v.expected_rank(), (videos + 1) / 2)
    np.testing.assert_allclose(v2t.expected_rank(), (texts + 1) / (captions + 1))
    assert t2v.tied_fraction() == 1.0
    assert v2t.tied_fraction() == 1.0
    pairs = counted(PairCounter(Matches.of_owners(owners, videos)), scores).text_to_video()
    chance = sum(1 / place for place in range(1, videos + 1)) / videos
    np.testing.assert_allclose(pairs.average_precision(), chance, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")])
def test_a_score_equals_itself_in_any_precision(dtype: np.dtype) -> None:
    """0.1 and 0.3 are not the same number in both precisions; the truth must still tie with itself."""
    scores = np.array([[0.1, 0.3], [0.3, 0.1], [0.2, 0.2]], dtype)
    ranks = text_to_video_ranks(scores, np.array([0, 1]))
    np.testing.assert_array_equal(ranks.expected_rank(), [3, 3])
    np.testing.assert_array_equal(ranks.tied, [1, 1])
    ranks = video_to_text_ranks(scores, np.array([0, 1]))
    np.testing.assert_array_equal(ranks.expected_rank(), [2, 2])
    pairs = counted(PairCounter(Matches.of_owners(np.array([0, 1]), 3)), scores)
    np.testing.assert_array_equal(pairs.text_to_video().tied, [1, 1])
    np.testing.assert_array_equal(pairs.video_to_text().tied, [1, 1])


def test_zero_has_no_sign() -> None:
    scores = np.array([[0.0, -0.0], [-0.0, 0.0]], np.float32)
    pairs = counted(PairCounter(Matches.of_owners(np.array([0, 1]), 2)), scores)
    for ranks in (pairs.text_to_video(), pairs.video_to_text()):
        np.testing.assert_array_equal(ranks.greater, [0, 0])
        np.testing.assert_array_equal(ranks.tied, [2, 2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_raise(value: float) -> None:
    scores = np.zeros((3, 4), np.float32)
    scores[2, 1] = value
    owners = np.array([0, 1, 2, 0])
    for rank in (text_to_video_ranks, video_to_text_ranks):
        with pytest.raises(ValueError, match=f"video 2 and caption 1 is {value}"):
            rank(scores, owners)
    for kind in (RankCounter, PairCounter):
        counter = kind(Matches.of_owners(owners, 3))
        with pytest.raises(ValueError, match="video 2 and caption 1"):
            counter.count(scores[2:, 1:], slice(2, 3), slice(1, 4))


def test_blocks_that_were_left_out_raise() -> None:
    scores, owners = np.zeros((3, 4), np.float32), np.array([0, 1, 2, 0])
    whole = slice(0, 3), slice(0, 4)
    for make in (RankCounter, PairCounter):
        counter = make(Matches.of_owners(owners, 3))
        counter.see_matches(scores, *whole)
        counter.count(scores[:2], slice(0, 2), slice(0, 4))
        with pytest.raises(ValueError, match=r"8 of 12 scores were counted, and 0 of 4 matched pairs"):
            counter.text_to_video()
        counter = make(Matches.of_owners(owners, 3))
        counter.see_matches(scores[:, :3], slice(0, 3), slice(0, 3))
        counter.count(scores, *whole)
        with pytest.raises(ValueError, match=r"12 of 12 scores were counted, and 1 of 4 matched pairs"):
            counter.video_to_text()
