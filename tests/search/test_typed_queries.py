"""Queries of real users reach answers, with notes of how they were read and scored."""

import pytest

from data_pipeline.errors import InputError
from data_pipeline.levels import GLOBAL, NODE_LEVELS
from mcsan_jax.scoring.multi_level import LINEAR
from mcsan_jax.search.answers import SearchRequest, SearchResult
from mcsan_jax.search.index_searcher import IndexSearcher


def search(searcher: IndexSearcher, text: str) -> SearchResult:
    return searcher.search(SearchRequest(text, k=5, min_probability=0.0))


@pytest.mark.parametrize("text", ["un perro corre en la playa", "собака ловит мяч", "red 🚗", "12345"])
def test_a_text_without_graph_is_scored_by_the_global_level(demo_searcher: IndexSearcher, text: str) -> None:
    result = search(demo_searcher, text)
    assert any("the global level alone scores it" in note for note in result.notes)
    weights = demo_searcher.model.scoring_parameters
    for answer in result.answers:
        assert set(answer.level_scores) <= {GLOBAL, LINEAR}
        assert answer.moments == () and set(answer.contributions) <= {GLOBAL, LINEAR}
        share = 0.0 if weights.linear_share is None else float(weights.linear_share)
        expected = (1 - share) * answer.level_scores[GLOBAL] + share * answer.level_scores.get(LINEAR, 0.0)
        assert answer.score == pytest.approx(expected, abs=1e-5)
        assert sum(answer.contributions.values()) == pytest.approx(answer.score, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "as_if"),
    [
        ("A RED STAR SPINS", "a red star spins"),
        ("show me a red star", "a red star"),
        ("is there a blue box in the video", "a blue box"),
        ("a red traingle spins", "a red triangle spins"),
        ("#star", "star"),
    ],
)
def test_it_is_searched_for_what_is_meant(demo_searcher: IndexSearcher, text: str, as_if: str) -> None:
    found, expected = search(demo_searcher, text), search(demo_searcher, as_if)
    assert [answer.video for answer in found.answers] == [answer.video for answer in expected.answers]
    assert [answer.score for answer in found.answers] == pytest.approx(
        [answer.score for answer in expected.answers], abs=1e-6
    )
    assert found.answers


def test_a_bare_noun_phrase_and_a_list_meet_frames(demo_searcher: IndexSearcher) -> None:
    for text, things in (("red star", ("red star",)), ("star, box, ball", ("star", "box", "ball"))):
        result = search(demo_searcher, text)
        assert result.steps[0].nodes["entity"] == things
        assert all(len(answer.moments) == 1 for answer in result.answers)
        assert all(set(answer.level_scores) & set(NODE_LEVELS) == {"entity"} for answer in result.answers)


def test_ten_thousand_characters_are_answered(demo_searcher: IndexSearcher) -> None:
    result = search(demo_searcher, "a red star moves and " * 1000)
    assert result.answers
    assert any("it was read up to word" in note for note in result.notes)
    assert any("the model reads no further than word" in note for note in result.notes)


@pytest.mark.parametrize("text", ["🐶 🎾", "?!", " "])
def test_signs_alone_are_refused_by_name(demo_searcher: IndexSearcher, text: str) -> None:
    with pytest.raises(InputError, match="there is nothing to search for") as refused:
        search(demo_searcher, text)
    assert repr(text) in str(refused.value).replace("\\\\", "\\")


def test_parts_are_contributions(demo_searcher: IndexSearcher) -> None:
    result = search(demo_searcher, "show me a red star then a traingle without a blue box -ball")
    assert result.notes[:3] == (
        "read as 'a red star', then 'a traingle', without 'a blue box' and 'ball'",
        "left out 'show me', which asks for a video and describes none",
        "read 'traingle' as 'triangle'; in quotes it is taken as it is",
    )
    for answer in result.answers:
        parts = {"order", "without a blue box", "without ball"}
        assert parts <= set(answer.contributions)
        assert all(answer.contributions[part] <= 0 for part in parts)
        assert sum(answer.contributions.values()) == pytest.approx(answer.score, abs=1e-5)
        assert [moment.text for moment in answer.moments] == ["a red star", "a triangle"]
        first, second = answer.moments
        assert first.last < second.first
