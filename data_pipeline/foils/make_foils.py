"""This module makes captions false by changing one thing in their text and, in the same way, in their graph.

The texts alone shall not tell a foil from its caption. Words are replaced by words of the training captions in the same
context and form, as often as they stand there. What the texts still tell is learned from them (`plausibility`), and a
foil is kept by Metropolis's rule, that is with the chance with which its caption could as well have been made from it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from data_pipeline.foils.exchanges import modifier_exchanges, role_exchanges, with_order_exchanged
from data_pipeline.foils.foil_words import FoilWords, Slot, chance, slots_of
from data_pipeline.foils.plausibility import Plausibility, difference, fit_plausibility, keeping_chance
from data_pipeline.foils.polarity import opposites
from data_pipeline.foils.text_edits import Captioned, with_article, with_node, with_words
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.levels import ACTION, ENTITY, FOIL_KINDS, MODIFIER, ORDER, POLARITY, ROLE

_TRIES = 4
_FITTED_CAPTIONS = 20_000
"""The plausibility of each half of the videos is learned from at most so many captions."""


@dataclasses.dataclass(frozen=True)
class GraphFoil:
    """A graph foil is a caption made false, with its graph.

    Attributes:
        kind: what was changed, one of `data_pipeline.levels.FOIL_KINDS`.
        text: the false caption.
        graph: its graph.
    """

    kind: str
    text: str
    graph: SemanticGraph


@dataclasses.dataclass(frozen=True)
class _Truth:
    """What all captions of a video say: lemmas, ``modifier lemma`` pairs and triples. A foil must say other things."""

    said: frozenset[str]

    @staticmethod
    def of(captions: Iterable[Captioned]) -> "_Truth":
        said: set[str] = set()
        for _, graph in captions:
            said.update(_statements(graph))
        return _Truth(frozenset(said))

    def allows(self, kind: str, caption: Captioned, foil: Captioned) -> bool:
        """Returns whether nothing of what the foil changes is said of the video."""
        new = _statements(foil.graph) - _statements(caption.graph)
        told = {ACTION: _is_lemma, ENTITY: _is_lemma, MODIFIER: _is_described}.get(kind, _is_relationship)
        changed = {statement for statement in new if told(statement)}
        return bool(changed) and not changed & self.said


def _statements(graph: SemanticGraph) -> set[str]:
    described = {f"{one.lemma} {node.lemma}" for node in graph.nodes for one in node.modifiers}
    return {node.lemma for node in graph.nodes} | described | set(graph.triples())


def _is_relationship(statement: str) -> bool:
    return "|" in statement


def _is_described(statement: str) -> bool:
    return " " in statement and "|" not in statement


def _is_lemma(statement: str) -> bool:
    return "|" not in statement and " " not in statement


@dataclasses.dataclass(frozen=True)
class FoilMaker:
    """A foil maker makes foils of the captions of any video; it can be sent to another process.

    Attributes:
        words: the words that may replace each other.
        plausibility: what the texts of each half of the training videos tell of which of two captions is true. A video
            has its foils judged by what the other half tells, because its own captions are too plausible to the half
            that has them.
    """

    words: FoilWords
    plausibility: tuple[Plausibility, Plausibility]

    @staticmethod
    def learn(videos: Sequence[tuple[str, Sequence[Captioned]]]) -> "FoilMaker":
        """Learns words and plausibility from the captions of training videos, given with the videos' ids."""
        # In an order of their own, whoever gives them.
        videos = sorted(videos, key=lambda video: chance("fit", video[0]))
        words = FoilWords.of(captions for _, captions in videos)
        halves: tuple[list[dict[int, int]], list[dict[int, int]]] = ([], [])
        for video_id, captions in videos:
            rows = halves[_half_of(video_id)]
            truth = _Truth.of(captions)
            for number, caption in enumerate(captions):
                if len(rows) < _FITTED_CAPTIONS * len(_PROPOSALS):
                    for kind, propose in _PROPOSALS.items():
                        foil = propose(caption, words, f"{video_id}/{number}/fit")
                        if foil and truth.allows(kind, caption, foil):
                            rows.append(difference(caption, foil))
        return FoilMaker(words, (fit_plausibility(halves[0]), fit_plausibility(halves[1])))

    def foils(self, video_id: str, captions: Sequence[Captioned], most: int) -> list[list[GraphFoil]]:
        """Returns the foils of each caption of a video, of different kinds where it allows several.

        Args:
            video_id: the video's id, on which the choices depend.
            captions: all its captions.
            most: the largest number of foils of a caption; many have fewer.
        """
        truth = _Truth.of(captions)
        return [
            self._foils_of(video_id, f"{video_id}/{number}", caption, truth, most)
            for number, caption in enumerate(captions)
        ]

    def _foils_of(
        self, video_id: str, key: str, caption: Captioned, truth: _Truth, most: int
    ) -> list[GraphFoil]:
        found: dict[str, GraphFoil] = {}
        kinds = sorted(_PROPOSALS, key=lambda kind: chance(key, kind))
        judge = self.plausibility[1 - _half_of(video_id)]
        for turn in range(_TRIES * most):
            for kind in kinds:
                attempt = f"{key}/{kind}/{turn}"
                foil = _PROPOSALS[kind](caption, self.words, attempt)
                if foil is None or foil.text in found or not truth.allows(kind, caption, foil):
                    continue
                if chance(attempt, "keep") < keeping_chance(judge.advantage(caption, foil)):
                    found[foil.text] = GraphFoil(kind, *foil)
                    if len(found) == most:
                        return list(found.values())
        return list(found.values())


