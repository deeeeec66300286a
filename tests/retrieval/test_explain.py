import numpy as np
import pytest

from mcsan_jax.errors import InputError
from mcsan_jax.retrieval.explain import explain
from mcsan_jax.retrieval.searcher import Searcher

TEXT = "a red ball pushes the blue box"


def test_the_levels_add_up_to_the_score(searcher: Searcher) -> None:
    answer = searcher.search(TEXT, k=3)[2]
    explanation = explain(searcher, TEXT, answer.video)
    assert explanation.parts["fused"] == pytest.approx(answer.score, abs=1e-6)
    assert list(explanation.levels) == ["entity", "action", "relationship"]
    for level, found in explanation.levels.items():
        assert found.scores.mean() == pytest.approx(answer.parts[level], abs=1e-5)


def test_frames_and_phrases_have_rows_and_columns(searcher: Searcher) -> None:
    explanation = explain(searcher, TEXT, searcher.videos.ids[0])
    assert explanation.frames == 12
    # The embedded clips have no clock.
    assert len(explanation.seconds) == 0
    assert explanation.levels["entity"].phrases == ["red ball", "blue box"]
    for found in explanation.levels.values():
        assert found.cosines.shape == found.attention.shape == (len(found.phrases), 12)
        assert np.all(np.abs(found.cosines) <= 1 + 1e-6)
        np.testing.assert_allclose(found.attention.sum(axis=1), 1, rtol=1e-6)
        # Attention is softmax(λ r̂), with r̂ the positive cosines scaled to length one.
        positive = np.maximum(found.cosines, 0)
        scaled = positive / np.maximum(np.linalg.norm(positive, axis=1, keepdims=True), 1e-12)
        weights = np.exp(searcher.config.similarity.smoothing * scaled)
        np.testing.assert_allclose(found.attention, weights / weights.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_text_without_nodes_has_its_sentence_alone(searcher: Searcher) -> None:
    explanation = explain(searcher, "and", searcher.videos.ids[0])
    assert explanation.levels == {}
    assert set(explanation.parts) == {"fused", "global"}


def test_an_unknown_video_is_refused(searcher: Searcher) -> None:
    with pytest.raises(InputError, match="no video 'nobody'"):
        explain(searcher, TEXT, "nobody")
