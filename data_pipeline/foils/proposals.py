"""This module proposes foils of a caption: what may be changed in it, and whether the change is false of its video."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Sequence

from data_pipeline.foils.exchanges import modifier_exchanges, role_exchanges, with_order_exchanged
from data_pipeline.foils.foil_words import FoilWords, Slot, chance, slots_of
from data_pipeline.foils.plausibility import Difference, features_of
from data_pipeline.foils.polarity import opposites
from data_pipeline.foils.text_edits import Captioned, with_article, with_modifier, with_node, with_words
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.levels import ACTION, ENTITY, FOIL_KINDS, MODIFIER, ORDER, POLARITY, ROLE


@dataclasses.dataclass(frozen=True)
class Original:
    """An original is a true caption of which foils are made."""

    caption: Captioned

    @functools.cached_property
    def slots(self) -> list[Slot]:
        """Returns its words that others may replace."""
        return slots_of(self.caption)

    @functools.cached_property
    def statements(self) -> frozenset[str]:
        """Returns what it says: lemmas, ``modifier lemma`` pairs and relationships."""
        return _statements(self.caption.graph)

    @functools.cached_property
    def _features(self) -> collections.Counter[int]:
        return collections.Counter(features_of(self.caption))

    def difference(self, foil: Captioned) -> Difference:
        """Returns its features less those of a foil, without zeros."""
        counts = self._features.copy()
        counts.subtract(features_of(foil))
        return {feature: count for feature, count in counts.items() if count}

    def is_false(self, kind: str, foil: Captioned, said: frozenset[str]) -> bool:
        """Returns whether a foil says something new, and nothing new that other captions of the video say."""
        new = _statements(foil.graph) - self.statements
        told = {ACTION: _is_lemma, ENTITY: _is_lemma, MODIFIER: _is_described}.get(kind, _is_relationship)
        changed = {statement for statement in new if told(statement)}
        return bool(changed) and not changed & said


def _statements(graph: SemanticGraph) -> frozenset[str]:
    described = {f"{one.lemma} {node.lemma}" for node in graph.nodes for one in node.modifiers}
    denied = {
        f"not|{triple}" if edge.negated else triple
        for edge, triple in zip(graph.relationships, graph.triples(), strict=True)
    }
    absent = {f"not|{node.lemma}" for node in graph.nodes if node.negated}
    return frozenset({node.lemma for node in graph.nodes} | described | denied | absent)


def _is_relationship(statement: str) -> bool:
    return "|" in statement


def _is_described(statement: str) -> bool:
    return " " in statement and "|" not in statement


def _is_lemma(statement: str) -> bool:
    return "|" not in statement and " " not in statement


Propose = Callable[["Original", FoilWords, str], Captioned | None]
"""It proposes a foil of one kind, or None; its choice depends on the words and on the key alone."""


def _one_of(exchanges: Callable[[Captioned], Sequence[Captioned]]) -> Propose:
    def propose(source: Original, words: FoilWords, key: str) -> Captioned | None:
        del words
        found = exchanges(source.caption)
        return found[int(chance(key, "which") * len(found))] if found else None

    return propose


def _with_order_exchanged(caption: Captioned) -> list[Captioned]:
    found = with_order_exchanged(caption)
    return [] if found is None else [found]


def _first_of(*proposals: Propose) -> Propose:
    """Proposes in one of several ways, or in the next where that does not go."""

    def propose(source: Original, words: FoilWords, key: str) -> Captioned | None:
        first = int(chance(key, "way") * len(proposals))
        turned = (*proposals[first:], *proposals[:first])
        return next((found for way in turned if (found := way(source, words, key))), None)

    return propose


def _with_other_word(kind: str) -> Propose:
    def propose(source: Original, words: FoilWords, key: str) -> Captioned | None:
        slots = [slot for slot in source.slots if slot.kind == kind]
        if not slots:
            return None
        slot = slots[int(chance(key, "slot") * len(slots))]
        word = words.replacement(slot, chance(key, "word"))
        return None if word is None else _with_replacement(source.caption, slot, *word)

    return propose


def _with_replacement(caption: Captioned, slot: Slot, word: str, lemma: str) -> Captioned | None:
    node = caption.graph.nodes[slot.node]
    if lemma in {other.lemma for other in caption.graph.nodes} | {one.lemma for one in node.modifiers}:
        return None
    text, graph = with_words(caption, slot.span, word)
    if slot.modifier < 0:
        graph = with_node(graph, slot.node, head=word, lemma=lemma)
    else:
        graph = with_modifier(graph, slot.node, slot.modifier, lemma)
    return with_article(Captioned(text, graph), slot.span[0])


PROPOSALS: dict[str, Propose] = {
    ROLE: _one_of(role_exchanges),
    ACTION: _with_other_word(ACTION),
    ENTITY: _with_other_word(ENTITY),
    MODIFIER: _first_of(_with_other_word(MODIFIER), _one_of(modifier_exchanges)),
    POLARITY: _one_of(opposites),
    ORDER: _one_of(_with_order_exchanged),
}
assert set(PROPOSALS) == set(FOIL_KINDS)

DRAWN = frozenset({ACTION, ENTITY, MODIFIER})
"""Foils of these kinds have words that are drawn; those of the other kinds are few for a caption."""
