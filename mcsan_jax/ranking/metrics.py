"""This module makes the field's retrieval metrics from ranks."""

import numpy as np

from mcsan_jax.ranking.pair_ranks import PairRanks
from mcsan_jax.ranking.ranks import Ranks

CUTOFFS = (1, 5, 10)
"""Of the recalls in Rsum and in their geometric mean."""


def retrieval_metrics(ranks: Ranks) -> dict[str, float]:
    """Returns R@1, R@5, R@10, R@50 and the geometric mean of the first three in percent, ranks, and the share of ties.

    For video-to-text the best-ranked of a video's captions counts (trec_eval's Success@K), under the field's name.
    """
    expected = ranks.expected_rank()
    recalls = {f"R@{k}": 100.0 * float(np.mean(ranks.hit_probability(k))) for k in (*CUTOFFS, 50)}
    return {
        **recalls,
        "MedR": float(np.median(expected)),
        "MnR": float(np.mean(expected)),
        "gmean": float(np.prod([recalls[f"R@{k}"] for k in CUTOFFS]) ** (1 / len(CUTOFFS))),
        "tied_fraction": ranks.tied_fraction(),
    }


def whole_list_metrics(ranks: PairRanks) -> dict[str, float]:
    """Returns mean average precision and nDCG@10 in percent, which look at all relevant items of a query."""
    return {
        "mAP": 100.0 * float(np.mean(ranks.average_precision())),
        "nDCG@10": 100.0 * float(np.mean(ranks.ndcg(10))),
    }


def recall_sum(text_to_video: dict[str, float], video_to_text: dict[str, float]) -> float:
    """Returns Rsum, the sum of the six recalls at 1, 5 and 10 in both directions, from 0 to 600."""
    return sum(direction[f"R@{k}"] for direction in (text_to_video, video_to_text) for k in CUTOFFS)
