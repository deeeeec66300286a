"""This module holds the semantic graph of a caption, and makes captions with exchanged roles.

A graph refers to characters of the caption's text, never to tokens, so that it is parsed once and used with any
tokenizer. On disk it is one line of JSON.
"""

import dataclasses
import re
from typing import Any

from data_pipeline.levels import ACTION

NO_ROLE = "none"
AGENT = "agent"
PATIENT = "patient"
RECIPIENT = "recipient"
ATTRIBUTE = "attribute"
BEFORE = "before"
WHILE = "while"
OTHER = "other"

PREPOSITIONS = (
    "in on at to from with by for of into onto through over under around behind beside near between "
    "against along across about off up down toward inside outside above below during like as before after "
    "past among next_to in_front_of on_top_of out_of away_from left_of right_of other_side_of side_of top_of "
    "bottom_of middle_of back_of front_of edge_of corner_of start_of end_of background_of"
).split()

ROLES = (NO_ROLE, AGENT, PATIENT, RECIPIENT, ATTRIBUTE, *PREPOSITIONS, WHILE, OTHER)
"""These are all roles, in the order of their ids; `OTHER` stands for any preposition not listed.

`BEFORE`, a preposition too, and `WHILE` join two actions: the earlier one, or the one said first, has the other.
"""

COLOUR = "colour"
SIZE = "size"
COUNT = "count"
MATERIAL = "material"
QUALITY = "quality"
SORT = "sort"
MANNER = "manner"
DIRECTION = "direction"
PLACE = "place"
DEGREE = "degree"

MODIFIER_KINDS = (COLOUR, SIZE, COUNT, MATERIAL, QUALITY, SORT, MANNER, DIRECTION, PLACE, DEGREE)
"""These are all kinds of modifiers, in the order of their ids.

`SORT` is a noun before a noun ("police car"), `QUALITY` any other adjective of a thing; `MANNER`, `DIRECTION` and
`PLACE` are said of actions ("slowly", "left", "outside"), and `DEGREE` of either ("very").
"""


@dataclasses.dataclass(frozen=True)
class Modifier:
    """A modifier says more about a node: "red" of "the red ball" and of "the ball is red", "slowly" of "walks slowly".

    Attributes:
        kind: one of `MODIFIER_KINDS`.
        span: the first character of its words in the caption and one past the last.
        lemma: the dictionary form, lower case; one of several words is joined by spaces.
    """

    kind: str
    span: tuple[int, int]
    lemma: str


@dataclasses.dataclass(frozen=True)
class Node:
    """A node is an entity or an action.

    Attributes:
        level: `data_pipeline.levels.ENTITY` or `ACTION`.
        span: the first character of the phrase in the caption and one past its last. The phrase of an entity is its
            head noun with the adjectives, numbers and nouns before it; that of an action is the verb, with a particle
            that follows at once.
        head: the head word as written, lower case.
        lemma: the dictionary form of the head word, lower case.
        role: the role of an entity towards its action or noun (one of `ROLES`); `NO_ROLE` otherwise.
        modifiers: what the caption says more about it, in the order of the text.
        negated: whether the caption denies it, as the hat of "a man without a hat".
    """

    level: str
    span: tuple[int, int]
    head: str
    lemma: str
    role: str
    modifiers: tuple[Modifier, ...] = ()
    negated: bool = False


@dataclasses.dataclass(frozen=True)
class Relationship:
    """A relationship is a directed edge: ``source``, an action or an entity, has the node ``target`` in ``role``.

    "A dog chases a cat" holds (chase, agent, dog) and (chase, patient, cat); "a man in a hat" holds (man, in, hat).
    Two actions are joined by their order: "a man sings before he dances" holds (sing, before, dance). Both ends are
    indices into the graph's nodes.

    Attributes:
        source: the node that has the target.
        role: one of `ROLES`.
        target: the node at its end: an entity, or the later or simultaneous action of two.
        negated: whether the caption denies it, as "on the leash" of "a dog that is not on the leash".
    """

    source: int
    role: str
    target: int
    negated: bool = False


@dataclasses.dataclass(frozen=True)
class SemanticGraph:
    """A graph has nodes in the order of their head words in the caption, and the relationships between them."""

    nodes: tuple[Node, ...]
    relationships: tuple[Relationship, ...]

    def lemmas(self, level: str) -> list[str]:
        """Returns the lemmas of the nodes of a level, in order, with repetitions."""
        return [node.lemma for node in self.nodes if node.level == level]

    def triples(self) -> list[str]:
        """Returns the relationships as ``source|role|target`` of lemmas, in order, with repetitions."""
        return [
            f"{self.nodes[edge.source].lemma}|{edge.role}|{self.nodes[edge.target].lemma}"
            for edge in self.relationships
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary of plain values, readable by people, which `from_json` reads."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "SemanticGraph":
        """Rebuilds a graph from `to_json`'s dictionary.

        Raises:
            KeyError, TypeError: the dictionary was not made by `to_json`.
        """
        nodes = tuple(
            Node(
                **{
                    **node,
                    "span": tuple(node["span"]),
                    "modifiers": tuple(
                        Modifier(**{**modifier, "span": tuple(modifier["span"])})
                        for modifier in node["modifiers"]
                    ),
                }
            )
            for node in value["nodes"]
        )
        relationships = tuple(Relationship(**edge) for edge in value["relationships"])
        return SemanticGraph(nodes, relationships)


ROLE = "role"
"""False captions that are made in this way have this kind."""

_DETERMINER = re.compile(r"\b(?:a|an|the|another|some|this|that|these|those)\s+$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?:\b(?:my|your|his|her|its|our|their|whose)|'s?)\s+$", re.IGNORECASE)
_PRONOUNS = frozenset(
    "i you he she it we they me him us them myself himself herself itself themselves who whom which that what "
    "this these those someone somebody something anyone anything everyone everything one other another each both all "
    "some none".split()
)


@dataclasses.dataclass(frozen=True)
class _Phrase:
    """A phrase is a node with the characters that move with it: its own and those of its determiner."""

    place: int
    node: Node
    start: int
    end: int


def swap_roles(text: str, graph: SemanticGraph) -> tuple[str, SemanticGraph] | None:
    """Exchanges agent and patient of a caption's first action, and returns the caption with its graph.

    Everything else stays: the words after a phrase ("in a hat") belong to the place, not to the phrase. The graph has
    the same relationships, whose ends have changed places.

    Args:
        text: the caption.
        graph: its graph.

    Returns:
        The caption and its graph; None where no action has exactly one agent and one patient, where one of them is a
        pronoun or belongs to somebody ("his dog"), where they are the same, or where the verb would not agree with its
        new subject.
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
