"""This module fits a calibration to the queries of a split."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import log_softmax

from mcsan_jax.calibration.calibration import Calibration, FittedOn
from mcsan_jax.calibration.judged_queries import JudgedQueries
from mcsan_jax.calibration.reliability import AnswersOfQueries, Reliability
from mcsan_jax.runs.record import package_versions

ABSENT_SHARE = 0.05
"""The fit takes it that one query in twenty asks for what is not there."""
MOST_REFUSED = 0.07
"""At most this share of the queries of the split may find no good match; a tenth on other ones."""
MOST_ANSWERED = 0.04
"""More is not refused than it takes for so few queries for what is absent to be answered."""
FOLDS = 5
FEWEST_QUERIES = 10
FEWEST_VIDEOS = 2
RIDGE = 1e-5
"""Weight of the squared parameters in the loss; it bounds them where scores tell all right answers."""
_LEAST_SLOPE = 1e-3
"""The temperature is positive, also where right answers score no higher than wrong ones."""


def fit_calibration(
    judged: JudgedQueries, split: str, step: int, same_text: str, levels: Sequence[Sequence[str]]
) -> Calibration | None:
    """Fits a calibration, and says how well it holds on other queries of the same split.

    Args:
        judged: the queries.
        split: their split.
        step: the training step of the model.
        same_text: the rule by which videos are right.
        levels: at which the queries have nodes, but for rare sets of levels.

    Returns:
        The calibration; None where there are too few queries or videos to fit one.
    """
    if len(judged) < FEWEST_QUERIES or judged.scores.shape[1] < FEWEST_VIDEOS or judged.alike.all():
        return None
    queries, videos = judged.scores.shape
    # How well it holds is only known when it is fitted.
    unknown = FittedOn(
        split=split,
        step=step,
        queries=queries,
        videos=videos,
        same_text=same_text,
        ece=1.0,
        ece_of_ten=1.0,
        refused=1.0,
        answered_absent=1.0,
        levels=[list(one) for one in levels],
        versions=package_versions(),
    )
    calibration = _fitted(judged, unknown)
    present = AnswersOfQueries.of(calibration, judged).presence
    absent = AnswersOfQueries.of(calibration, judged, absent=True).presence
    ece, ece_of_ten = _cross_validated(judged, unknown)
    fitted_on = dataclasses.replace(
        unknown,
        ece=ece,
        ece_of_ten=ece_of_ten,
        refused=float(np.mean(present < calibration.threshold)),
        answered_absent=float(np.mean(absent >= calibration.threshold)),
    )
    return dataclasses.replace(calibration, fitted_on=fitted_on)


def _fitted(judged: JudgedQueries, fitted_on: FittedOn) -> Calibration:
    temperature, absent_score = fit_softmax(judged)
    calibration = Calibration(temperature, absent_score, 0.0, fitted_on)
    present = AnswersOfQueries.of(calibration, judged).presence
    absent = AnswersOfQueries.of(calibration, judged, absent=True).presence
    return Calibration(temperature, absent_score, choose_threshold(present, absent), fitted_on)


def choose_threshold(present: Float[np.ndarray, " q"], absent: Float[np.ndarray, " r"]) -> float:
    """Chooses the least probability of a right answer being there.

    It is as low as lets `MOST_ANSWERED` of the queries for what is absent find a match, but refuses `MOST_REFUSED` of
    the others at most.

    Args:
        present: the probability for queries that have a right answer.
        absent: the probability for queries that have none.
    """
    refusing_few = float(np.sort(present)[int(MOST_REFUSED * len(present))])
    answering_few = float(np.sort(absent)[::-1][min(int(MOST_ANSWERED * len(absent)), len(absent) - 1)])
    # The query at the border is to be refused.
    return min(refusing_few, float(np.nextafter(min(answering_few, 1.0), 2.0)), 1.0)


def fit_softmax(judged: JudgedQueries) -> tuple[float, float]:
    """Returns the temperature and the absent score under which what is right is likeliest.

    Every query is seen twice: as it is, and as one in `ABSENT_SHARE` of all, after the videos that have its text were
    left out; then none of the rest is right.

    Args:
        judged: the queries.
    """
    # To import it takes most of a second, also where nothing is fitted.
    from scipy.optimize import minimize

    mean, spread = float(judged.scores.mean()), max(float(judged.scores.std()), 1e-6)
    scores = (judged.scores.astype(np.float64) - mean) / spread
    found = minimize(
        lambda parameters: softmax_loss(parameters, scores, judged),
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(_LEAST_SLOPE, None), (None, None)],
    )
    slope, level = map(float, found.x)
    temperature = spread / slope
    return temperature, mean + level * temperature


def softmax_loss(
    parameters: Float[np.ndarray, "2"], scores: Float[np.ndarray, "q v"], judged: JudgedQueries
) -> tuple[float, Float[np.ndarray, "2"]]:
    """Returns the loss that a fit minimises, and its gradient.

    It is the mean of −log p over the right answers of each query and the class "none of them", with logits a s_j and
    b + log n, and `RIDGE` (a² + b²). It is convex.

    Args:
        parameters: a and b.
        scores: the scores of the queries.
        judged: what is right.
    """
    none = np.zeros((len(judged), 1))
    right = np.hstack([judged.relevant / judged.relevant.sum(axis=1, keepdims=True), none])
    present = _cross_entropy(parameters, scores, np.ones_like(judged.alike), right)
    left = ~judged.alike
    answerable = left.any(axis=1)
    nothing = np.hstack([np.zeros(left.shape), none + 1.0])
    absent = _cross_entropy(parameters, scores[answerable], left[answerable], nothing[answerable])
    total = (1 - ABSENT_SHARE) * present + ABSENT_SHARE * absent
    return float(total[0] + RIDGE * np.sum(parameters**2)), total[1:] + 2 * RIDGE * parameters


def _cross_entropy(
    parameters: Float[np.ndarray, "2"],
    scores: Float[np.ndarray, "q v"],
    kept: Bool[np.ndarray, "q v"],
    right: Float[np.ndarray, "q w"],
) -> Float[np.ndarray, "3"]:
    """Returns the mean of −Σ right log p, and its derivatives by both parameters; the last class is "none of them"."""
    slope, level = parameters
    none = level + np.log(kept.sum(axis=1, keepdims=True))
    log_probabilities = log_softmax(np.hstack([np.where(kept, slope * scores, -np.inf), none]), axis=1)
    excess = np.exp(log_probabilities) - right
    return np.array(
        [
            -np.sum(right * np.where(right > 0, log_probabilities, 0.0)),
            np.sum(excess[:, :-1] * scores),
            np.sum(excess[:, -1]),
        ]
    ) / len(scores)


def _cross_validated(judged: JudgedQueries, fitted_on: FittedOn) -> tuple[float, float]:
    """Returns the calibration errors of the first and of the first ten answers, each fold judged by a fit to the rest.

    All captions of a video are in one fold.
    """
    folds = judged.owners % FOLDS
    parts = []
    for fold in np.unique(folds):
        rest = judged.take(folds != fold)
        if len(rest) and not rest.alike.all():
            parts.append(AnswersOfQueries.of(_fitted(rest, fitted_on), judged.take(folds == fold)))
    if not parts:
        return 1.0, 1.0
    joined = AnswersOfQueries(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.relevant for part in parts]),
        np.concatenate([part.presence for part in parts]),
    )
    return joined.first().ece, joined.first_ten().ece


def judge_calibration(calibration: Calibration, judged: JudgedQueries) -> dict[str, object]:
    """Returns how a calibration holds on the queries of a split, ready for `runs.record_fields.SplitCalibration`."""
    answers = AnswersOfQueries.of(calibration, judged)
    absent = AnswersOfQueries.of(calibration, judged, absent=True).presence

    def plain(reliability: Reliability) -> dict[str, object]:
        return {
            "ece": reliability.ece,
            "probabilities": reliability.probabilities.tolist(),
            "relevant": reliability.relevant.tolist(),
            "answers": reliability.answers.tolist(),
        }

    return {
        "fitted_on": calibration.fitted_on.split,
        "temperature": calibration.temperature,
        "absent_score": calibration.absent_score,
        "threshold": calibration.threshold,
        "queries": len(judged),
        "first": plain(answers.first()),
        "first_ten": plain(answers.first_ten()),
        "refused": float(np.mean(answers.presence < calibration.threshold)),
        "answered_absent": float(np.mean(absent >= calibration.threshold)) if len(absent) else None,
    }
