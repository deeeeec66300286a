"""What the graphs of forty sentences and queries say, whole: nodes, modifiers, roles, order and what is denied.

In ``sentences.jsonl`` a node is its lemma with its modifiers in parentheses, and "not" stands before what is denied.
"""

import json
import pathlib

import pytest

from data_pipeline.graphs.graph import Node
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.levels import ACTION, ENTITY

SENTENCES = [
    json.loads(line)
    for line in pathlib.Path(__file__).with_name("sentences.jsonl").read_text("utf-8").splitlines()
]


def described(node: Node) -> str:
    modifiers = "".join(f" ({one.kind} {one.lemma})" for one in node.modifiers)
    return f"{'not ' * node.negated}{node.lemma}{modifiers}"


@pytest.mark.parametrize("expected", SENTENCES, ids=[row["caption"] for row in SENTENCES])
def test_a_graph_says_what_its_sentence_says(parser: CaptionParser, expected: dict) -> None:
    (graph,) = parser.parse([expected["caption"]])
    nodes = {
        level: [described(node) for node in graph.nodes if node.level == level] for level in (ENTITY, ACTION)
    }
    assert nodes == {ENTITY: expected["entities"], ACTION: expected["actions"]}
    edges = zip(graph.relationships, graph.triples(), strict=True)
    assert [f"{'not ' * edge.negated}{triple}" for edge, triple in edges] == expected["triples"]


# Verbs that parsers take for nouns, adjectives or participles, and subjects and objects that they miss.
WHO_DOES_WHAT = {
    "the camera pans left": ["pan|agent|camera"],
    "a recipe is prepared": ["prepare|patient|recipe"],
    "an owl is being pet by a person": ["pet|patient|owl", "pet|agent|person"],
    "someone is open a car trunk": ["open|agent|someone", "open|patient|trunk"],
    "a man digs holes": ["dig|agent|man", "dig|patient|hole"],
    "a male voice does commentary": ["do|agent|voice", "do|patient|commentary"],
    "a person shows off a car on a stage": ["show|agent|person", "show|patient|car", "show|on|stage"],
    "a woman with hair pulled back stands on a stage": [
        "woman|with|hair",
        "pull|patient|hair",
        "stand|agent|woman",
        "stand|on|stage",
    ],
    "a group of people watching kids resist": [
        "group|of|people",
        "watch|agent|group",
        "watch|patient|kid",
        "resist|agent|kid",
    ],
    "a video of cats playing": ["video|of|cat", "play|agent|cat"],
    "in a clip from a movie heroes are speaking": ["clip|from|movie", "speak|in|clip", "speak|agent|hero"],
    "a bird soars as bagpipes play": ["soar|agent|bird", "soar|while|play", "play|agent|bagpipe"],
    "people dance around two men fighting": ["dance|agent|people", "dance|around|man", "fight|agent|man"],
    "a man films his friends skateboarding": [
        "film|agent|man",
        "film|patient|friend",
        "skateboard|agent|friend",
    ],
    "a truck hauling logs drives up a hill": [
        "haul|agent|truck",
        "haul|patient|log",
        "drive|agent|truck",
        "drive|up|hill",
    ],
    "a man shows his friend a trick": ["show|agent|man", "show|recipient|friend", "show|patient|trick"],
    "she teaches kids math": ["teach|agent|she", "teach|recipient|kid", "teach|patient|math"],
    "the man is told a joke by a friend": ["tell|recipient|man", "tell|patient|joke", "tell|agent|friend"],
    "a man is test driving a car": ["drive|agent|man", "drive|patient|car"],
    "a man sits in a chair and talks to the camera": [
        "sit|agent|man",
        "sit|in|chair",
        "sit|while|talk",
        "talk|agent|man",
        "talk|to|camera",
    ],
}


@pytest.mark.parametrize("caption", WHO_DOES_WHAT)
def test_who_does_what(parser: CaptionParser, caption: str) -> None:
    (graph,) = parser.parse([caption])
    assert sorted(graph.triples()) == sorted(WHO_DOES_WHAT[caption])


@pytest.mark.parametrize(
    ("word", "lemma"),
    [
        ("texting", "text"),
        ("vaping", "vape"),
        ("vlogging", "vlog"),
        ("kayaks", "kayak"),
        ("twerks", "twerk"),
        ("photobombed", "photobomb"),
        ("parasailing", "parasail"),
        ("puppeteering", "puppeteer"),
    ],
)
def test_a_verb_that_no_list_has_gets_its_base_form(parser: CaptionParser, word: str, lemma: str) -> None:
    (graph,) = parser.parse([f"they are {word} it" if word.endswith("ing") else f"she {word} him"])
    assert graph.lemmas(ACTION) == [lemma]
