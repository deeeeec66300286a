import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsan_jax.evaluation.metrics import recall_sum, retrieval_metrics
from mcsan_jax.evaluation.ranking import RankCounter, Ranks, text_to_video_ranks, video_to_text_ranks

CUTOFFS = (1, 2, 3, 5, 10)


def by_all_orders(scores: np.ndarray, right: np.ndarray) -> tuple[float, dict[int, float]]:
    """Mean place of the first right item and chance of a hit, over every order of the items that sorts the scores.

    Orders inside a tie group are independent, so only those of the group of the best right item are gone through.
    """
    best = max(score for score, is_right in zip(scores, right, strict=True) if is_right)
    above = sum(score > best for score in scores)
    group = [bool(is_right) for score, is_right in zip(scores, right, strict=True) if score == best]
    places = [above + 1 + order.index(True) for order in itertools.permutations(group)]
    return sum(places) / len(places), {k: sum(place <= k for place in places) / len(places) for k in CUTOFFS}


def assert_exact(ranks: Ranks, queries: list[tuple[np.ndarray, np.ndarray]]) -> None:
    expected = [by_all_orders(*query) for query in queries]
    np.testing.assert_allclose(ranks.expected_rank(), [rank for rank, _ in expected], rtol=1e-12)
    for k in CUTOFFS:
        np.testing.assert_allclose(ranks.hit_probability(k), [hits[k] for _, hits in expected], atol=1e-9)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A score matrix of few different values and each caption's video; some videos may have no caption."""
    videos, texts = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    values = draw(st.lists(st.integers(-1, 1), min_size=videos * texts, max_size=videos * texts))
    owners = draw(st.lists(st.integers(0, videos - 1), min_size=texts, max_size=texts))
    return np.array(values, np.float32).reshape(videos, texts), np.array(owners)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(problems())
def test_ties_are_resolved_by_expectation(problem: tuple[np.ndarray, np.ndarray]) -> None:
    scores, owners = problem
    videos = np.arange(len(scores))
    queries = [(scores[:, t], videos == owner) for t, owner in enumerate(owners)]
    assert_exact(text_to_video_ranks(scores, owners), queries)
    queries = [(scores[v], owners == v) for v in videos if np.any(owners == v)]
    assert_exact(video_to_text_ranks(scores, owners), queries)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems(), st.integers(1, 4), st.integers(1, 4))
def test_blocks_count_what_the_whole_counts(
    problem: tuple[np.ndarray, np.ndarray], height: int, width: int
) -> None:
    scores, owners = problem
    blocks = [
        (slice(i, min(i + height, scores.shape[0])), slice(j, min(j + width, scores.shape[1])))
        for i in range(0, scores.shape[0], height)
        for j in range(0, scores.shape[1], width)
    ]
    counter = RankCounter(owners, len(scores))
    for block in blocks:
        matched = any(block[0].start <= owner < block[0].stop for owner in owners[block[1]])
        assert counter.has_match(*block) == matched
        if matched:
            counter.see_matches(scores[block], *block)
    for block in blocks:
        counter.count(scores[block], *block)
    pairs = (
        (counter.text_to_video(), text_to_video_ranks(scores, owners)),
        (counter.video_to_text(), video_to_text_ranks(scores, owners)),
    )
    for found, expected in pairs:
        np.testing.assert_array_equal(found.greater, expected.greater)
        np.testing.assert_array_equal(found.tied, expected.tied)
        np.testing.assert_array_equal(found.relevant, expected.relevant)


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


@pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")])
def test_a_score_equals_itself_in_any_precision(dtype: np.dtype) -> None:
    """0.1 and 0.3 are not the same number in both precisions; the truth must still tie with itself."""
    scores = np.array([[0.1, 0.3], [0.3, 0.1], [0.2, 0.2]], dtype)
    ranks = text_to_video_ranks(scores, np.array([0, 1]))
    np.testing.assert_array_equal(ranks.expected_rank(), [3, 3])
    np.testing.assert_array_equal(ranks.tied, [1, 1])
    ranks = video_to_text_ranks(scores, np.array([0, 1]))
    np.testing.assert_array_equal(ranks.expected_rank(), [2, 2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_raise(value: float) -> None:
    scores = np.zeros((3, 4), np.float32)
    scores[2, 1] = value
    owners = np.array([0, 1, 2, 0])
    for rank in (text_to_video_ranks, video_to_text_ranks):
        with pytest.raises(ValueError, match=f"video 2 and caption 1 is {value}"):
            rank(scores, owners)
    counter = RankCounter(owners, 3)
    with pytest.raises(ValueError, match="video 2 and caption 1"):
        counter.count(scores[2:, 1:], slice(2, 3), slice(1, 4))


def test_metrics_by_hand() -> None:
    """Four captions at ranks 1, 2, a tie of 2 and 3, and 12."""
    ranks = Ranks(greater=np.array([0, 1, 1, 11]), tied=np.array([1, 1, 2, 1]), relevant=np.ones(4, int))
    metrics = retrieval_metrics(ranks)
    expected = {"R@1": 25.0, "R@5": 75.0, "R@10": 75.0, "MedR": 2.25, "MnR": 4.375, "tied_fraction": 0.25}
    assert metrics == pytest.approx(expected)
    tie_at_the_edge = Ranks(np.array([4]), np.array([4]), np.array([2]))
    assert retrieval_metrics(tie_at_the_edge)["R@5"] == pytest.approx(50.0)
    assert recall_sum(metrics, retrieval_metrics(tie_at_the_edge)) == pytest.approx(
        175.0 + 0.0 + 50.0 + 100.0
    )
