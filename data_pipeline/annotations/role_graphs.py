"""Semantic graphs from HGR's role graphs: the output of a semantic role labeller, as nodes and edges.

The role graph of a sentence is a list of two values, nodes and edges::

    [{"ROOT": {"role": "ROOT", "words": ["a", "dog", "runs", "home"], "spans": [0, 1, 2, 3]},
      "1": {"role": "V", "words": ["runs"], "spans": [2]},
      "2": {"role": "ARG0", "words": ["a", "dog"], "spans": [0, 1]},
      "3": {"role": "ARGM-DIR", "words": ["home"], "spans": [3]}},
     [["1", "2", "ARG0"], ["1", "3", "ARGM-DIR"]]]

``spans`` are indices of the root's words; an edge leads from a verb to an argument and names its role.
"""

import string
from collections.abc import Sequence

from data_pipeline.annotations.reading import field, texts_field
from data_pipeline.captions.caption_verbs import LEMMAS
from data_pipeline.captions.graph import (
    AGENT,
    NO_ROLE,
    PATIENT,
    RECIPIENT,
    Node,
    Relationship,
    SemanticGraph,
)
from mcsan_jax.errors import InputError
from mcsan_jax.levels import ACTION, ENTITY

SHARED_ROLES = {"ARG0": AGENT, "ARG1": PATIENT, "ARG2": RECIPIENT, "NOUN": NO_ROLE}
"""The labeller's roles that have the name of one of ours; every other one keeps its own."""

_ROOT = "ROOT"
_VERB = "V"


def to_semantic_graph(sentence: str, value: object, where: str) -> SemanticGraph:
    """The semantic graph that a role graph stands for, as it is: nothing is added, merged or left out.

    Verbs become actions, all other nodes entities. The span of a node reaches from its first to its last word.
    An entity's head is its last word, an action's its first; an entity's role is that of its first edge.

    Args:
        sentence: the text whose characters the spans count.
        value: the role graph, in the form above.
        where: names it in messages.

    Raises:
        InputError: the role graph is not of that form, or its words are not those of the sentence.
    """
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(
            f"{where}: expected a list of nodes and edges, found {str(value)[:60]!r}; correct it"
        )
    nodes, edges = value
    root = field(nodes, _ROOT, dict, where)
    words = texts_field(root, "words", f"{where}, node {_ROOT!r}")
    places = _align(words, sentence, where)
    levels = {
        name: ACTION if field(node, "role", str, f"{where}, node {name!r}") == _VERB else ENTITY
        for name, node in nodes.items()
        if name != _ROOT
    }
    indices = {name: _indices(nodes[name], len(words), f"{where}, node {name!r}") for name in levels}
    triples = _read_edges(edges, levels, where)
    role_of: dict[str, str] = {}
    for _, target, role in triples:
        role_of.setdefault(target, role)
    heads = {name: _head(words, indices[name], levels[name]) for name in levels}
    order = sorted(levels, key=lambda name: heads[name])
    position = {name: number for number, name in enumerate(order)}
    return SemanticGraph(
        tuple(
            _node(
                levels[name],
                (places[indices[name][0]][0], places[indices[name][-1]][1]),
                words[heads[name]],
                role_of.get(name, NO_ROLE),
            )
            for name in order
        ),
        tuple(Relationship(position[source], role, position[target]) for source, target, role in triples),
    )


def _align(words: Sequence[str], sentence: str, where: str) -> list[tuple[int, int]]:
    """First character and one past the last character of each word."""
    places = []
    end = 0
    for index, word in enumerate(words):
        start = sentence.find(word, end)
        if start < 0 or not word:
            raise InputError(
                f"{where}: word {index} of the role graph, {word!r}, is not in the rest of the sentence, "
                f"{sentence[end:]!r}; correct its words or remove the role graph"
            )
        end = start + len(word)
        places.append((start, end))
    return places


def _indices(node: object, count: int, where: str) -> list[int]:
    """Indices of a node's words, in order."""
    spans = field(node, "spans", list, where)
    if not spans or not all(type(index) is int and 0 <= index < count for index in spans):
        raise InputError(
            f"{where}: 'spans' must be indices of the root's {count} words, found {str(spans)[:60]}; correct them"
        )
    return sorted(spans)


def _read_edges(edges: object, levels: dict[str, str], where: str) -> list[tuple[str, str, str]]:
    """Source, target and role, by our names, of each edge."""
    if not isinstance(edges, list):
        raise InputError(f"{where}: expected a list of edges, found {str(edges)[:60]!r}; correct it")
    triples = []
    for edge in edges:
        if not isinstance(edge, list) or len(edge) != 3 or not all(isinstance(each, str) for each in edge):
            raise InputError(f"{where}: expected an edge [verb, argument, role], found {edge!r}; correct it")
        source, target, role = edge
        if levels.get(source) != ACTION or levels.get(target) != ENTITY:
            raise InputError(
                f"{where}: edge {edge!r} must lead from a node of role {_VERB!r} to one of another role; correct it"
            )
        triples.append((source, target, SHARED_ROLES.get(role) or role))
    return triples


def _head(words: Sequence[str], indices: Sequence[int], level: str) -> int:
    """Index of the head: the first word of an action, the last one of an entity that is no punctuation."""
    spoken = [index for index in indices if words[index].strip(string.punctuation)] or indices
    return spoken[0] if level == ACTION else spoken[-1]


def _node(level: str, span: tuple[int, int], word: str, role: str) -> Node:
    head = word.lower().strip(string.punctuation) or word.lower()
    return Node(level, span, head, LEMMAS.get(head, head) if level == ACTION else head, role)
