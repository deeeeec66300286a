"""Graphs in the captions' own words."""

import pytest

from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.graphs.graph import (
    AGENT,
    COLOUR,
    MANNER,
    MODIFIER_KINDS,
    NO_ROLE,
    PATIENT,
    ROLES,
    SIZE,
    Modifier,
    Node,
    Relationship,
    SemanticGraph,
)
from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS
from data_pipeline.records.make import CaptionEncoder
from data_pipeline.records.phrase_graph import denied, phrase_graph
from data_pipeline.text.sentencepiece_model import train_tokenizer
from data_pipeline.text.tokenizer import Tokenizer

TEXT = "A big dog that is brown slowly chases no cat and it is not on a leash"


def span(words: str) -> tuple[int, int]:
    start = TEXT.index(words)
    return start, start + len(words)


GRAPH = SemanticGraph(
    nodes=(
        Node(
            ENTITY,
            span("big dog"),
            "dog",
            "dog",
            AGENT,
            (Modifier(SIZE, span("big"), "big"), Modifier(COLOUR, span("brown"), "brown")),
        ),
        Node(
            ACTION, span("chases"), "chases", "chase", NO_ROLE, (Modifier(MANNER, span("slowly"), "slowly"),)
        ),
        Node(ENTITY, span("cat"), "cat", "cat", PATIENT, negated=True),
        Node(ENTITY, span("leash"), "leash", "leash", NO_ROLE),
    ),
    relationships=(
        Relationship(1, AGENT, 0),
        Relationship(1, PATIENT, 2, negated=True),
        Relationship(0, "on", 3, negated=True),
        Relationship(0, "on", 3, negated=True),
    ),
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer([TEXT], tmp_path_factory.mktemp("tokenizer") / "model", "word", 50)


def test_modifiers_and_denials_are_in_the_words(tokenizer: Tokenizer) -> None:
    nothing = AttributeVocabulary(dict.fromkeys(NODE_LEVELS, ()), dict.fromkeys(NODE_LEVELS, ()))
    caption = CaptionEncoder(tokenizer, nothing).encode("c", TEXT, GRAPH)
    shown = phrase_graph(caption, tokenizer, ROLES, MODIFIER_KINDS)
    # A modifier within the phrase is not said twice; it is the edge that is denied where neither end is.
    assert shown.phrases == ("big dog (brown)", "chases (slowly)", "not cat", "leash")
    assert shown.levels == (ENTITY, ACTION, ENTITY, ENTITY)
    assert shown.relationships == ((1, AGENT, 0), (1, PATIENT, 2), (0, "not on", 3))
    assert shown.modifiers == (((SIZE, "big"), (COLOUR, "brown")), ((MANNER, "slowly"),), (), ())
    unnamed = phrase_graph(caption, None, ROLES, MODIFIER_KINDS)
    assert unnamed.phrases[:2] == ("tokens 1–2 (tokens 5–5)", "tokens 7–7 (tokens 6–6)")


@pytest.mark.parametrize(
    ("words", "shown"),
    [("cat", "not cat"), ("Nobody", "Nobody"), ("nothing", "nothing"), ("none", "none"), ("one", "not one")],
)
def test_what_denies_itself_is_not_denied_twice(words: str, shown: str) -> None:
    assert denied(words) == shown
