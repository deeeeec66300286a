import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from data_pipeline.graphs.attributes import AttributeVocabulary, attributes_of, select_attributes
from data_pipeline.graphs.graph import (
    AGENT,
    COLOUR,
    COUNT,
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
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.levels import ACTION, ENTITY
from data_pipeline.records.make import CaptionEncoder
from data_pipeline.records.schema import ACTION_NODE, ENTITY_NODE
from data_pipeline.text.sentencepiece_model import KINDS, train_tokenizer
from data_pipeline.text.tokenizer import Tokenizer

TEXT = "A big dog chases the cat"
GRAPH = SemanticGraph(
    nodes=(
        Node(ENTITY, (2, 9), "dog", "dog", AGENT),
        Node(ACTION, (10, 16), "chases", "chase", NO_ROLE),
        Node(ENTITY, (21, 24), "cat", "cat", PATIENT),
    ),
    relationships=(Relationship(1, AGENT, 0), Relationship(1, PATIENT, 2)),
)
MAXIMUM = {"entity": 9, "action": 9, "relationship": 9}


def mine(*videos: Sequence[SemanticGraph]) -> AttributeVocabulary:
    counts = collections.Counter(pair for graphs in videos for pair in attributes_of(graphs))
    return select_attributes(counts, 1, MAXIMUM)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer([TEXT, "a man"], tmp_path_factory.mktemp("tokenizer") / "model", "word", 50)


@pytest.fixture(scope="module")
def vocabulary() -> AttributeVocabulary:
    return mine([GRAPH])


def test_nodes_and_edges_in_tokens(tokenizer: Tokenizer, vocabulary: AttributeVocabulary) -> None:
    encoded = CaptionEncoder(tokenizer, vocabulary).encode("v#0", TEXT, GRAPH)
    assert (encoded.caption_id, encoded.text, len(encoded.token_ids)) == ("v#0", TEXT, 6)
    assert encoded.node_levels == [ENTITY_NODE, ACTION_NODE, ENTITY_NODE]
    assert encoded.node_spans == [(1, 3), (3, 4), (5, 6)]
    assert [ROLES[role] for role in encoded.node_roles] == [AGENT, NO_ROLE, PATIENT]
    assert [(a, b, ROLES[role]) for a, b, role, _ in encoded.edges] == [(1, 0, AGENT), (1, 2, PATIENT)]
    assert encoded.node_negations == [0, 0, 0] and encoded.modifiers == []
    assert [negated for *_, negated in encoded.edges] == [0, 0]


def test_modifiers_and_denials_in_tokens(tokenizer: Tokenizer, vocabulary: AttributeVocabulary) -> None:
    dog, chases, cat = GRAPH.nodes
    # The last is of a node without a token, and one modifier has no token itself.
    gone = Node(ENTITY, (40, 43), "cat", "cat", PATIENT, (Modifier(COLOUR, (2, 5), "big"),))
    denied = dataclasses.replace(cat, negated=True, modifiers=(Modifier(COUNT, (17, 20), "the"),))
    big = dataclasses.replace(dog, modifiers=(Modifier(SIZE, (2, 5), "big"), Modifier(SIZE, (40, 41), "x")))
    edges = (Relationship(2, AGENT, 1, negated=True), Relationship(2, PATIENT, 3))
    encoded = CaptionEncoder(tokenizer, vocabulary).encode(
        "v#0", TEXT, SemanticGraph((gone, big, chases, denied), edges)
    )
    assert encoded.node_negations == [0, 0, 1]
    kinds = [MODIFIER_KINDS.index(kind) for kind in (SIZE, COUNT)]
    assert encoded.modifiers == [(0, kinds[0], 1, 2), (2, kinds[1], 4, 5)]
    roles = [ROLES.index(role) for role in (AGENT, PATIENT)]
    assert encoded.edges == [(1, 0, roles[0], 1), (1, 2, roles[1], 0)]


def test_labels_are_places_in_the_vocabulary(tokenizer: Tokenizer, vocabulary: AttributeVocabulary) -> None:
    encoded = CaptionEncoder(tokenizer, vocabulary).encode("v#0", TEXT, GRAPH)
    names = {
        level: [vocabulary.names[level][each] for each in ids] for level, ids in encoded.attributes.items()
    }
    assert names == {
        "entity": ["cat", "dog"],
        "action": ["chase"],
        "relationship": ["chase|agent|dog", "chase|patient|cat"],
    }
    nothing = mine()
    assert CaptionEncoder(tokenizer, nothing).encode("v#0", TEXT, GRAPH).attributes == {
        "entity": [],
        "action": [],
        "relationship": [],
    }


def test_node_without_token_goes_with_its_relationships(
    tokenizer: Tokenizer, vocabulary: AttributeVocabulary
) -> None:
    # The graph is of the whole caption, the text ends before the first entity.
    nodes = (GRAPH.nodes[0], GRAPH.nodes[1], Node(ENTITY, (40, 43), "cat", "cat", PATIENT))
    graph = SemanticGraph((nodes[2], *nodes[:2]), (Relationship(2, PATIENT, 0), Relationship(2, AGENT, 1)))
    encoded = CaptionEncoder(tokenizer, vocabulary).encode("v#0", TEXT, graph)
    assert encoded.node_spans == [(1, 3), (3, 4)]
    assert [(a, b, ROLES[role]) for a, b, role, _ in encoded.edges] == [(1, 0, AGENT)]


def test_caption_without_nodes_has_tokens(tokenizer: Tokenizer, vocabulary: AttributeVocabulary) -> None:
    encoded = CaptionEncoder(tokenizer, vocabulary).encode("v#0", "the a", SemanticGraph((), ()))
    assert len(encoded.token_ids) == 2
    assert encoded.node_spans == encoded.edges == encoded.node_levels == []


@pytest.mark.parametrize("kind", KINDS)
def test_spans_of_parsed_captions_cover_their_words(parser: CaptionParser, kind: str, tmp_path: Path) -> None:
    texts = [
        "A young woman is making-up a doll, slowly",
        "two men are playing  ping-pong in a hall",
        "a cat jumps over the fence and runs away",
        "Ein Café in Zürich: people drink coffee",
    ]
    tokenizer = train_tokenizer(texts, tmp_path / "model", kind, 60)
    graphs = list(parser.parse(texts))
    encoder = CaptionEncoder(tokenizer, mine(graphs))
    for text, graph in zip(texts, graphs, strict=True):
        encoded = encoder.encode("v#0", text, graph)
        offsets = tokenizer.encode(text).offsets
        assert len(encoded.node_spans) == len(graph.nodes) > 0
        for node, (first, end) in zip(graph.nodes, encoded.node_spans, strict=True):
            assert offsets[first][0] <= node.span[0] and node.span[1] <= offsets[end - 1][1]
            # Not one token more than needed.
            assert node.span[0] < offsets[first][1] and offsets[end - 1][0] < node.span[1]
