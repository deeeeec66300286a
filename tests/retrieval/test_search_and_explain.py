import copy
import dataclasses
import pathlib

import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.query_table import QueryTable, read_query_table
from mcsan_jax.retrieval.searcher import Searcher
from mcsan_jax.runs.folder import RunFolder

TEXT = "a red ball pushes the blue box"


@pytest.fixture(scope="module")
def queries(finished_run: pathlib.Path) -> QueryTable:
    return read_query_table(RunFolder(finished_run).queries_file("test")).of_direction("t2v")


def test_scores_are_those_of_the_evaluation(searcher: Searcher, queries: QueryTable) -> None:
    for row in range(len(queries)):
        stored = dict(zip(queries["answers"][row], queries["answer_scores"][row], strict=True))
        found = searcher.search(queries["text"][row], k=1000)
        assert len(found) == len(stored) == 10
        scores = [answer.score for answer in found]
        # The gradient of the score of a node at right angles to all frames is up to 1e6 (docs/method.md), so that the
        # rounding of a text that is encoded alone moves it by more than that of other scores.
        np.testing.assert_allclose(scores, queries["answer_scores"][row], rtol=0, atol=1e-4)
        np.testing.assert_allclose([stored[answer.video] for answer in found], scores, rtol=0, atol=1e-4)


def test_ranks_by_a_level_are_those_of_the_evaluation(searcher: Searcher, queries: QueryTable) -> None:
    rows = np.flatnonzero(queries["nodes_action"] > 0)[:10]
    assert len(rows) == 10
    for row in rows:
        text = searcher.model.encode_query(queries["text"][row])
        of_action = searcher.model.similarity(text, searcher.videos).levels["action"][0]
        own = of_action[searcher.row_of(queries["video"][row])]
        better, worse = np.sum(of_action > own + 1e-5), np.sum(of_action < own - 1e-5)
        assert better + 1 <= queries["rank_action"][row] <= 10 - worse


def test_levels_that_a_text_lacks_are_left_out(searcher: Searcher) -> None:
    (best, second) = searcher.search("something red", k=2)
    assert set(best.level_scores) == {"global", "entity", "linear"}
    assert best.score >= second.score
    weights = {
        level: float(searcher.model.scoring_parameters.level_weights[level]) for level in ("global", "entity")
    }
    mean = sum(weights[level] * best.level_scores[level] for level in weights) / sum(weights.values())
    assert searcher.model.scoring_parameters.linear_share is not None
    share = float(searcher.model.scoring_parameters.linear_share)
    assert 0.0 < share < 1.0
    assert best.score == pytest.approx((1 - share) * mean + share * best.level_scores["linear"], abs=1e-5)


