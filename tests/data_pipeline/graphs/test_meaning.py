"""What graphs say beyond things and actions: modifiers, spatial relations, the order of actions, and denials."""

import pytest

from data_pipeline.graphs.graph import BEFORE, WHILE, SemanticGraph
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.levels import ACTION


def parse(parser: CaptionParser, text: str) -> SemanticGraph:
    (graph,) = parser.parse([text])
    return graph


def modifiers(graph: SemanticGraph) -> list[str]:
    return [f"{node.lemma}: {one.kind} {one.lemma}" for node in graph.nodes for one in node.modifiers]


def order(graph: SemanticGraph) -> list[str]:
    return [
        triple
        for edge, triple in zip(graph.relationships, graph.triples(), strict=True)
        if graph.nodes[edge.target].level == ACTION
    ]


def denied(graph: SemanticGraph) -> list[str]:
    nodes = [node.lemma for node in graph.nodes if node.negated]
    return nodes + [
        triple
        for edge, triple in zip(graph.relationships, graph.triples(), strict=True)
        if edge.negated and not any(graph.nodes[end].negated for end in (edge.source, edge.target))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "two big red wooden boxes",
            ["box: count two", "box: size big", "box: colour red", "box: material wooden"],
        ),
        ("2 men in a police car", ["man: count two", "car: sort police"]),
        ("a black and white dog runs", ["dog: colour black", "dog: colour white"]),
        ("both dogs bark", ["dog: count both"]),
        ("the bigger box", ["box: size big"]),
        # Adjectives that are said of a thing are as good as those before it.
        ("the car is red", ["car: colour red"]),
        ("a dress that is red", ["dress: colour red"]),
        ("the bottle is empty", ["bottle: quality empty"]),
        ("the tall man is very angry", ["man: size tall", "man: degree very", "man: quality angry"]),
        ("a woman paints the wall red", ["wall: colour red"]),
        ("the car is not red", ["car: colour not red"]),
        ("the girl walks very slowly", ["walk: degree very", "walk: manner slowly"]),
        ("slowly the girl walks", ["walk: manner slowly"]),
        ("a girl rides a bike fast down the road", ["ride: manner fast"]),
        ("the boy stands still", ["stand: manner still"]),
        ("the man cries a lot", ["cry: degree lot"]),
        ("the ball bounces twice", ["bounce: count twice"]),
        ("the ball moves left", ["move: direction left"]),
        ("the ball moves to the left", ["move: direction left"]),
        ("the ball rolls from left to right", ["roll: direction left to right"]),
        ("the man cheers from above", ["cheer: direction from above"]),
        ("the camera moves back and forth", ["move: direction back", "move: direction forth"]),
        # A particle tells "picks up" from "picks", and "turns on" from "turns off".
        ("a man picks up the box", ["pick: direction up"]),
        ("the dog runs upstairs", ["run: place upstairs"]),
        ("a man is standing outside", ["stand: place outside"]),
        ("the cat is outside", ["cat: place outside"]),
        ("music is playing in the background", ["play: place background"]),
        ("a dog chases the cat on the left", ["cat: place left"]),
        # Words that tell when something happens, or nothing of what is seen.
        ("then the man also sings", []),
        ("how does the man sing?", []),
        ("a man sings", []),
    ],
)
def test_modifiers(parser: CaptionParser, text: str, expected: list[str]) -> None:
    graph = parse(parser, text)
    assert modifiers(graph) == expected
    for node in graph.nodes:
        for one in node.modifiers:
            assert text[slice(*one.span)].rsplit(maxsplit=1)[-1] in (one.lemma.split()[-1], "2", "bigger")


def test_words_of_a_place_name_no_thing(parser: CaptionParser) -> None:
    for text in ("music plays in the background", "a ball on the left", "the ball moves from left to right"):
        assert not {"background", "left", "right"} & {node.lemma for node in parse(parser, text).nodes}


def test_a_place_that_something_is_said_of_is_a_thing(parser: CaptionParser) -> None:
    assert "background" in {node.lemma for node in parse(parser, "a car on a white background").nodes}
    assert "back" in {node.lemma for node in parse(parser, "a man lies on his back").nodes}


