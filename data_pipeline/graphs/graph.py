"""This module holds the semantic graph of a caption.

A graph refers to characters of the caption's text, never to tokens, so that it is parsed once and used with any
tokenizer. On disk it is one line of JSON.
"""

import dataclasses
from typing import Any

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
