from typing import Any

import numpy as np
import pytest

from mcsan_jax.evaluation.foil_figures import AbsentQuestions, AskedFoils, words_by_kind
from mcsan_jax.ranking.foil_answers import FoilAnswers
from mcsan_jax.runs.foil_fields import FoilTest


def test_figures_are_by_kind() -> None:
    texts: list[Any] = [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")]
    answers = FoilAnswers(
        ["role", "order", "role"], np.array([4, 4, 2]), texts, {"fused": np.array([1.0, 0.5, 0.0])}
    )
    words = np.array([1.0, np.nan, 0.5])
    asked = AskedFoils("x.tsv", "multiple choice", answers, words, AbsentQuestions(3, 2, ("v",)))
    read = FoilTest.model_validate(asked.figures())
    assert (read.questions, read.videos, read.absent.questions) == (3, 2, 3)
    role, order = read.kinds
    assert (role.kind, role.questions, role.videos) == ("role", 2, 2)
    assert role.chance == pytest.approx(37.5) and order.chance == pytest.approx(100 / 3)
    assert role.scores["fused"].accuracy == 50 and role.scores["fused"].interval == [0, 100]
    assert order.scores["fused"].interval == [50, 50]
    assert role.words is not None and role.words.accuracy == 75
    assert order.words is None


def test_no_question_of_the_split_is_no_kind() -> None:
    none = FoilAnswers([], np.zeros(0, np.int64), [], {})
    assert AskedFoils("x", "y", none, np.zeros(0), AbsentQuestions(1, 1, ("v",))).figures()["kinds"] == []


def test_words_learn_from_each_kind_alone() -> None:
    """What is true in one kind is false in the other."""
    texts: list[Any] = [("yes", "no"), ("no", "yes")] * 10
    right = words_by_kind(["one", "other"] * 10, texts, np.arange(20))
    np.testing.assert_array_equal(right, np.ones(20))
