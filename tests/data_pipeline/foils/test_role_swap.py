import pytest

from data_pipeline.foils.exchanges import swap_roles
from data_pipeline.foils.text_edits import Captioned
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import CaptionParser


def parse(parser: CaptionParser, text: str) -> SemanticGraph:
    return next(iter(parser.parse([text])))


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("a dog chases a cat", "a cat chases a dog"),
        ("A dog chases the black cat in a garden", "The black cat chases a dog in a garden"),
        ("two men are fighting three women", "three women are fighting two men"),
        ("a cat is chased by a big dog", "a big dog is chased by a cat"),
        ("a woman in a hat kicks a man while a boy sings", "a man in a hat kicks a woman while a boy sings"),
    ],
)
def test_two_entities_exchange_their_roles(parser: CaptionParser, text: str, swapped: str) -> None:
    graph = parse(parser, text)
    found = swap_roles(Captioned(text, graph))
    assert found is not None
    assert found[0] == swapped
    # The graph that was derived is the one that the parser finds.
    assert found[1].triples() == parse(parser, swapped).triples()
    for node in found[1].nodes:
        assert node.head in swapped[slice(*node.span)].lower()
    assert swap_roles(found) is not None
    again = swap_roles(found)
    assert again is not None and again[0].lower() == text.lower() and again[1].triples() == graph.triples()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a dog is running", id="no patient"),
        pytest.param("a red ball on a table", id="no action"),
        pytest.param("he chases a cat", id="a pronoun"),
        pytest.param("a man walks his dog", id="a possession"),
        pytest.param("a dog chases another dog", id="the same"),
        pytest.param("a dog chases two cats", id="the verb would not agree"),
        pytest.param("a man and a woman chase a cat", id="two agents"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_cannot_be_exchanged_is_left_alone(parser: CaptionParser, text: str) -> None:
    assert swap_roles(Captioned(text, parse(parser, text))) is None
