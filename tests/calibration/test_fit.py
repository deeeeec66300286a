import dataclasses

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from mcsan_jax.calibration import fit
from mcsan_jax.calibration.calibration import Calibration, FittedOn
from mcsan_jax.calibration.fit import choose_threshold, fit_calibration, fit_softmax, softmax_loss
from mcsan_jax.calibration.judged_queries import JudgedQueries
from mcsan_jax.calibration.reliability import AnswersOfQueries
from tests.calibration.made_up_queries import TEMPERATURE, made_up_queries
from tests.calibration.plain_calibration import plain_loss

LEVELS = [["action", "entity"]]


def two_right_answers() -> JudgedQueries:
    """A few queries, one of them with two right answers, and one that leaves nothing to answer it."""
    judged = made_up_queries(7, 4, seed=1)
    relevant, alike = judged.relevant.copy(), judged.alike.copy()
    relevant[2], alike[2] = [True, False, True, False], [True, False, True, False]
    alike[4] = True
    return dataclasses.replace(judged, relevant=relevant, alike=alike)


@pytest.mark.parametrize("parameters", [(1.0, 0.0), (4.0, 9.0), (0.3, -20.0), (-2.0, 1.0)])
def test_the_loss_is_equal_to_loops_and_its_gradient_to_differences(parameters: tuple[float, float]) -> None:
    judged = two_right_answers()
    scores = (judged.scores.astype(np.float64) - 0.2) / 0.1
    loss, gradient = softmax_loss(np.array(parameters), scores, judged)
    matrices = (scores, judged.relevant, judged.alike)
    assert loss == pytest.approx(plain_loss(*parameters, *matrices, fit.ABSENT_SHARE, fit.RIDGE), rel=1e-12)
    differences = approx_fprime(
        np.array(parameters), lambda point: softmax_loss(point, scores, judged)[0], 1e-6
    )
    np.testing.assert_allclose(gradient, differences, rtol=1e-4, atol=1e-5)


def test_the_loss_of_extreme_scores_is_finite() -> None:
    judged = two_right_answers()
    for parameters in ((1e3, 0.0), (1.0, 1e3), (1e3, -1e4)):
        loss, gradient = softmax_loss(np.array(parameters), judged.scores.astype(np.float64) * 50, judged)
        assert np.isfinite(loss) and np.isfinite(gradient).all()


def test_probabilities_that_made_the_answers_are_found_again() -> None:
    judged = made_up_queries(4000, 30, seed=2)
    temperature, _ = fit_softmax(judged)
    assert temperature == pytest.approx(TEMPERATURE, rel=0.1)
    calibration = fit_calibration(judged, "val", 3, "wrong", LEVELS)
    assert calibration is not None
    fitted_on = calibration.fitted_on
    assert (fitted_on.split, fitted_on.step, fitted_on.queries, fitted_on.videos) == ("val", 3, 4000, 30)
    other = AnswersOfQueries.of(calibration, made_up_queries(4000, 30, seed=3))
    assert other.first().ece < 0.04 and other.first_ten().ece < 0.015
    # What cross-validation says beforehand is what other queries show.
    assert fitted_on.ece == pytest.approx(other.first().ece, abs=0.02)
    assert fitted_on.refused <= fit.MOST_REFUSED


def test_scores_that_tell_everything_are_trusted_and_random_ones_are_not() -> None:
    judged = made_up_queries(200, 20, seed=4)
    telling = dataclasses.replace(judged, scores=np.where(judged.alike, 0.9, 0.1).astype(np.float32))
    only_own = dataclasses.replace(
        telling, scores=np.where(judged.relevant, 0.9, 0.1).astype(np.float32), alike=judged.relevant
    )
    sure = fit_calibration(only_own, "val", 1, "wrong", LEVELS)
    assert sure is not None and sure.fitted_on.ece < 0.02
    assert (sure.fitted_on.refused, sure.fitted_on.answered_absent) == (0.0, 0.0)
    shuffled = np.random.default_rng(0).permuted(judged.scores, axis=1)
    unsure = fit_calibration(dataclasses.replace(judged, scores=shuffled), "val", 1, "wrong", LEVELS)
    assert unsure is not None and unsure.temperature > 1.0
    assert AnswersOfQueries.of(unsure, judged).probabilities.max() < 0.1


def test_the_threshold_refuses_no_more_than_it_must() -> None:
    high, low = np.linspace(0.8, 1.0, 1000), np.linspace(0.0, 0.2, 1000)
    apart = choose_threshold(high, low)
    assert np.mean(high < apart) == 0 and np.mean(low >= apart) <= fit.MOST_ANSWERED
    overlapping = choose_threshold(high, np.linspace(0.7, 1.0, 1000))
    assert np.mean(high < overlapping) == pytest.approx(fit.MOST_REFUSED, abs=1e-9)
    # Ties are refused or answered together.
    assert np.mean(np.ones(50) < choose_threshold(np.ones(50), np.ones(50))) == 0


@pytest.mark.parametrize(("queries", "videos"), [(fit.FEWEST_QUERIES - 1, 5), (30, 1)])
def test_too_little_is_not_fitted(queries: int, videos: int) -> None:
    assert fit_calibration(made_up_queries(queries, videos, seed=5), "val", 1, "wrong", LEVELS) is None


def test_captions_of_a_video_never_judge_a_fit_to_others_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = dataclasses.replace(made_up_queries(60, 12, seed=6), owners=np.arange(60) // 5)
    fitted_to: list[set[int]] = []
    fitted = fit._fitted

    def noted(queries: JudgedQueries, fitted_on: FittedOn) -> Calibration:
        fitted_to.append(set(queries.owners.tolist()))
        assert len(queries) == 5 * len(fitted_to[-1])
        return fitted(queries, fitted_on)

    monkeypatch.setattr(fit, "_fitted", noted)
    assert fit_calibration(judged, "val", 1, "wrong", LEVELS) is not None
    whole, *rests = fitted_to
    left_out = [video for rest in rests for video in whole - rest]
    assert whole == set(range(12)) and sorted(left_out) == list(range(12)) and len(rests) == fit.FOLDS
