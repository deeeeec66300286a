"""Candidates and exact scores of them find what scoring all videos finds."""

import math

import numpy as np
import pytest

from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.stage_one import stage_one_videos
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.stages import two_stages
from mcsan_jax.search.stages.candidate_recall import measure_recall, texts_like
from mcsan_jax.search.stages.exact_scores import CollectionScorer
from mcsan_jax.search.stages.two_stages import CandidateSearch, Mix, ScoredVideos
from tests.search.test_exact_scores import ALL, PARAMETERS
from tests.support.made_up_vectors import draw_texts, draw_videos, stored

VIDEOS, TEXTS = 600, 6
EACH = [Mix((text,), (1.0,)) for text in range(TEXTS)]


@pytest.fixture(scope="module")
def searched() -> CandidateSearch:
    videos = draw_videos(VIDEOS)
    numbers = 7 * np.arange(VIDEOS)
    engine = FlatEngine()
    engine.insert(numbers, stage_one_videos(videos, PARAMETERS, ALL.similarity))
    scorer = CollectionScorer([stored(videos)], PARAMETERS, ALL)
    return CandidateSearch(scorer, engine, numbers, PARAMETERS, ALL.similarity)


def best(found: ScoredVideos, k: int = 5, weights: tuple[float, ...] = (1.0,)) -> list[int]:
    fused = np.asarray(weights) @ found.scores[FUSED]
    return found.rows[np.argsort(-fused, kind="stable")][:k].tolist()


def test_few_videos_are_all_scored(searched: CandidateSearch) -> None:
    for found in searched.search(draw_texts(TEXTS), EACH, 5):
        assert found.rows.tolist() == list(range(VIDEOS))
        assert found.scores[FUSED].shape == (1, VIDEOS)


def test_two_stages_find_the_same_answers(searched: CandidateSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = draw_texts(TEXTS)
    all_scored = searched.search(texts, EACH, 5, exact=True)
    monkeypatch.setattr(two_stages, "EXACT_UP_TO", 100)
    some_scored = searched.search(texts, EACH, 5, candidates=40)
    assert sum(len(found.rows) for found in some_scored) < 0.8 * TEXTS * VIDEOS
    for found, expected in zip(some_scored, all_scored, strict=True):
        assert best(found) == best(expected)
        for name, scores in found.scores.items():
            np.testing.assert_allclose(scores, expected.scores[name][:, found.rows], rtol=0, atol=1e-6)
    # The last text has no node, so that its stage-1 vector is exact, and the first batch is enough.
    assert len(some_scored[-1].rows) == 40


def test_a_mix_of_texts_is_searched_as_one(searched: CandidateSearch) -> None:
    mixes = [Mix((1, 3), (0.5, 0.5)), Mix((4, 2), (1.0, -0.5))]
    texts = draw_texts(TEXTS)
    for mix, found, expected in zip(
        mixes,
        searched.search(texts, mixes, 5, candidates=40, exact=False),
        searched.search(texts, mixes, 5, exact=True),
        strict=True,
    ):
        assert found.scores[FUSED].shape == (2, len(found.rows))
        assert best(found, 5, mix.weights) == best(expected, 5, mix.weights)


def test_only_allowed_videos_are_candidates(searched: CandidateSearch) -> None:
    texts, among = draw_texts(TEXTS), np.arange(VIDEOS) % 3 == 1
    for exact in (True, False):
        for found in searched.search(texts, EACH, 5, candidates=40, among=among, exact=exact):
            assert set(found.rows.tolist()) <= set(np.flatnonzero(among).tolist())
    nothing = searched.search(texts, EACH, 5, among=np.zeros(VIDEOS, bool))
    assert [len(found.rows) for found in nothing] == [0] * TEXTS
    assert nothing[0].scores[FUSED].shape == (1, 0)


def test_the_expected_misses_are_those_of_the_formula() -> None:
    draw = np.random.default_rng(0)
    scores, above, left = draw.normal(0.3, 0.1, 50), draw.normal(0.02, 0.05, 20), draw.normal(0.1, 0.05, 30)
    worst = sorted(scores)[-7]
    mean = sum(above) / 20
    deviation = 1.1 * math.sqrt(sum((one - mean) ** 2 for one in above) / 20)
    expected = sum(0.5 * math.erfc((worst - one - mean) / deviation / math.sqrt(2)) for one in left)
    assert two_stages._expected_misses(scores, above, left, 7) == pytest.approx(expected, rel=1e-9)


def test_more_answers_than_videos_are_all_videos(searched: CandidateSearch) -> None:
    (found,) = searched.search(draw_texts(1), [Mix((0,), (1.0,))], 10**6, exact=False)
    assert len(found.rows) == VIDEOS


def test_recall_counts_the_best_among_the_candidates(searched: CandidateSearch) -> None:
    texts = draw_texts(80)
    found = measure_recall(searched, texts, counts=(20, 100, VIDEOS))
    fused = searched.scorer.scores(texts)[FUSED]
    products = (
        searched.vectors_of(texts) @ stage_one_videos(draw_videos(VIDEOS), PARAMETERS, ALL.similarity).T
    )
    for count in (20, 100, VIDEOS):
        kept = [
            len(set(np.argsort(-of_text)[:10]) & set(np.argsort(-near)[:count])) / 10
            for of_text, near in zip(fused, products, strict=True)
        ]
        assert found.shares[count] == pytest.approx(sum(kept) / 80)
    assert 0 < found.shares[20] < found.shares[100] < found.shares[VIDEOS] == 1
    assert (found.queries, found.videos, found.share) == (80, VIDEOS, 1.0) and 500 <= found.scored <= VIDEOS


def test_texts_like_videos_have_frames_as_nodes() -> None:
    videos = draw_videos(5)
    texts = texts_like(videos)
    assert len(texts) == 5 and texts.pooled is videos.pooled
    for level, nodes in texts.nodes.items():
        assert nodes.counts[1] == 0 and nodes.counts[0] >= 1
        first = nodes.queries[: nodes.counts[0]]
        assert all((videos.frames[level].directions[0] == node).all(axis=1).any() for node in first)


def test_videos_that_the_index_does_not_know_are_no_candidates() -> None:
    videos, texts = draw_videos(30), draw_texts(2)
    engine = FlatEngine()
    engine.insert(np.arange(30), stage_one_videos(videos, PARAMETERS, ALL.similarity))
    kept = stored(videos, removed=tuple(range(0, 30, 2)))
    search = CandidateSearch(
        CollectionScorer([kept], PARAMETERS, ALL), engine, kept.live, PARAMETERS, ALL.similarity
    )
    for rows in search.candidates(texts, 30):
        assert sorted(rows.tolist()) == list(range(15))