@pytest.mark.parametrize(
    ("phrase", "role"),
    [
        ("to the left of", "left_of"),
        ("on the right side of", "right_of"),
        ("left of", "left_of"),
        ("on top of", "on_top_of"),
        ("at the top of", "top_of"),
        ("at the bottom of", "bottom_of"),
        ("in the middle of", "middle_of"),
        ("in the center of", "middle_of"),
        ("on the other side of", "other_side_of"),
        ("on the opposite side of", "other_side_of"),
        ("by the side of", "side_of"),
        ("at the back of", "back_of"),
        ("in front of", "in_front_of"),
        ("in the front of", "front_of"),
        ("at the edge of", "edge_of"),
        ("in the corner of", "corner_of"),
        ("at the end of", "end_of"),
        ("next to", "next_to"),
    ],
)
def test_a_spatial_relation_is_one_edge(parser: CaptionParser, phrase: str, role: str) -> None:
    graph = parse(parser, f"a monkey sits {phrase} the road")
    assert [(node.lemma, node.modifiers) for node in graph.nodes] == [
        ("monkey", ()),
        ("sit", ()),
        ("road", ()),
    ]
    assert graph.triples() == ["sit|agent|monkey", f"sit|{role}|road"]


def test_what_something_leaves_is_a_thing(parser: CaptionParser) -> None:
    graph = parse(parser, "a man dives from the edge of a pool")
    assert graph.triples() == ["dive|agent|man", "dive|from|edge", "edge|of|pool"]


@pytest.mark.parametrize(
    "text",
    [
        "a man picks up a box before he opens the door",
        "before opening the door, a man picks up a box",
        "a man opens the door after he picks up a box",
        "after picking up a box, a man opens the door",
        "a man picks up a box then opens the door",
        "a man picks up a box and then he opens the door",
        "first a man picks up a box, then he opens the door",
        "a man picks up a box, and opens the door",
    ],
)
def test_the_earlier_action_has_the_later_one_however_it_is_said(parser: CaptionParser, text: str) -> None:
    assert order(parse(parser, text)) == [f"pick|{BEFORE}|open"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a man sings while a woman dances", ["sing|while|dance"]),
        ("while a man sings, a woman dances", ["sing|while|dance"]),
        ("the crowd cheers as he falls", ["cheer|while|fall"]),
        ("a person texting while driving", ["text|while|drive"]),
        ("a man sings and dances", ["sing|while|dance"]),
        ("a woman is singing and dancing", ["sing|while|dance"]),
        ("a boy sits and opens a box", ["sit|while|open"]),
        ("a boy jumps, runs and falls", ["jump|before|run", "run|before|fall"]),
        ("a man waits until the bus stops", ["wait|before|stop"]),
        ("a man runs or walks", []),
        ("a man who sings kicks a ball", []),
        ("a woman eats after the race", []),
    ],
)
def test_order(parser: CaptionParser, text: str, expected: list[str]) -> None:
    assert order(parse(parser, text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a man without a hat", ["hat"]),
        ("a man without a hat or shoes", ["hat", "shoe"]),
        ("a man walks without looking", ["look"]),
        ("no people in the room", ["people"]),
        ("there is no dog in the room", ["dog"]),
        ("there are not any people in the street", ["people"]),
        ("the people are not wearing helmets", ["wear", "helmet"]),
        ("a boy who isn't wearing a shirt", ["wear", "shirt"]),
        ("nobody is in the room", ["person"]),
        ("no one is dancing", ["person", "dance"]),
        ("neither the man nor the woman speaks", ["speak"]),
        ("neither dogs nor cats", ["dog", "cat"]),
        # The ball is there.
        ("the man does not kick the ball", ["kick"]),
        ("he never smiles", ["smile"]),
        ("a man fails to lift the bar", ["lift"]),
        ("people eat cake but not meat", ["meat"]),
        ("a man uses a fork instead of a knife", ["knife"]),
        # Here neither end is absent.
        ("a dog that is not on a leash", ["dog|on|leash"]),
        ("the two men are not in the car", ["man|in|car"]),
        ("not only the boy sings", []),
        ("a man with a hat", []),
    ],
)
def test_denials(parser: CaptionParser, text: str, expected: list[str]) -> None:
    assert denied(parse(parser, text)) == expected


def test_an_edge_of_a_denied_node_is_denied(parser: CaptionParser) -> None:
    graph = parse(parser, "a man without a hat kicks a ball")
    triples = zip(graph.triples(), graph.relationships, strict=True)
    assert {triple: edge.negated for triple, edge in triples} == {
        "man|with|hat": True,
        "kick|agent|man": False,
        "kick|patient|ball": False,
    }


def test_only_entities_have_a_role(parser: CaptionParser) -> None:
    graph = parse(parser, "a man sings before he dances")
    assert [node.role for node in graph.nodes if node.level == ACTION] == ["none", "none"]
    assert WHILE not in {node.role for node in graph.nodes}