def test_bad_requests_are_refused(
    searcher: Searcher, finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(InputError, match="nothing to search for"):
        searcher.search(" ")
    with pytest.raises(InputError, match="k, the number of answers, must be at least 1, found 0"):
        searcher.search("a ball", k=0)
    with pytest.raises(InputError, match="no video 'clip' among the 10 searched"):
        searcher.row_of("clip")
    with pytest.raises(InputError, match=r"no split 'dev' in .*; it has test, train, val"):
        Searcher.open(finished_run, "dev")
    with pytest.raises(InputError, match="holds no run"):
        Searcher.open(tmp_path, "test")


def test_a_run_without_a_checkpoint_is_refused(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "config.json").write_bytes((finished_run / "config.json").read_bytes())
    with pytest.raises(InputError, match="holds no evaluated checkpoint; train first"):
        Searcher.open(tmp_path, "test")


def test_the_levels_add_up_to_the_score(searcher: Searcher) -> None:
    answer = searcher.search(TEXT, k=3)[2]
    explanation = searcher.explain(TEXT, answer.video)
    assert explanation.scores["fused"] == pytest.approx(answer.score, abs=1e-6)
    assert list(explanation.levels) == ["entity", "action", "relationship"]
    for level, found in explanation.levels.items():
        assert found.scores.mean() == pytest.approx(answer.level_scores[level], abs=1e-5)


def test_what_a_text_denies_is_taken_off(searcher: Searcher) -> None:
    """Were it not denied, the same vector would be added: from both scores follow those of the two nodes."""
    model, text = searcher.model, "a ball with no box"
    texts = model.encode_query(text)
    assert texts.node_negated["entity"].tolist() == [False, True]
    assert texts.node_negated["relationship"].tolist() == [True]
    affirmed = dataclasses.replace(
        texts, node_negated={level: np.zeros_like(denied) for level, denied in texts.node_negated.items()}
    )
    found, otherwise = (model.similarity(one, searcher.videos).levels for one in (texts, affirmed))
    np.testing.assert_allclose(found["relationship"], -otherwise["relationship"], atol=1e-6)
    for row in range(2):
        explanation = searcher.explain(text, searcher.videos.ids[row])
        entity = explanation.levels["entity"]
        assert entity.phrases == ["ball", "not box"]
        assert explanation.levels["relationship"].phrases == ["ball –with→ not box"]
        both = found["entity"][0, row], otherwise["entity"][0, row]
        np.testing.assert_allclose(entity.scores, [both[0] + both[1], both[0] - both[1]], atol=1e-4)
        assert entity.scores.mean() == pytest.approx(explanation.scores["entity"], abs=1e-5)
        assert entity.cosines[1].max() * entity.scores[1] < 0


def test_words_of_what_a_text_denies_are_taken_off_the_linear_score(searcher: Searcher) -> None:
    for video in searcher.videos.ids[:2]:
        denied, affirmed = (
            searcher.explain(f"a ball with {number} box", video).linear for number in ("no", "one")
        )
        assert denied is not None and affirmed is not None
        assert denied.of_words[1] * affirmed.of_words[1] > 0
        assert denied.of_words[4] * affirmed.of_words[4] < 0


@pytest.mark.parametrize("text", [TEXT, "something red", "and", "no red ball"])
def test_the_shares_make_the_fused_score_of_its_components(searcher: Searcher, text: str) -> None:
    explanation = searcher.explain(text, searcher.videos.ids[1])
    shares, scores = explanation.shares, explanation.scores
    assert list(shares) == [name for name in scores if name != "fused"]
    assert min(shares.values()) > 0 and sum(shares.values()) == pytest.approx(1, abs=1e-6)
    fused = sum(share * scores[name] for name, share in shares.items())
    assert fused == pytest.approx(scores["fused"], abs=1e-5)


def test_shares_follow_the_way_to_fuse(searcher: Searcher) -> None:
    """Where a missing level counts as zero, it has a share that no component of the text shows."""
    model = copy.copy(searcher.model)
    fusion = dataclasses.replace(model.config.similarity, missing_levels="zero", attribute_share=0.3)
    model.config = dataclasses.replace(model.config, similarity=fusion)
    explanation = model.explain("something red", searcher.videos, 0)
    shares, scores = explanation.shares, explanation.scores
    assert list(shares) == ["global", "entity", "attributes", "linear"]
    assert shares["attributes"] == pytest.approx(0.3 * (1 - shares["linear"]), abs=1e-6)
    assert 1 - sum(shares.values()) > 0.3 * (1 - shares["linear"])
    fused = sum(share * scores[name] for name, share in shares.items())
    assert fused == pytest.approx(scores["fused"], abs=1e-5)


def test_frames_and_phrases_have_rows_and_columns(searcher: Searcher) -> None:
    explanation = searcher.explain(TEXT, searcher.videos.ids[0])
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
        weights = np.exp(searcher.model.config.similarity.smoothing * scaled)
        np.testing.assert_allclose(found.attention, weights / weights.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_text_without_nodes_has_its_sentence_alone(searcher: Searcher) -> None:
    explanation = searcher.explain("and", searcher.videos.ids[0])
    assert explanation.levels == {}
    assert set(explanation.scores) == {"fused", "global", "linear"}


def test_the_words_add_up_to_the_linear_score(searcher: Searcher) -> None:
    """A word that stands there again adds nothing, and all videos are told apart."""
    for video in searcher.videos.ids[:3]:
        explanation = searcher.explain(f"{TEXT}, a ball", video)
        found = explanation.linear
        assert found is not None
        assert found.words == ["a", "red", "ball", "pushes", "the", "blue", "box,", "a", "ball"]
        assert found.of_words.sum() == pytest.approx(explanation.scores["linear"], abs=1e-5)
        assert np.abs(found.of_words).max() > 0.02
        assert found.of_words[0] != 0 and not found.of_words[7:].any()
        # The demo's run has no published encoder.
        assert not found.of_sentence.any()


def test_an_unknown_video_is_refused(searcher: Searcher) -> None:
    with pytest.raises(InputError, match="no video 'nobody'"):
        searcher.explain(TEXT, "nobody")
