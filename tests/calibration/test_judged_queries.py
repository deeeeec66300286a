import dataclasses

import numpy as np
import pytest

from mcsan_jax.calibration import judged_queries
from mcsan_jax.calibration.judged_queries import QueryScores
from mcsan_jax.ranking.counting import count_ranks
from mcsan_jax.ranking.rank_split import ScoredSplit
from mcsan_jax.scoring.multi_level import FUSED
from tests.support.memory_split import CAPTIONS, VIDEOS, MemorySplit, Setting, scored_split

SHARED = {5: "Something else", 8: "something  else"}
"""Captions of the same text; capitals and spaces count for nothing."""


@pytest.fixture
def scored(setting: Setting, split: MemorySplit) -> ScoredSplit:
    evaluation = dataclasses.replace(setting.config.evaluation, encoded_bytes=4_000)
    config = dataclasses.replace(setting.config, evaluation=evaluation)
    found = scored_split(setting, split, config)
    texts = [SHARED.get(caption, text) for caption, text in enumerate(found.captions.texts)]
    return dataclasses.replace(found, captions=dataclasses.replace(found.captions, texts=texts))


def test_scores_and_judgements_are_those_of_the_whole_matrix(
    scored: ScoredSplit, split: MemorySplit, matrices: dict[str, np.ndarray]
) -> None:
    assert sum(map(len, scored.scorer.blocks())) > 3
    queries = QueryScores(scored)
    count_ranks(scored.scorer, scored.matches, [queries])
    judged = queries.judged()
    assert judged.scores.shape == (CAPTIONS, VIDEOS)
    np.testing.assert_allclose(judged.scores, matrices[FUSED].T, atol=1e-6)
    np.testing.assert_array_equal(judged.owners, split.owners)
    for caption in range(CAPTIONS):
        own = {int(split.owners[caption])}
        assert set(np.flatnonzero(judged.relevant[caption])) == own
        sharing = {int(split.owners[other]) for other in SHARED} if caption in SHARED else set()
        assert set(np.flatnonzero(judged.alike[caption])) == own | sharing


def test_queries_are_spread_over_a_large_split(
    scored: ScoredSplit, split: MemorySplit, matrices: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged_queries, "MOST_CELLS", 9 * VIDEOS)
    queries = QueryScores(scored)
    assert queries.captions.tolist() == list(range(0, CAPTIONS, 3))
    count_ranks(scored.scorer, scored.matches, [queries])
    judged = queries.judged()
    np.testing.assert_allclose(judged.scores, matrices[FUSED].T[::3], atol=1e-6)
    np.testing.assert_array_equal(judged.owners, split.owners[::3])
    assert judged.relevant.sum() == 9 and judged.alike.sum() == 9


def test_processes_join_what_each_has_seen(scored: ScoredSplit, matrices: dict[str, np.ndarray]) -> None:
    texts = (slice(0, 11), slice(11, CAPTIONS))
    seen = [QueryScores(scored) for _ in texts]
    for one, columns in zip(seen, texts, strict=True):
        one.count(matrices[FUSED][:, columns], slice(0, VIDEOS), columns)
    given: list[np.ndarray] = []

    def note(array: np.ndarray) -> np.ndarray:
        given.append(array)
        return array[None]

    seen[1].share_counts(note)
    seen[0].share_counts(lambda own: np.stack([own, given[0]]))
    np.testing.assert_array_equal(seen[0].judged().scores, matrices[FUSED].T)


def test_rare_sets_of_levels_are_left_out(scored: ScoredSplit, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = scored.captions.collection.nodes
    sets = [tuple(sorted(level for level in nodes if nodes[level].counts[c])) for c in range(CAPTIONS)]
    every = QueryScores(scored).levels()
    assert len(every) > 1 and {tuple(one) for one in every} == set(sets)
    monkeypatch.setattr(judged_queries, "LEAST_SHARE", 0.3)
    common = {one for one in sets if sets.count(one) >= 0.3 * CAPTIONS}
    assert {tuple(one) for one in QueryScores(scored).levels()} == common
