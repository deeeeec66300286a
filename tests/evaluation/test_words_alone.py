import numpy as np
import pytest
from scipy import optimize

from mcsan_jax.evaluation.words_alone import answer_by_words

NOUNS = ("dog", "cat", "man", "car", "box")


def test_a_word_that_only_foils_have_gives_them_away() -> None:
    questions = [(f"the {noun} runs", f"the {noun} never runs") for noun in NOUNS * 4]
    np.testing.assert_array_equal(answer_by_words(questions, np.arange(20)), np.ones(20))


def test_what_no_other_question_has_gives_nothing_away() -> None:
    questions = [(f"x{row} y{row}", f"z{row} w{row}", f"u{row} v{row}") for row in range(10)]
    np.testing.assert_allclose(answer_by_words(questions, np.arange(10)), 1 / 3)


def test_a_video_is_never_its_own_teacher() -> None:
    """The words of a video's questions tell truth from foils within it alone."""
    questions = [(f"x{row // 4}", f"z{row // 4}") for row in range(20)]
    np.testing.assert_array_equal(answer_by_words(questions, np.arange(20) // 4), np.full(20, 0.5))
    assert answer_by_words(questions, np.zeros(20, int)) is None


def test_foils_that_are_as_frequent_as_truths_are_at_chance() -> None:
    random = np.random.default_rng(0)
    drawn = [random.choice(NOUNS, 2, replace=False) for _ in range(400)]
    questions = [(f"the {true} runs", f"the {false} runs") for true, false in drawn]
    right = answer_by_words(questions, np.arange(400))
    assert right is not None and right.mean() == pytest.approx(0.5, abs=0.1)


def test_the_model_is_the_conditional_logit() -> None:
    """Plain loops over dense counts of single words, whose pairs never occur twice; found without a gradient."""
    random = np.random.default_rng(1)
    chances = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    words = [(random.choice(5, p=chances), *random.choice(5, size=random.integers(1, 4))) for _ in range(30)]
    questions = [tuple(f"{NOUNS[word]}" for word in own) for own in words]
    groups = np.arange(30)
    folds = np.random.default_rng(0).permutation(30) % 5
    expected = np.zeros(30)
    for fold in range(5):

        def loss(weights: np.ndarray, fold: int = fold) -> float:
            total = 0.5 * 3 * float(np.sum(weights**2))
            for row in range(30):
                if folds[row] != fold:
                    total -= 3 * weights[words[row][0]]
                    total += np.log(sum(np.exp(3 * weights[word]) for word in words[row]))
            return total

        # A caption of one word has three features of the same count: the word, and its pairs with both ends.
        weights = optimize.minimize(loss, np.zeros(5), options={"gtol": 1e-8}).x
        for row in np.flatnonzero(folds == fold):
            scores = [weights[word] for word in words[row]]
            best = [score == max(scores) for score in scores]
            expected[row] = best[0] / sum(best)
    np.testing.assert_allclose(answer_by_words(questions, groups), expected)
