"""The scores of an index are those of the model: equal to the evaluation's on the same numbers, whatever the shapes."""

import dataclasses

import jax
import numpy as np
import pytest

from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.stages import exact_scores
from mcsan_jax.search.stages.exact_scores import CollectionScorer
from tests.support.made_up_vectors import draw_texts, draw_videos, rounded, stored

PARAMETERS = ScoringParameters(
    {
        level: np.float32(weight)
        for level, weight in zip(
            ("global", "entity", "action", "relationship"), (0.1, 0.2, 0.3, 0.4), strict=True
        )
    },
    np.float32(0.07),
    np.float32(0.2),
)
ALL = Config(similarity=SimilarityConfig(attribute_share=0.3))


def of_evaluation(
    videos: VideoEmbeddings, texts: TextCollection, config: Config = ALL
) -> dict[str, np.ndarray]:
    scorer = BlockScorer(videos.collection, texts, jax.tree.map(jax.numpy.asarray, PARAMETERS), config)
    found = scorer.scores_of(np.arange(len(videos)), np.arange(len(texts)))
    return {name: scores.T for name, scores in found.items()}


def check(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert next(iter(found)) == FUSED and set(found) == set(expected)
    for name, scores in expected.items():
        np.testing.assert_allclose(found[name], scores, rtol=0, atol=1e-5, err_msg=name)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_scores, "_ROWS", 8)
    monkeypatch.setattr(exact_scores, "_BLOCK", 4)


@pytest.mark.parametrize("number_type", ["float16", "int8"])
@pytest.mark.parametrize("missing_levels", ["renormalize", "zero"])
def test_all_scores_are_those_of_the_evaluation(number_type: str, missing_levels: str) -> None:
    config = dataclasses.replace(
        ALL, similarity=SimilarityConfig(attribute_share=0.3, missing_levels=missing_levels)
    )
    videos, texts = draw_videos(20), draw_texts(5)
    # Two segments, the first with removed videos; neither fills its blocks.
    halves = [videos.take(range(11)), videos.take(range(11, 20))]
    segments = [stored(halves[0], number_type, (0, 4)), stored(halves[1], number_type)]
    live = [rounded(half, segment) for half, segment in zip(halves, segments, strict=True)]
    whole = jax.tree.map(
        lambda *parts: np.concatenate(parts), *(dataclasses.replace(one, ids=()) for one in live)
    )
    whole = dataclasses.replace(whole, ids=live[0].ids + live[1].ids)
    scorer = CollectionScorer(segments, PARAMETERS, config)
    assert len(scorer) == len(whole) == 18
    expected = of_evaluation(whole, texts, config)
    check(scorer.scores(texts), expected)
    for rows in ([17, 3], [9, 9, 0], list(range(17, 2, -1))):
        check(
            scorer.scores(texts, np.array(rows)), {name: of_all[:, rows] for name, of_all in expected.items()}
        )


def test_a_text_scores_alike_alone_and_among_others() -> None:
    videos, texts = draw_videos(9), draw_texts(70)
    scorer = CollectionScorer([stored(videos)], PARAMETERS, ALL)
    together = scorer.scores(texts)
    check(together, of_evaluation(rounded(videos, stored(videos)), texts))
    for row in (0, 63, 69):
        alone = scorer.scores(texts.rows(np.array([row])))
        for name, scores in alone.items():
            np.testing.assert_allclose(scores[0], together[name][row], rtol=0, atol=1e-6)


def test_another_segment_copies_and_compiles_nothing_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    videos, more, texts = draw_videos(16), draw_videos(3, 5), draw_texts(2)
    first, second = stored(videos), stored(more)
    scorer = CollectionScorer([first], PARAMETERS, ALL)
    before = scorer.scores(texts)
    compiled = exact_scores._compiled_scorer(ALL.similarity, "float32")
    programs, copied = compiled._cache_size(), []
    put = exact_scores.blocks_on_device
    monkeypatch.setattr(
        exact_scores,
        "blocks_on_device",
        lambda arrays, rows: copied.append(len(arrays["pooled"])) or put(arrays, rows),
    )
    scorer.take_segments([dataclasses.replace(first, live=np.arange(1, 16)), second])
    after = scorer.scores(texts)
    assert copied == [3] and compiled._cache_size() == programs
    assert len(scorer) == 18
    np.testing.assert_array_equal(after[FUSED][:, :15], before[FUSED][:, 1:])


def test_an_index_without_videos_has_no_scores() -> None:
    assert CollectionScorer([], PARAMETERS, ALL).scores(draw_texts(2))[FUSED].shape == (2, 0)
