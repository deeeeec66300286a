"""Probabilities, the loss of their fit and calibration errors as plain loops in float64."""

import math

import numpy as np


def plain_probabilities(
    scores: list[float], temperature: float, absent_score: float, searched: int
) -> list[float]:
    """By log-odds of each answer against all others and "none of them", as the module's text has it."""
    found = []
    for i, score in enumerate(scores):
        against = searched * math.exp((absent_score - score) / temperature)
        for j, other in enumerate(scores):
            if j != i:
                against += math.exp((other - score) / temperature)
        found.append(1.0 / (1.0 + against))
    return found


def plain_loss(
    slope: float,
    level: float,
    scores: np.ndarray,
    relevant: np.ndarray,
    alike: np.ndarray,
    absent_share: float,
    ridge: float,
) -> float:
    present, absent = [], []
    for row in range(len(scores)):
        kept = [slope * scores[row, video] for video in range(scores.shape[1]) if not alike[row, video]]
        every = [slope * score for score in scores[row]]
        none = math.exp(level) * len(every)
        total = none + sum(math.exp(logit) for logit in every)
        right = [every[video] for video in range(len(every)) if relevant[row, video]]
        present.append(sum(-math.log(math.exp(logit) / total) for logit in right) / len(right))
        if kept:
            none = math.exp(level) * len(kept)
            absent.append(-math.log(none / (none + sum(math.exp(logit) for logit in kept))))
    loss = (1 - absent_share) * sum(present) / len(present) + absent_share * sum(absent) / len(absent)
    return loss + ridge * (slope**2 + level**2)


def plain_calibration_error(probabilities: list[float], right: list[bool], bins: int) -> float:
    """Of bins whose sizes differ by one at most, the larger ones first."""
    pairs = sorted(zip(probabilities, right, strict=True), key=lambda pair: pair[0])
    error, start = 0.0, 0
    for number in range(bins):
        size = len(pairs) // bins + (number < len(pairs) % bins)
        inside = pairs[start : start + size]
        start += size
        gap = sum(probability for probability, _ in inside) - sum(is_right for _, is_right in inside)
        error += abs(gap) / len(pairs)
    return error
