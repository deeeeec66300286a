import numpy as np
import pytest

from mcsan_jax.ranking.metrics import recall_sum, retrieval_metrics, whole_list_metrics
from mcsan_jax.ranking.pair_ranks import PairRanks
from mcsan_jax.ranking.ranks import Ranks


def test_metrics_by_hand() -> None:
    """Four captions at ranks 1, 2, a tie of 2 and 3, and 12."""
    ranks = Ranks(greater=np.array([0, 1, 1, 11]), tied=np.array([1, 1, 2, 1]), relevant=np.ones(4, int))
    metrics = retrieval_metrics(ranks)
    assert metrics == pytest.approx(
        {
            "R@1": 25.0,
            "R@5": 75.0,
            "R@10": 75.0,
            "R@50": 100.0,
            "MedR": 2.25,
            "MnR": 4.375,
            "gmean": (25.0 * 75.0 * 75.0) ** (1 / 3),
            "tied_fraction": 0.25,
        }
    )
    tie_at_the_edge = Ranks(np.array([4]), np.array([4]), np.array([2]))
    other = retrieval_metrics(tie_at_the_edge)
    assert other["R@5"] == pytest.approx(50.0)
    assert other["gmean"] == 0.0
    assert recall_sum(metrics, other) == pytest.approx(175.0 + 0.0 + 50.0 + 100.0)


def test_measures_of_the_whole_list_by_hand() -> None:
    """One query with right items at places 1 and 3 of its list, and one whose only right item is in a tie of 2."""
    ranks = PairRanks(query=np.array([1, 0, 1]), greater=np.array([2, 0, 0]), tied=np.array([1, 2, 1]))
    first = (1 + 1 / np.log2(3)) / 2
    second = (1 + 0.5) / (1 + 1 / np.log2(3))
    assert whole_list_metrics(ranks) == pytest.approx(
        {"mAP": 50 * (3 / 4 + 5 / 6), "nDCG@10": 50 * (first + second)}
    )