def _half_of(video_id: str) -> int:
    return int(chance("half", video_id) < 0.5)


Propose = Callable[[Captioned, FoilWords, str], Captioned | None]
"""It proposes a foil of one kind, or None; its choice depends on the words and on the key alone."""


def _one_of(exchanges: Callable[[Captioned], Sequence[Captioned]]) -> Propose:
    def propose(caption: Captioned, words: FoilWords, key: str) -> Captioned | None:
        del words
        found = exchanges(caption)
        return found[int(chance(key, "which") * len(found))] if found else None

    return propose


def _with_order_exchanged(caption: Captioned) -> list[Captioned]:
    found = with_order_exchanged(caption)
    return [] if found is None else [found]


def _first_of(*proposals: Propose) -> Propose:
    """Proposes in one of several ways, or in the next where that does not go."""

    def propose(caption: Captioned, words: FoilWords, key: str) -> Captioned | None:
        first = int(chance(key, "way") * len(proposals))
        turned = (*proposals[first:], *proposals[:first])
        return next((found for way in turned if (found := way(caption, words, key))), None)

    return propose


def _with_other_word(kind: str) -> Propose:
    def propose(caption: Captioned, words: FoilWords, key: str) -> Captioned | None:
        slots = [slot for slot in slots_of(caption) if slot.kind == kind]
        if not slots:
            return None
        slot = slots[int(chance(key, "slot") * len(slots))]
        word = words.replacement(slot, chance(key, "word"))
        return None if word is None else _with_replacement(caption, slot, *word)

    return propose


def _with_replacement(caption: Captioned, slot: Slot, word: str, lemma: str) -> Captioned | None:
    node = caption.graph.nodes[slot.node]
    if lemma in {other.lemma for other in caption.graph.nodes} | {one.lemma for one in node.modifiers}:
        return None
    text, graph = with_words(caption, slot.span, word)
    if slot.modifier < 0:
        graph = with_node(graph, slot.node, head=word, lemma=lemma)
    else:
        modifiers = list(graph.nodes[slot.node].modifiers)
        modifiers[slot.modifier] = dataclasses.replace(modifiers[slot.modifier], lemma=lemma)
        graph = with_node(graph, slot.node, modifiers=tuple(modifiers))
    return with_article(Captioned(text, graph), slot.span[0])


_PROPOSALS: dict[str, Propose] = {
    ROLE: _one_of(role_exchanges),
    ACTION: _with_other_word(ACTION),
    ENTITY: _with_other_word(ENTITY),
    MODIFIER: _first_of(_with_other_word(MODIFIER), _one_of(modifier_exchanges)),
    POLARITY: _one_of(opposites),
    ORDER: _one_of(_with_order_exchanged),
}
assert set(_PROPOSALS) == set(FOIL_KINDS)
