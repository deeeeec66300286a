import dataclasses
from typing import Any

import numpy as np

from mcsan_jax.config import EvaluationConfig
from mcsan_jax.ranking.foil_answers import FoilAnswers, answer_questions, share_of_true
from tests.support.memory_split import CAPTIONS, VIDEOS, MemorySplit, Setting, scored_split


def test_ties_count_by_expectation() -> None:
    scores = np.array([[3.0, 1.0, 2.0, 2.0], [1.0, 3.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]])
    np.testing.assert_allclose(share_of_true(scores), [1, 0, 1 / 3, 1 / 2])


def test_answers_are_those_of_the_whole_matrices(
    setting: Setting, split: MemorySplit, matrices: dict[str, np.ndarray]
) -> None:
    """Questions of two to five captions, about any video, some with a caption that is there twice."""
    random = np.random.default_rng(0)
    choices = [random.integers(0, CAPTIONS, random.integers(2, 6)).tolist() for _ in range(40)]
    videos = random.integers(0, VIDEOS, len(choices))
    config = dataclasses.replace(setting.config, evaluation=EvaluationConfig(encode_batch=8))
    scored = scored_split(setting, split, config)
    right = answer_questions(scored.scorer, scored.captions.collection, choices, videos, 8)
    assert right.keys() == matrices.keys()
    for component, matrix in matrices.items():
        for row, (own, video) in enumerate(zip(choices, videos, strict=True)):
            scores = [matrix[video, caption] for caption in own]
            best = [score >= max(scores) - 1e-6 for score in scores]
            assert right[component][row] == best[0] / sum(best), (component, row)


def test_accuracies_are_means_of_each_kind() -> None:
    texts: list[Any] = [("a", "b")] * 3
    right = {"fused": np.array([1.0, 0.5, 0.0])}
    answers = FoilAnswers(["role", "action", "role"], np.arange(3), texts, right)
    assert answers.accuracies() == {"fused": {"action": 50.0, "role": 50.0}}
    assert answers.counts() == {"action": 1, "role": 2}
