"""Captions in which two entities have changed their roles: "a dog chases a cat" becomes "a cat chases a dog"."""

import dataclasses
import re

from data_pipeline.graphs.graph import AGENT, PATIENT, Node, SemanticGraph
from data_pipeline.levels import ACTION

ROLE = "role"
"""Kind of the false captions that are made so."""

_DETERMINER = re.compile(r"\b(?:a|an|the|another|some|this|that|these|those)\s+$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?:\b(?:my|your|his|her|its|our|their|whose)|'s?)\s+$", re.IGNORECASE)
_PRONOUNS = frozenset(
    "i you he she it we they me him us them myself himself herself itself themselves who whom which that what "
    "this these those someone somebody something anyone anything everyone everything one other another each both all "
    "some none".split()
)


@dataclasses.dataclass(frozen=True)
class _Phrase:
    """A node with the characters that move with it: its own and those of its determiner."""

    place: int
    node: Node
    start: int
    end: int


def swap_roles(text: str, graph: SemanticGraph) -> tuple[str, SemanticGraph] | None:
    """The caption with agent and patient of its first action exchanged, and the graph of that caption.

    Everything else stays: what a phrase is followed by ("in a hat") belongs to the place, not to the phrase. The graph
    has the same relationships, whose ends have changed places.

    Args:
        text: the caption.
        graph: its graph.

    Returns:
        None where no action has exactly one agent and one patient, where one of them is a pronoun or belongs to
        somebody ("his dog"), where they are the same, or where the verb would not agree with its new subject.
    """
    for action, node in enumerate(graph.nodes):
        if node.level == ACTION:
            pair = _agent_and_patient(text, graph, action)
            if pair is not None:
                return _exchange(text, graph, *pair)
    return None


def _agent_and_patient(text: str, graph: SemanticGraph, action: int) -> tuple[_Phrase, _Phrase] | None:
    targets = {
        role: [edge.target for edge in graph.relationships if edge.source == action and edge.role == role]
        for role in (AGENT, PATIENT)
    }
    if any(len(places) != 1 for places in targets.values()):
        return None
    phrases = [_phrase(text, graph, places[0]) for places in targets.values()]
    first, second = sorted(phrases, key=lambda phrase: phrase.start)
    nodes = first.node, second.node
    if (
        first.end > second.start
        or nodes[0].lemma == nodes[1].lemma
        or any(node.lemma in _PRONOUNS or node.head in _PRONOUNS for node in nodes)
        or any(_POSSESSIVE.search(text[: phrase.start]) for phrase in phrases)
        or _is_plural(nodes[0]) != _is_plural(nodes[1])
    ):
        return None
    return first, second


def _phrase(text: str, graph: SemanticGraph, place: int) -> _Phrase:
    node = graph.nodes[place]
    start, end = node.span
    determiner = _DETERMINER.search(text[:start])
    return _Phrase(place, node, determiner.start() if determiner else start, end)


def _is_plural(node: Node) -> bool:
    return node.head != node.lemma


def _exchange(text: str, graph: SemanticGraph, first: _Phrase, second: _Phrase) -> tuple[str, SemanticGraph]:
    front, back = text[second.start : second.end], text[first.start : first.end]
    if not text[: first.start].strip() and back[:1].isupper():
        front, back = front[:1].upper() + front[1:], back[:1].lower() + back[1:]
    between = text[first.end : second.start]
    swapped = text[: first.start] + front + between + back + text[second.end :]
    shift = len(front) - len(back)

    nodes = [
        _shifted(node, shift) if first.end <= node.span[0] < second.start else node for node in graph.nodes
    ]
    for phrase, other, start in ((first, second, first.start), (second, first, second.start + shift)):
        moved = _shifted(other.node, start - other.start)
        nodes[phrase.place] = dataclasses.replace(moved, role=phrase.node.role)
    return swapped, dataclasses.replace(graph, nodes=tuple(nodes))


def _shifted(node: Node, characters: int) -> Node:
    start, end = node.span
    return dataclasses.replace(node, span=(start + characters, end + characters))
