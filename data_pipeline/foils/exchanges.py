"""This module makes captions false by exchange: of roles, of modifiers, and of the order of two actions.

The words stay the same, or nearly so.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator

from data_pipeline.foils.text_edits import (
    Captioned,
    Span,
    exchanged,
    in_order,
    with_article,
    with_modifier,
    with_spans,
    with_words,
)
from data_pipeline.graphs.graph import (
    AGENT,
    BEFORE,
    COUNT,
    PATIENT,
    PREPOSITIONS,
    Node,
    Relationship,
    SemanticGraph,
)
from data_pipeline.graphs.words import word_set
from data_pipeline.levels import ACTION, ENTITY

_DETERMINER = re.compile(r"\b(?:a|an|the|another|some|this|that|these|those)\s+$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?:\b(?:my|your|his|her|its|our|their|whose)|'s?)\s+$", re.IGNORECASE)
_THERE_IS = re.compile(
    r"\b(?:there|here)(?:['’]s|\s+(?:is|are|was|were))\s+(?:\w+ly\s+|also\s+)?$", re.IGNORECASE
)
_TORN_OFF = word_set(
    "no not any every each all both either neither half such what which whose only just even many more most several "
    "few enough less two three four five six seven eight nine ten"
)
"""Words that belong to the noun after them, but not to its phrase: they would stay behind."""

_ALWAYS_MANY = word_set("people police cattle")
_PRONOUNS = word_set(
    "i you he she it we they me him us them myself himself herself itself themselves who whom which that what "
    "this these those someone somebody something anyone anything everyone everything one other another each both all "
    "some none"
)
_BOTH_WAYS = word_set("with near beside between among next_to like against without of as during for")
"""Relationships that hold both ways, or whose ends are of different kinds."""


def swap_roles(caption: Captioned) -> Captioned | None:
    """Exchanges agent and patient of a caption's first action, and returns the caption with its graph.

    Everything else stays: the words after a phrase ("in a hat") belong to the place, not to the phrase. The graph has
    the same relationships, whose ends have changed places.

    Returns:
        The caption; None where no action has exactly one agent and one patient, where one of them or the action is
        denied, where one is a pronoun, belongs to somebody ("his dog"), or would leave a word behind ("every dog"),
        where they are the same, or where the verb would not agree with its new subject.
    """
    for roles, first, second in _exchangeable(caption):
        if roles == {AGENT, PATIENT}:
            return _with_ends_exchanged(caption, first, second)
    return None


def role_exchanges(caption: Captioned) -> list[Captioned]:
    """Returns the caption with any two entities exchanged that have different roles in an action or to one another.

    Nothing that is denied changes places: where no man wears a hat, no hat wears a man, which is true as well.
    """
    return [_with_ends_exchanged(caption, first, second) for _, first, second in _exchangeable(caption)]


@dataclasses.dataclass(frozen=True)
class _Phrase:
    """A phrase is a node with the characters that move with it: its own and those of its determiner."""

    place: int
    node: Node
    span: Span


def _exchangeable(caption: Captioned) -> Iterator[tuple[set[str], _Phrase, _Phrase]]:
    graph = caption.graph
    has_parts = {edge.source for edge in graph.relationships if edge.role == "of"}
    for source, node in enumerate(graph.nodes):
        edges = [edge for edge in graph.relationships if edge.source == source]
        if node.negated:
            continue
        ends = {
            role: places[0]
            for role in dict.fromkeys(edge.role for edge in edges)
            if len(places := [edge.target for edge in edges if edge.role == role]) == 1
            and role not in _BOTH_WAYS
            and graph.nodes[places[0]].level == ENTITY
            and not any(edge.negated for edge in edges if edge.role == role)
        }
        if node.level == ENTITY:
            ends = {AGENT: source, **{role: end for role, end in ends.items() if role in PREPOSITIONS}}
        for (role, one), (other_role, other) in itertools.combinations(ends.items(), 2):
            # A group of people is not a group without them.
            if (node.level == ENTITY and role != AGENT) or {one, other} & has_parts:
                continue
            phrases = sorted((_phrase(caption, one), _phrase(caption, other)), key=lambda one: one.span)
            if _may_change_places(caption.text, *phrases):
                yield {role, other_role}, phrases[0], phrases[1]


def _may_change_places(text: str, first: _Phrase, second: _Phrase) -> bool:
    nodes = first.node, second.node
    return (
        first.span[1] <= second.span[0]
        and nodes[0].lemma != nodes[1].lemma
        and not any(node.lemma in _PRONOUNS or node.head in _PRONOUNS for node in nodes)
        and not any(_is_tied(text[: phrase.span[0]]) for phrase in (first, second))
        and _is_plural(nodes[0]) == _is_plural(nodes[1])
    )


def _is_tied(before: str) -> bool:
    """Returns whether a phrase cannot leave the words before it, as "there is", "every" or "his"."""
    word = before.rsplit(maxsplit=1)[-1].lower() if before.strip() else ""
    tied = word in _TORN_OFF or word.isdigit()
    return tied or bool(_POSSESSIVE.search(before) or _THERE_IS.search(before))


def _phrase(caption: Captioned, place: int) -> _Phrase:
    node = caption.graph.nodes[place]
    determiner = _DETERMINER.search(caption.text[: node.span[0]])
    return _Phrase(place, node, (determiner.start() if determiner else node.span[0], node.span[1]))


def _is_plural(node: Node) -> bool:
    counts = [one.lemma for one in node.modifiers if one.kind == COUNT]
    return node.head != node.lemma or node.lemma in _ALWAYS_MANY or bool(set(counts) - {"one", "1", "single"})


def _with_ends_exchanged(caption: Captioned, first: _Phrase, second: _Phrase) -> Captioned:
    text, moved = exchanged(caption.text, first.span, second.span)
    nodes = list(with_spans(caption.graph, moved).nodes)
    ends = nodes[first.place], nodes[second.place]
    for phrase, at, come in ((first, ends[0], ends[1]), (second, ends[1], ends[0])):
        # What is said of the place ("… that is red", "no …") stays there.
        own = [
            one
            for one, was in zip(come.modifiers, _other(phrase, first, second).node.modifiers, strict=True)
            if _inside(was.span, _other(phrase, first, second).span)
        ]
        stay = [
            one
            for one, was in zip(at.modifiers, phrase.node.modifiers, strict=True)
            if not _inside(was.span, phrase.span)
        ]
        nodes[phrase.place] = dataclasses.replace(
            come,
            role=at.role,
            negated=at.negated,
            modifiers=tuple(sorted((*own, *stay), key=lambda one: one.span)),
        )
    return Captioned(text, dataclasses.replace(caption.graph, nodes=tuple(nodes)))


def _other(phrase: _Phrase, first: _Phrase, second: _Phrase) -> _Phrase:
    return second if phrase is first else first


def _inside(span: Span, outer: Span) -> bool:
    return outer[0] <= span[0] and span[1] <= outer[1]


def modifier_exchanges(caption: Captioned) -> list[Captioned]:
    """Returns the caption with two modifiers of the same kind exchanged, as "a red ball and a blue box"."""
    nodes = caption.graph.nodes
    modifiers = [
        (place, number, modifier)
        for place, node in enumerate(nodes)
        for number, modifier in enumerate(node.modifiers)
    ]
    found = []
    for (place, number, one), (other_place, other_number, other) in itertools.combinations(modifiers, 2):
        same_things = nodes[place].lemma == nodes[other_place].lemma
        if one.kind != other.kind or one.lemma == other.lemma or place == other_place or same_things:
            continue
        if _is_plural(nodes[place]) != _is_plural(nodes[other_place]):
            continue
        # What is denied of two things is as true of the other one.
        if nodes[place].negated and nodes[other_place].negated:
            continue
        changed = caption
        # The later one first, so that the span of the earlier one stays what it is.
        for at, index, modifier, source in sorted(
            ((place, number, one, other), (other_place, other_number, other, one)),
            key=lambda each: each[2].span,
            reverse=True,
        ):
            changed = with_words(changed, modifier.span, caption.text[slice(*source.span)].lower())
            changed = Captioned(changed.text, with_modifier(changed.graph, at, index, source.lemma))
            changed = with_article(changed, modifier.span[0])
        found.append(changed)
    return found


_BEFORE_OR_AFTER = re.compile(r"\b(?:before|after)\b", re.IGNORECASE)
_OTHER = {"before": "after", "after": "before"}
_AND_THEN = re.compile(
    r"(?:\s*,\s*|\s+)(?:and\s+)?(?:then|afterwards|later|next|finally)\s+|(?:\s*,\s*|\s+)and\s+",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\bfirst,?\s+", re.IGNORECASE)
_END = re.compile(r"[\s.!]*$")


def with_order_exchanged(caption: Captioned) -> Captioned | None:
    """Returns the caption with its two actions in the other order.

    "Before" and "after" replace one another; around "then" and "and" the clauses, or what the verbs begin, change
    places. None where the caption does not say the order of exactly two actions, denies one, or says it in another way.
    """
    text, graph = caption
    order = [
        edge
        for edge in graph.relationships
        if edge.role == BEFORE and graph.nodes[edge.target].level == ACTION and not edge.negated
    ]
    if len(order) != 1 or sum(node.level == ACTION for node in graph.nodes) != 2:
        return None
    turned = Captioned(text, _with_order_reversed(graph, order[0]))
    marks = list(_BEFORE_OR_AFTER.finditer(text))
    if len(marks) == 1:
        return with_words(turned, marks[0].span(), _OTHER[marks[0][0].lower()])
    places = None if marks else _what_then_joins(caption, order[0])
    if places is None:
        return None
    try:
        changed, moved = exchanged(text, *places)
    except ValueError:
        return None
    return Captioned(changed, in_order(with_spans(turned.graph, moved)))


def _what_then_joins(caption: Captioned, order: Relationship) -> tuple[Span, Span] | None:
    """Returns the characters before and after "then" or "and" that can change places.

    They are the clauses where the second has a subject of its own, otherwise what the verbs begin.
    """
    text, graph = caption
    earlier, later = graph.nodes[order.source], graph.nodes[order.target]
    joints = list(_AND_THEN.finditer(text, earlier.span[1], later.span[0] + 1))
    end = len(text) - len(_END.findall(text)[0])
    if len(joints) != 1:
        return None
    subjects = [
        graph.nodes[edge.target].span[0]
        for edge in graph.relationships
        if edge.source == order.target and edge.role == AGENT
    ]
    if any(start >= joints[0].end() for start in subjects):
        opening = _FIRST.match(text)
        return (opening.end() if opening else 0, joints[0].start()), (joints[0].end(), end)
    if _ending(earlier) != _ending(later):
        return None
    return (earlier.span[0], joints[0].start()), (later.span[0], end)


def _with_order_reversed(graph: SemanticGraph, order: Relationship) -> SemanticGraph:
    turned = dataclasses.replace(order, source=order.target, target=order.source)
    edges = tuple(turned if edge == order else edge for edge in graph.relationships)
    return dataclasses.replace(graph, relationships=edges)


def _ending(node: Node) -> str:
    return next((ending for ending in ("ing", "ed", "s") if node.head.endswith(ending)), "")
