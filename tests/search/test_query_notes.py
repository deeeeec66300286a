"""What users type beside captions: slips, other languages, words without a graph, more than the model reads."""

import pathlib

import pytest

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.levels import ENTITY
from data_pipeline.manifest import Manifest
from data_pipeline.prepared_data import QueryParser
from mcsan_jax.search.queries.notes import corrected, query_notes
from mcsan_jax.search.query_language import ParsedQuery, parse_query

LIMITS = BatchLimits(
    max_frames=12, max_tokens=24, max_actions=2, max_entities=3, max_relationships=4, max_modifiers=4
)


@pytest.fixture(scope="module")
def parser(shapes: pathlib.Path) -> QueryParser:
    return QueryParser(shapes, Manifest.load(shapes), LIMITS)


def notes_of(parser: QueryParser, text: str) -> tuple[str, ...]:
    (query,) = parser.parse([text])
    return query_notes(query)


def test_slips_are_corrected_and_said(parser: QueryParser) -> None:
    parsed = corrected(parse_query("a womna then a traingle without a wegde"), parser)
    assert parsed.steps == ("a woman", "a triangle")
    assert parsed.negatives == ("a wedge",)
    assert parsed.notes[1:] == (
        "read 'womna' as 'woman'; in quotes it is taken as it is",
        "read 'traingle' as 'triangle'; in quotes it is taken as it is",
        "read 'wegde' as 'wedge'; in quotes it is taken as it is",
    )


@pytest.mark.parametrize(
    "text",
    [
        "a red triangle spins",
        "A RED TRIANGLE",
        'a "traingle" spins',
        "squidward plays minecraft",
        "traingle.mp4 on www.gitar.com",
        "a man doesn't walk",
        # Another language is not taken for misspelt English.
        "un homme joue de la guitare",
    ],
)
def test_what_is_right_or_quoted_or_a_name_stays(parser: QueryParser, text: str) -> None:
    parsed = parse_query(text)
    assert corrected(parsed, parser) == parsed


@pytest.mark.parametrize(
    "text", ["red car", "dog, cat", "A RED CAR", "a gitar", "where is the dog?", "play a song", "a dog 🐶"]
)
def test_a_text_with_a_graph_needs_no_note(parser: QueryParser, text: str) -> None:
    assert notes_of(parser, text) == ()


@pytest.mark.parametrize("text", ["the", "12345", "red 🚗", "very slowly"])
def test_a_text_without_nodes_is_said_to_be_scored_as_a_whole(parser: QueryParser, text: str) -> None:
    assert notes_of(parser, text) == (
        f"no thing and no action was found in {text!r}: the global level alone scores it, as a whole",
    )


@pytest.mark.parametrize("text", ["ein hund fängt einen ball", "собака ловит мяч", "一只狗"])
def test_another_language_is_said_to_be_scored_as_a_whole(parser: QueryParser, text: str) -> None:
    (query,) = parser.parse([text])
    assert query.is_foreign
    assert not any(query.phrases.values())
    assert query_notes(query) == (
        f"{text!r} does not look like English, which graphs are made of: the global level alone scores it, as a whole",
    )
    assert query_notes(query, levels=[ENTITY])[0].endswith("the model has no level that could score it")


def test_the_word_is_named_up_to_which_the_model_reads(parser: QueryParser) -> None:
    (query,) = parser.parse(["a red star moves and " * 500])
    (note,) = query_notes(query)
    read = len(dict.fromkeys(query.word_of_token.tolist()))
    assert len(query.word_of_token) == LIMITS.max_tokens
    assert 5 <= read <= LIMITS.max_tokens
    assert f"has 2,500 words; the model reads no further than word {read}, {query.words[read - 1]!r}" in note


def test_things_beyond_the_room_for_them_are_counted(parser: QueryParser) -> None:
    (note,) = notes_of(parser, "star, box, ball, disc")
    assert "of the 4 things and actions in 'star, box, ball, disc' the model has room for 3" in note


def test_a_query_of_one_part_has_no_note_of_its_reading(parser: QueryParser) -> None:
    assert corrected(parse_query("a dog"), parser) == ParsedQuery(("a dog",), (), ())
