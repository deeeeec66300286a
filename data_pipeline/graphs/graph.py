"""The semantic graph of a caption: entities, actions and the relationships between them.

A graph speaks of characters of the caption's text, never of tokens, so that it is parsed once and used
with any tokenizer. On disk it is one line of JSON.
"""

import dataclasses
from typing import Any

NO_ROLE = "none"
AGENT = "agent"
PATIENT = "patient"
RECIPIENT = "recipient"
ATTRIBUTE = "attribute"
OTHER = "other"

PREPOSITIONS = (
    "in on at to from with by for of into onto through over under around behind beside near between "
    "against along across about off up down toward inside outside above below during like as before after "
    "past among without next_to in_front_of on_top_of out_of away_from"
).split()

ROLES = (NO_ROLE, AGENT, PATIENT, RECIPIENT, ATTRIBUTE, *PREPOSITIONS, OTHER)
"""All roles, in the order of their ids. `OTHER` stands for any preposition not listed."""


@dataclasses.dataclass(frozen=True)
class Node:
    """An entity or an action.

    Attributes:
        level: `data_pipeline.levels.ENTITY` or `ACTION`.
        span: first character and one past the last character of the phrase in the caption: for an
            entity its head noun with the adjectives, numbers and nouns before it, for an action the verb
            (with a particle that follows at once).
        head: the head word as written, lower case.
        lemma: its dictionary form, lower case.
        role: the role of an entity towards its action or noun (one of `ROLES`); `NO_ROLE` otherwise.
    """

    level: str
    span: tuple[int, int]
    head: str
    lemma: str
    role: str


@dataclasses.dataclass(frozen=True)
class Relationship:
    """A directed edge: ``source`` (an action, or an entity for a preposition between nouns) has an entity
    ``target`` in ``role``. "A dog chases a cat" holds (chase, agent, dog) and (chase, patient, cat); "a man
    in a hat" holds (man, in, hat). Both ends are indices into the graph's nodes.
    """

    source: int
    role: str
    target: int


@dataclasses.dataclass(frozen=True)
class SemanticGraph:
    """Nodes in the order of their head words in the caption, and the relationships between them."""

    nodes: tuple[Node, ...]
    relationships: tuple[Relationship, ...]

    def lemmas(self, level: str) -> list[str]:
        """Lemmas of the nodes of a level, in order, with repetitions."""
        return [node.lemma for node in self.nodes if node.level == level]

    def triples(self) -> list[str]:
        """Relationships as ``source|role|target`` of lemmas, in order, with repetitions."""
        return [
            f"{self.nodes[edge.source].lemma}|{edge.role}|{self.nodes[edge.target].lemma}"
            for edge in self.relationships
        ]

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values, readable by people; the inverse of `from_json`."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "SemanticGraph":
        """Rebuilds a graph from `to_json`'s dictionary.

        Raises:
            KeyError, TypeError: the dictionary was not made by `to_json`.
        """
        nodes = tuple(Node(**{**node, "span": tuple(node["span"])}) for node in value["nodes"])
        relationships = tuple(Relationship(**edge) for edge in value["relationships"])
        return SemanticGraph(nodes, relationships)
