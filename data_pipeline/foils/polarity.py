"""This module makes captions false by saying the opposite: a thing absent or there, an action that happens or not."""

import dataclasses
import re
from collections.abc import Iterator

from data_pipeline.foils.text_edits import Captioned, Span, with_node, with_words, words_of
from data_pipeline.graphs.graph import PATIENT, Relationship, SemanticGraph
from data_pipeline.graphs.words import third_person, word_set
from data_pipeline.levels import ACTION, ENTITY

_WITH = re.compile(r"\b(with|without)(\s+(?:an?\s+|any\s+)?)$", re.IGNORECASE)
_NOT = re.compile(r"\b(is|are|was|were)(\s+not|n't)?(\s+(?:being\s+)?)$", re.IGNORECASE)
_DOES_NOT = re.compile(r"\b(?:does\s+not|doesn't)\s+$", re.IGNORECASE)
_AUXILIARY = re.compile(
    r"\b(?:to|can|will|could|would|must|may|do|does|did|be|been|has|have|had|and|or)\s+$", re.IGNORECASE
)
_KNOWN = word_set("the this that these those his her its their my your our some")
_OTHER = {"with": "without", "without": "with"}


def opposites(caption: Captioned) -> list[Captioned]:
    """Returns the caption with one thing or action denied that it states, or stated that it denies."""
    return [*_of_things(caption), *_of_actions(caption)]


def denials(caption: Captioned) -> int:
    """Returns how many things and actions a caption denies."""
    return sum(node.negated for node in caption.graph.nodes)


def _of_things(caption: Captioned) -> Iterator[Captioned]:
    """Yields "with a hat" for "without a hat", and the reverse."""
    text, graph = caption
    for place, node in enumerate(graph.nodes):
        found = _WITH.search(text[: node.span[0]])
        if node.level != ENTITY or not found:
            continue
        said = found[1].lower()
        edges = [edge for edge in graph.relationships if edge.target == place and edge.role == "with"]
        if len(edges) != 1 or node.negated != (said == "without"):
            continue
        changed = with_node(graph, place, negated=not node.negated)
        yield with_words(Captioned(text, _with_denied_edges(changed, graph)), found.span(1), _OTHER[said])


def _of_actions(caption: Captioned) -> Iterator[Captioned]:
    """Yields "is not running" for "is running", "does not run" for "runs", and the reverse."""
    text, graph = caption
    for place, node in enumerate(graph.nodes):
        if node.level != ACTION:
            continue
        before = text[: node.span[0]]
        denied = with_node(graph, place, negated=not node.negated)
        for edge in graph.relationships:
            if edge.source == place and edge.role == PATIENT and _is_unknown(text, graph, edge.target):
                denied = with_node(denied, edge.target, negated=not node.negated)
        changed = Captioned(text, _with_denied_edges(denied, graph))
        if found := _NOT.search(before):
            if bool(found[2]) != node.negated:
                continue
            if node.negated:
                yield with_words(changed, found.span(2), "")
            else:
                yield with_words(changed, (found.end(1), found.end(1)), " not")
        elif (found := _DOES_NOT.search(before)) and node.negated and node.head == node.lemma:
            stated = third_person(node.lemma)
            yield _with_verb(changed, place, (found.start(), node.span[0] + len(node.head)), stated, stated)
        elif not node.negated and node.head == third_person(node.lemma) and not _AUXILIARY.search(before):
            span = (node.span[0], node.span[0] + len(node.head))
            yield _with_verb(changed, place, span, f"does not {node.lemma}", node.lemma)


def _with_verb(caption: Captioned, place: int, span: Span, words: str, head: str) -> Captioned:
    """Puts other words in place of a verb with what comes before it; the last of them is the verb."""
    grown = span[0] + len(words)
    text, graph = with_words(caption, span, words)
    old = graph.nodes[place].span
    return Captioned(text, with_node(graph, place, head=head, span=(grown - len(head), max(old[1], grown))))


def _is_unknown(text: str, graph: SemanticGraph, place: int) -> bool:
    """Returns whether nothing but a denied action speaks of a thing: "helmets" or "a helmet", but not "the helmet"."""
    before = words_of(text[: graph.nodes[place].span[0]])
    return not before or before[-1] not in _KNOWN


def _with_denied_edges(graph: SemanticGraph, before: SemanticGraph) -> SemanticGraph:
    """Returns the graph whose edges are denied where an end is; an edge that was denied alone stays so."""

    def denied(edge: Relationship, was: Relationship) -> bool:
        alone = was.negated and not (before.nodes[was.source].negated or before.nodes[was.target].negated)
        return alone or graph.nodes[edge.source].negated or graph.nodes[edge.target].negated

    edges = zip(graph.relationships, before.relationships, strict=True)
    return dataclasses.replace(
        graph,
        relationships=tuple(dataclasses.replace(edge, negated=denied(edge, was)) for edge, was in edges),
    )
