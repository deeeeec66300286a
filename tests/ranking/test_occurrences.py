import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data_pipeline.errors import InputError
from mcsan_jax.ranking.occurrences import (
    Answers,
    BestItems,
    TopAnswers,
    hub_summary,
    k_occurrences,
    skewness,
    top_hubs,
)


def by_sorting(scores: np.ndarray, k: int) -> Answers:
    """The k best columns of each row, by Python's own sort."""
    items = np.full((len(scores), k), -1)
    best = np.full((len(scores), k), -np.inf)
    for row, values in enumerate(scores.tolist()):
        order = sorted(range(len(values)), key=lambda item: (-values[item], item))[:k]
        items[row, : len(order)] = order
        best[row, : len(order)] = [values[item] for item in order]
    return Answers(items, best)


def assert_same(found: Answers, expected: Answers) -> None:
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_array_equal(found.scores, expected.scores)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, int, list[tuple[slice, slice]]]:
    """Scores of few different values, a number of answers, and blocks in any order that cover the matrix."""
    videos, texts = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    values = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 1e-40, 0.5, 3e38])
    matrix = draw(st.lists(values, min_size=videos * texts, max_size=videos * texts))
    cuts = [
        sorted({0, count, *draw(st.lists(st.integers(0, count), max_size=3))}) for count in (videos, texts)
    ]
    rows, columns = ([slice(start, stop) for start, stop in itertools.pairwise(ends)] for ends in cuts)
    blocks = draw(st.permutations([(row, column) for row in rows for column in columns]))
    scores: np.ndarray = np.array(matrix, np.float32).reshape(videos, texts)
    return scores, draw(st.integers(1, 11)), blocks


@settings(max_examples=150, deadline=None, derandomize=True)
@given(problems())
def test_equal_to_sorting_whatever_the_blocks(
    problem: tuple[np.ndarray, int, list[tuple[slice, slice]]],
) -> None:
    scores, k, blocks = problem
    answers = TopAnswers(k, *scores.shape)
    for rows, columns in blocks:
        answers.count(scores[rows, columns], rows, columns)
    assert_same(answers.text_to_video(), by_sorting(scores.T, k))
    assert_same(answers.video_to_text(), by_sorting(scores, k))


def test_many_items_in_blocks_of_uneven_size() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(130, 900)).round(2).astype(np.float32)
    answers = TopAnswers(20, *scores.shape)
    for rows, columns in itertools.product(
        (slice(0, 7), slice(7, 128), slice(128, 130)), (slice(0, 1), slice(1, 555), slice(555, 900))
    ):
        answers.count(scores[rows, columns], rows, columns)
    assert_same(answers.text_to_video(), by_sorting(scores.T, 20))
    assert_same(answers.video_to_text(), by_sorting(scores, 20))


def test_blocks_left_out_or_given_twice_are_noticed() -> None:
    best = BestItems(2, queries=3, items=4)
    best.add(np.zeros((3, 2)), slice(0, 3), slice(0, 2))
    with pytest.raises(ValueError, match="6 scores were given, expected each of 12 once"):
        best.answers()
    for _ in range(2):
        best.add(np.zeros((3, 2)), slice(0, 3), slice(2, 4))
    with pytest.raises(ValueError, match="18 scores were given"):
        best.answers()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_raise(value: float) -> None:
    block = np.zeros((2, 3), np.float32)
    block[1, 2] = value
    with pytest.raises(InputError, match=f"query 11 and item 6 is {value}"):
        BestItems(2, 12, 9).add(block, slice(10, 12), slice(4, 7))


def test_no_answers_to_keep() -> None:
    with pytest.raises(ValueError, match="must be at least 1, found 0"):
        TopAnswers(0, 3, 4)


def test_hubs_by_hand() -> None:
    answers = np.array([[0, 2], [2, 0], [2, 3], [2, -1]])
    occurrences = k_occurrences(answers, 5)
    assert occurrences.tolist() == [2, 0, 4, 1, 0]
    assert top_hubs(occurrences, 4).tolist() == [2, 0, 3, 1]
    summary = hub_summary(answers, ["a", "b", "c", "d", "e"], top=2)
    assert summary == {
        "k": 2,
        "skewness": pytest.approx(stats.skew([2, 0, 4, 1, 0])),
        "top": [{"id": "c", "occurrences": 4}, {"id": "a", "occurrences": 2}],
        "histogram": [2, 1, 1, 0, 1],
    }


def test_skewness_is_the_third_standardised_moment() -> None:
    occurrences = np.random.default_rng(1).negative_binomial(2, 0.1, size=500)
    assert skewness(occurrences) == pytest.approx(stats.skew(occurrences))
    assert skewness(np.array([3, 3, 3])) == 0.0


def test_a_hub_makes_the_skewness_large() -> None:
    """Points of which one lies in the middle of the others, in many dimensions, is near to most of them."""
    rng = np.random.default_rng(2)
    queries, items = rng.normal(size=(400, 60)), rng.normal(size=(200, 60))
    items[17] *= 0.05
    skewnesses = {}
    for name, scores in (
        ("without", -np.linalg.norm(queries[:, None] - np.delete(items, 17, 0), axis=2)),
        ("with", -np.linalg.norm(queries[:, None] - items, axis=2)),
    ):
        best = BestItems(5, *scores.shape)
        best.add(scores, slice(0, len(scores)), slice(0, scores.shape[1]))
        counts = k_occurrences(best.answers().items, scores.shape[1])
        skewnesses[name] = skewness(counts)
        if name == "with":
            assert top_hubs(counts, 1).tolist() == [17]
            assert counts[17] > 0.9 * len(queries)
    assert skewnesses["with"] > 2 * skewnesses["without"]
