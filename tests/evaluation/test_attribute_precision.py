import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.attribute_precision import AttributePrecisions, average_precisions, by_frequency


def by_all_orders(values: np.ndarray, labels: np.ndarray) -> float:
    """Mean of the average precision over every order of the videos that sorts their values."""
    found = []
    for order in itertools.permutations(range(len(values))):
        if any(values[a] < values[b] for a, b in itertools.pairwise(order)):
            continue
        right, total = 0, 0.0
        for place, video in enumerate(order, start=1):
            if labels[video]:
                right += 1
                total += right / place
        found.append(total / right)
    return sum(found) / len(found)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    videos, attributes = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    cells = videos * attributes
    values = draw(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=cells, max_size=cells))
    labels = draw(st.lists(st.booleans(), min_size=cells, max_size=cells))
    shape = (videos, attributes)
    return np.array(values, np.float32).reshape(shape), np.array(labels).reshape(shape)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(problems())
def test_ties_are_resolved_by_expectation(problem: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = problem
    found = average_precisions(values, labels)
    expected = [attribute for attribute in range(labels.shape[1]) if any(labels[:, attribute])]
    assert found.ids.tolist() == expected
    oracle = [by_all_orders(values[:, attribute], labels[:, attribute]) for attribute in expected]
    np.testing.assert_allclose(found.precisions, oracle, rtol=1e-12)
    np.testing.assert_allclose(found.chances, [labels[:, attribute].mean() for attribute in expected])


def test_more_attributes_than_are_ranked_together() -> None:
    generator = np.random.default_rng(0)
    values, labels = generator.random((40, 150)), generator.random((40, 150)) < 0.3
    found = average_precisions(values, labels)
    alone = [average_precisions(values[:, [a]], labels[:, [a]]).precisions[0] for a in range(150)]
    np.testing.assert_allclose(found.precisions, alone, rtol=1e-12)


def test_a_perfect_ranking_and_a_constant_one() -> None:
    labels = np.random.default_rng(0).random((2000, 3)) < [0.01, 0.2, 0.5]
    perfect = average_precisions(labels.astype(np.float32), labels)
    np.testing.assert_allclose(perfect.precisions, 1.0)
    constant = average_precisions(np.full(labels.shape, 0.5), labels)
    np.testing.assert_allclose(constant.precisions, constant.chances, atol=5e-3)


def test_scores_that_are_not_finite_are_refused() -> None:
    values = np.zeros((3, 4))
    values[2, 1] = np.nan
    with pytest.raises(InputError, match="probability of attribute 1 for video 2 is nan"):
        average_precisions(values, np.ones((3, 4), bool))


def test_thirds_of_the_vocabulary_by_training_frequency() -> None:
    counts = [5, 100, 7, 50, 6, 70]
    found = AttributePrecisions(
        np.array([0, 1, 3, 5]), np.array([0.1, 0.9, 0.5, 0.6]), np.array([0.01, 0.4, 0.2, 0.3])
    )
    thirds = by_frequency(found, counts)
    assert list(thirds) == ["frequent", "medium", "rare"]
    assert thirds["frequent"] == pytest.approx({"count": 2, "mAP": 75.0, "chance": 35.0})
    assert thirds["medium"] == pytest.approx({"count": 1, "mAP": 50.0, "chance": 20.0})
    assert thirds["rare"] == pytest.approx({"count": 1, "mAP": 10.0, "chance": 1.0})


def test_a_third_that_no_video_has_is_left_out() -> None:
    found = AttributePrecisions(np.array([0]), np.array([0.5]), np.array([0.25]))
    assert list(by_frequency(found, [9, 8, 7])) == ["frequent"]
    nothing = average_precisions(np.zeros((5, 3)), np.zeros((5, 3), bool))
    assert by_frequency(nothing, [9, 8, 7]) == {}


def test_a_vocabulary_that_does_not_fit_is_refused() -> None:
    found = average_precisions(np.zeros((2, 4)), np.ones((2, 4), bool))
    with pytest.raises(InputError, match="attribute 3 is not in the vocabulary of 3 attributes"):
        by_frequency(found, [9, 8, 7])
