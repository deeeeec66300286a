"""This module changes a caption's text and its graph in the same way, so that a changed caption needs no parser."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from data_pipeline.graphs.graph import Node, Relationship, SemanticGraph
from data_pipeline.levels import ACTION

Span = tuple[int, int]
"""A span is the first character of some words and one past their last."""


class Captioned(NamedTuple):
    """A captioned thing is described by a ``text``, which has a ``graph``."""

    text: str
    graph: SemanticGraph


def with_words(caption: Captioned, span: Span, words: str) -> Captioned:
    """Returns the caption with other words in place of those of a span; all other spans follow.

    The words start with a capital letter where those before them did.
    """
    start, end = span
    old = caption.text[start:end]
    if old[:1].isupper() and not old.isupper():
        words = words[:1].upper() + words[1:]
    text = caption.text[:start] + words + caption.text[end:]
    grown = len(words) - (end - start)

    def moved(place: Span) -> Span:
        # A place that ends where the words begin stays.
        first = place[0] + grown if place[0] >= end and place != span else place[0]
        return first, place[1] + grown if place[1] >= end and place[1] > start else place[1]

    return Captioned(text, with_spans(caption.graph, moved))


def exchanged(text: str, first: Span, second: Span) -> tuple[str, Callable[[Span], Span]]:
    """Returns the text in which two spans have exchanged their places, and where any other span of the text went.

    A span within one of the two goes with it; one that crosses a border of the two raises `ValueError`.
    """
    front, back = text[slice(*second)], text[slice(*first)]
    if not text[: first[0]].strip() and back[:1].isupper():
        front, back = front[:1].upper() + front[1:], back[:1].lower() + back[1:]
    between = text[first[1] : second[0]]
    grown = len(front) - len(back)

    def moved_end(place: int) -> int:
        if place <= first[0] or place >= second[1]:
            return place
        if first[1] <= place <= second[0]:
            return place + grown
        raise ValueError(f"character {place} is inside what is exchanged")

    def moved(span: Span) -> Span:
        for part, shift in ((first, second[1] - first[1]), (second, first[0] - second[0])):
            if part[0] <= span[0] and span[1] <= part[1]:
                return span[0] + shift, span[1] + shift
        return moved_end(span[0]), moved_end(span[1])

    return text[: first[0]] + front + between + back + text[second[1] :], moved


def with_spans(graph: SemanticGraph, moved: Callable[[Span], Span]) -> SemanticGraph:
    """Returns the graph with each span moved."""
    return dataclasses.replace(graph, nodes=tuple(_node_at(node, moved) for node in graph.nodes))


def with_node(graph: SemanticGraph, place: int, **changes: Any) -> SemanticGraph:
    """Returns the graph with other values in one of its nodes."""
    nodes = list(graph.nodes)
    nodes[place] = dataclasses.replace(nodes[place], **changes)
    return dataclasses.replace(graph, nodes=tuple(nodes))


def with_modifier(graph: SemanticGraph, place: int, number: int, lemma: str) -> SemanticGraph:
    """Returns the graph with another lemma in a modifier, given by its place in its node."""
    modifiers = list(graph.nodes[place].modifiers)
    modifiers[number] = dataclasses.replace(modifiers[number], lemma=lemma)
    return with_node(graph, place, modifiers=tuple(modifiers))


def in_order(graph: SemanticGraph) -> SemanticGraph:
    """Returns the graph with its nodes in the order of their head words.

    A head word begins the phrase of an action and ends that of an entity.
    """
    heads = [node.span[0] if node.level == ACTION else node.span[1] - 1 for node in graph.nodes]
    order = sorted(range(len(heads)), key=heads.__getitem__)
    new = {old: place for place, old in enumerate(order)}
    edges = [Relationship(new[e.source], e.role, new[e.target], e.negated) for e in graph.relationships]
    return SemanticGraph(tuple(graph.nodes[place] for place in order), tuple(edges))


def head_span(text: str, node: Node) -> Span | None:
    """Returns where a node's head word stands in the text; None where it is written in another way."""
    found = _last_word(text, node.span, node.head)
    return found if found and node.head else None


def _last_word(text: str, span: Span, word: str) -> Span | None:
    start = text[slice(*span)].lower().rfind(word)
    if start < 0:
        return None
    return span[0] + start, span[0] + start + len(word)


def _node_at(node: Node, moved: Callable[[Span], Span]) -> Node:
    modifiers = tuple(dataclasses.replace(modifier, span=moved(modifier.span)) for modifier in node.modifiers)
    return dataclasses.replace(node, span=moved(node.span), modifiers=modifiers)


_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)
_VOWEL = re.compile(
    r"(?!uni|use|usu|uti|euro|one\b|once\b)[aeiou]|8|11\b|18\b|(?:hour|honest|heir)", re.IGNORECASE
)


def with_article(caption: Captioned, start: int) -> Captioned:
    """Returns the caption with "a" or "an" before the character ``start`` as the next word wants it."""
    found = _ARTICLE.search(caption.text[:start])
    if not found:
        return caption
    right = "an" if _VOWEL.match(caption.text[start:]) else "a"
    return caption if found[1].lower() == right else with_words(caption, found.span(1), right)


def words_of(text: str) -> Sequence[str]:
    """Returns the words of a text, lower case."""
    return _WORD.findall(text.lower())


_WORD = re.compile(r"\w+(?:['’]\w+)*")
