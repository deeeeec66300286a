import numpy as np
import pytest

from mcsan_jax.calibration.reliability import AnswersOfQueries, Reliability
from tests.calibration.made_up_queries import made_up_queries
from tests.calibration.plain_calibration import plain_calibration_error, plain_probabilities
from tests.calibration.test_calibration import CALIBRATION


@pytest.mark.parametrize(("answers", "bins"), [(100, 10), (103, 10), (7, 3), (4, 4)])
def test_the_calibration_error_is_equal_to_loops(answers: int, bins: int) -> None:
    random = np.random.default_rng(answers)
    probabilities, right = random.uniform(size=answers), random.uniform(size=answers) < 0.4
    found = Reliability.of(probabilities, right, bins)
    assert found.answers.sum() == answers and np.ptp(found.answers) <= 1
    expected = plain_calibration_error(probabilities.tolist(), right.tolist(), bins)
    assert found.ece == pytest.approx(expected, rel=1e-12)


def test_fewer_answers_than_bins() -> None:
    found = Reliability.of(np.array([0.25, 1.0]), np.array([False, True]))
    assert found.answers.tolist() == [1, 1] and found.ece == pytest.approx(0.125)


@pytest.mark.parametrize("absent", [False, True])
def test_answers_come_by_score(absent: bool) -> None:
    judged = made_up_queries(20, 15, seed=1)
    found = AnswersOfQueries.of(CALIBRATION, judged, absent)
    assert found.probabilities.shape == (20, 10)
    for row in range(20):
        kept = [video for video in range(15) if not (absent and judged.alike[row, video])]
        best = sorted(kept, key=lambda video: -judged.scores[row, video])
        scores = [float(judged.scores[row, video]) for video in best]
        expected = plain_probabilities(scores, 0.03, 0.34, len(best))
        np.testing.assert_allclose(found.probabilities[row], expected[:10], rtol=1e-6)
        assert found.presence[row] == pytest.approx(sum(expected))
        assert found.relevant[row].tolist() == [bool(judged.relevant[row, video]) for video in best[:10]]
    assert found.relevant.any() != absent


def test_few_videos_give_few_answers() -> None:
    judged = made_up_queries(6, 3, seed=2)
    present, absent = (AnswersOfQueries.of(CALIBRATION, judged, absent) for absent in (False, True))
    assert present.first_ten().answers.sum() == 18
    assert absent.first_ten().answers.sum() == (~judged.alike).sum()
    judged.alike[1] = True
    assert len(AnswersOfQueries.of(CALIBRATION, judged, absent=True).presence) == 5
