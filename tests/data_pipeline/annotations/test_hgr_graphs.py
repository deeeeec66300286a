import copy

import pytest

from data_pipeline.annotations.hgr import to_semantic_graph
from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import Node, Relationship, SemanticGraph
from tests.support.small_sources import EGG, EGG_GRAPH, NOUNS_GRAPH


def phrases(sentence, graph):
    return [(node.level, sentence[slice(*node.span)], node.head, node.role) for node in graph.nodes]


def test_nodes_and_edges_are_used_as_they_are():
    graph = to_semantic_graph(EGG, EGG_GRAPH, "egg")
    assert phrases(EGG, graph) == [
        ("entity", "a egg", "egg", "patient"),
        ("action", "broken", "broken", "none"),
        ("action", "dropped", "dropped", "none"),
        ("entity", "into the cup", "cup", "ARG4"),
        ("entity", "a water", "water", "patient"),
        ("action", "boiling", "boiling", "none"),
        ("entity", "in the sauce pan", "pan", "ARGM-LOC"),
    ]
    assert graph.triples() == [
        "broken|patient|egg",
        "dropped|patient|egg",
        "dropped|ARG4|cup",
        "boil|patient|water",
        "boil|ARGM-LOC|pan",
    ]


def test_nouns_without_a_verb_have_no_role_and_punctuation_is_no_head():
    assert to_semantic_graph("A red car.", NOUNS_GRAPH, "car") == SemanticGraph(
        (Node("entity", (0, 9), "car", "car", "none"),), ()
    )


def test_spans_with_gaps_split_punctuation_and_shared_phrases():
    sentence = "Man's dog, who  barks, picks it UP."
    words = ["Man", "'s", "dog", ",", "who", "barks", ",", "picks", "it", "UP", "."]
    nodes = {
        "ROOT": {"role": "ROOT", "words": words, "spans": list(range(11))},
        "1": {"role": "V", "words": ["barks"], "spans": [5]},
        "2": {"role": "ARG0", "words": ["Man", "'s", "dog", ","], "spans": [0, 1, 2, 3]},
        "3": {"role": "R-ARG0", "words": ["who"], "spans": [4]},
        "4": {"role": "V", "words": ["UP", "picks"], "spans": [9, 7]},
        "5": {"role": "V", "words": ["picks"], "spans": [7]},
        "6": {"role": "ARG2", "words": ["it"], "spans": [8]},
    }
    edges = [["1", "2", "ARG0"], ["1", "3", "R-ARG0"], ["4", "2", "ARG1"], ["5", "6", "ARG2"]]
    graph = to_semantic_graph(sentence, [nodes, edges], "dog")
    assert phrases(sentence, graph) == [
        ("entity", "Man's dog,", "dog", "agent"),
        ("entity", "who", "who", "R-ARG0"),
        ("action", "barks", "barks", "none"),
        ("action", "picks it UP", "picks", "none"),
        ("action", "picks", "picks", "none"),
        ("entity", "it", "it", "recipient"),
    ]
    assert graph.lemmas("action") == ["bark", "pick", "pick"]
    assert graph.relationships == (
        Relationship(2, "agent", 0),
        Relationship(2, "R-ARG0", 1),
        Relationship(3, "patient", 0),
        Relationship(4, "recipient", 5),
    )


def set_words(graph, words):
    graph[0]["ROOT"]["words"] = words


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda graph: graph.pop(), "egg: expected a list of nodes and edges"),
        (lambda graph: graph.__setitem__(0, ["ROOT"]), "egg: expected an object with key 'ROOT', found list"),
        (lambda graph: graph[0].pop("ROOT"), "egg: key 'ROOT' is missing"),
        (lambda graph: graph[0]["ROOT"].pop("words"), "egg, node 'ROOT': key 'words' is missing"),
        (lambda graph: set_words(graph, EGG), "key 'words' must be list, found str"),
        (lambda graph: set_words(graph, ["a", 7]), "key 'words' must be a list of texts, found int"),
        (
            lambda graph: set_words(graph, ["a", "egg", "flew"]),
            "word 2 .*, 'flew', is not in the rest .*' has been",
        ),
        (lambda graph: set_words(graph, ["a", ""]), "word 1 .*, '', is not in the rest"),
        (lambda graph: graph[0]["3"].pop("role"), "egg, node '3': key 'role' is missing"),
        (lambda graph: graph[0]["3"].update(role=1), "node '3': key 'role' must be str"),
        (lambda graph: graph[0]["3"].pop("spans"), "node '3': key 'spans' is missing"),
        (
            lambda graph: graph[0]["3"].update(spans=[]),
            "node '3': 'spans' must be indices of the root's 19 words",
        ),
        (lambda graph: graph[0]["3"].update(spans=[19]), r"indices of the root's 19 words, found \[19\]"),
        (lambda graph: graph[0]["3"].update(spans=[-1]), "indices of the root's"),
        (lambda graph: graph[0]["3"].update(spans=["4"]), "indices of the root's"),
        (lambda graph: graph.__setitem__(1, {}), "egg: expected a list of edges"),
        (lambda graph: graph[1].append(["1", "2"]), r"expected an edge \[verb, argument, role\]"),
        (lambda graph: graph[1].append(["1", 2, "ARG0"]), r"expected an edge \[verb, argument, role\]"),
        (lambda graph: graph[1].append(["1", "9", "ARG0"]), "must lead from a node of role 'V'"),
        (lambda graph: graph[1].append(["2", "4", "ARG0"]), "must lead from a node of role 'V'"),
        (lambda graph: graph[1].append(["1", "3", "ARG0"]), "must lead from a node of role 'V'"),
    ],
)
def test_malformed_graph_is_named(change, message):
    graph = copy.deepcopy(EGG_GRAPH)
    change(graph)
    with pytest.raises(InputError, match=message):
        to_semantic_graph(EGG, graph, "egg")
