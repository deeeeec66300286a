"""This module makes the score of a query of its parts, as contributions that add up to it.

With steps i, negative parts n, the fused score F of the model and the share L of `stretches` that the order costs:

    score = M − ORDER_WEIGHT · L · max(0, M) − NEGATIVE_WEIGHT · Σ_n max(0, F_n),   M = mean over i of F_i

A query of one step without negative parts has the score of the model.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from mcsan_jax.scoring.multi_level import FUSED

NEGATIVE_WEIGHT = 0.5
"""This much of the score of a negative part is taken off; chosen on validation clips (docs/search.md)."""

ORDER_WEIGHT = 0.5
"""At most this much of the score is taken off where the order is wrong; chosen on validation clips."""

ORDER = "order"
WITHOUT = "without "
"""The contribution of a negative part is named so, with the phrase."""


@dataclasses.dataclass(frozen=True)
class CombinedScores:
    """The scores of videos for a query.

    Attributes:
        scores: by which videos are ordered.
        contributions: what each component and part adds; they add up to the scores but for rounding. Those of negative
            parts and of the order are zero or negative.
    """

    scores: Float[np.ndarray, " v"]
    contributions: dict[str, Float[np.ndarray, " v"]]


def combine_parts(
    steps: Sequence[Mapping[str, Float[np.ndarray, " v"]]],
    shares: Sequence[Mapping[str, float]],
    negatives: Mapping[str, Float[np.ndarray, " v"]],
    order_lost: Float[np.ndarray, " v"] | None = None,
) -> CombinedScores:
    """Returns the scores of videos for a query.

    Args:
        steps: of each step, the scores by component, the fused score among them.
        shares: of each step, what share each component has in its fused score.
        negatives: of each negative part, the fused score.
        order_lost: the share that the order of the steps costs each video; None for one step.
    """
    mean = np.mean([step[FUSED] for step in steps], axis=0)
    contributions: dict[str, np.ndarray] = {}
    for step, share in zip(steps, shares, strict=True):
        for name, weight in share.items():
            added = np.float32(weight / len(steps)) * step[name]
            contributions[name] = contributions[name] + added if name in contributions else added
    adjustments: dict[str, np.ndarray] = {}
    if order_lost is not None:
        adjustments[ORDER] = -np.float32(ORDER_WEIGHT) * order_lost * np.maximum(mean, 0)
    for phrase, fused in negatives.items():
        adjustments[f"{WITHOUT}{phrase}"] = -np.float32(NEGATIVE_WEIGHT) * np.maximum(fused, 0)
    return CombinedScores(sum(adjustments.values(), start=mean), {**contributions, **adjustments})
