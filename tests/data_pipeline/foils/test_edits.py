"""Foils that are made from a caption and its graph: the parser finds in the false text the graph that was derived."""

import dataclasses

import pytest

from data_pipeline.foils.exchanges import modifier_exchanges, role_exchanges, with_order_exchanged
from data_pipeline.foils.foil_words import slots_of
from data_pipeline.foils.polarity import opposites
from data_pipeline.foils.text_edits import Captioned, with_article, with_words
from data_pipeline.graphs.graph import Modifier, Node, SemanticGraph
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.levels import ENTITY


def parsed(parser: CaptionParser, text: str) -> Captioned:
    return Captioned(text, next(iter(parser.parse([text]))))


def assert_as_parsed(parser: CaptionParser, foil: Captioned) -> None:
    found = parsed(parser, foil.text).graph
    assert said(foil) == said(Captioned(foil.text, found))


def said(caption: Captioned) -> tuple[list[tuple[object, ...]], set[tuple[object, ...]]]:
    """What a graph says, with the words at each span, but not in which order relationships stand."""
    text, graph = caption
    nodes: list[tuple[object, ...]] = [
        (
            node.level,
            text[slice(*node.span)].lower(),
            node.lemma,
            node.role,
            node.negated,
            {(one.kind, one.lemma, text[slice(*one.span)].lower()) for one in node.modifiers},
        )
        for node in graph.nodes
    ]
    edges: set[tuple[object, ...]] = {
        (edge.source, edge.role, edge.target, edge.negated) for edge in graph.relationships
    }
    return nodes, edges


@pytest.mark.parametrize(
    ("text", "foils"),
    [
        ("a red ball pushes the blue box", ["the blue box pushes a red ball"]),
        ("a dog is running away from a cat", ["a cat is running away from a dog"]),
        ("A man behind a car is singing", ["A car behind a man is singing"]),
        ("the cup is on the table", ["the table is on the cup"]),
        ("two people watch three dogs", ["three dogs watch two people"]),
        pytest.param("a man is not wearing a hat", [], id="a denied action"),
        pytest.param("no dog is on the table", [], id="a denied thing"),
        pytest.param("a cup that is not on the table", [], id="a denied place"),
        pytest.param("there is a cat on the table", [], id="there is"),
        pytest.param("there are no people in the room", [], id="there are no"),
        pytest.param("every child holds a ball", [], id="a word would stay behind"),
        pytest.param("two people are in the room", [], id="people are many"),
        pytest.param("a group of boys watches a dog", [], id="a group without its boys"),
    ],
)
def test_roles_are_exchanged(parser: CaptionParser, text: str, foils: list[str]) -> None:
    found = role_exchanges(parsed(parser, text))
    assert [foil.text for foil in found] == foils
    for foil in found:
        assert_as_parsed(parser, foil)


@pytest.mark.parametrize(
    ("text", "foil"),
    [
        ("a red ball pushes a blue box", "a blue ball pushes a red box"),
        ("an orange ball pushes a blue box", "a blue ball pushes an orange box"),
    ],
)
def test_modifiers_are_exchanged(parser: CaptionParser, text: str, foil: str) -> None:
    (found,) = modifier_exchanges(parsed(parser, text))
    assert found.text == foil
    assert_as_parsed(parser, found)


def test_what_is_denied_keeps_its_words(parser: CaptionParser) -> None:
    denied = parsed(parser, "a tall man without a red hat is not wearing a blue scarf")
    assert [slot.lemma for slot in slots_of(denied)] == ["man", "tall"]
    assert modifier_exchanges(denied) == []


@pytest.mark.parametrize(
    ("text", "foil"),
    [
        ("a man sings before he dances", "a man sings after he dances"),
        ("after a man sings, he dances", "before a man sings, he dances"),
        ("a man sings and then dances", "a man dances and then sings"),
        ("A dog jumps, then a cat runs away", "A cat runs away, then a dog jumps"),
        ("a man is singing and dancing", None),
        ("a man sings", None),
    ],
)
def test_the_order_of_two_actions_is_exchanged(parser: CaptionParser, text: str, foil: str | None) -> None:
    found = with_order_exchanged(parsed(parser, text))
    assert (found and found.text) == foil
    if found:
        assert_as_parsed(parser, found)


@pytest.mark.parametrize(
    ("text", "foil"),
    [
        ("a man with a hat", "a man without a hat"),
        ("a man without a hat", "a man with a hat"),
        ("a dog is running", "a dog is not running"),
        ("a dog is not running", "a dog is running"),
        ("a dog isn't running", "a dog is running"),
        ("people are wearing helmets", "people are not wearing helmets"),
        ("people are not wearing helmets", "people are wearing helmets"),
        ("a boy kicks the ball", "a boy does not kick the ball"),
        ("a boy does not kick the ball", "a boy kicks the ball"),
    ],
)
def test_the_opposite_is_said(parser: CaptionParser, text: str, foil: str) -> None:
    (found,) = opposites(parsed(parser, text))
    assert found.text == foil
    assert_as_parsed(parser, found)


def test_spans_follow_words_that_change_their_length() -> None:
    node = Node(ENTITY, (2, 10), "ball", "ball", "none", (Modifier("colour", (2, 5), "red"),))
    other = Node(ENTITY, (15, 18), "box", "box", "none")
    caption = Captioned(
        "a red ball by a box", SemanticGraph((node, dataclasses.replace(other, span=(16, 19))), ())
    )
    text, graph = with_article(with_words(caption, (2, 5), "orange"), 2)
    assert text == "an orange ball by a box"
    assert [text[slice(*one.span)] for one in graph.nodes] == ["orange ball", "box"]
    assert text[slice(*graph.nodes[0].modifiers[0].span)] == "orange"
