"""This module says which words may replace which in a foil: those of the training captions, in the same form."""

import bisect
import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import scipy.sparse

from data_pipeline.foils.polarity import denials, opposites
from data_pipeline.foils.text_edits import Captioned, Span, head_span, words_of
from data_pipeline.graphs.graph import AGENT, PATIENT, PREPOSITIONS, Node, SemanticGraph
from data_pipeline.graphs.words import word_set
from data_pipeline.levels import ACTION, MODIFIER

_ENOUGH_CAPTIONS = 30
_ENOUGH_LEMMAS = 4
_MOST_LEMMAS = 1500
_TOGETHER = 1.5
"""Two lemmas go together where they meet in that many times as many videos as chance would have it.

Two modifiers or two verbs do so, too, where they meet that much more often in what a video's captions say of one noun.
"""

_OF_ANYTHING = word_set(
    "person people human individual someone somebody something anyone everyone one thing object item animal creature "
    "character group other another each it he she they i you we him her them this that what who which all some man's "
    "video clip scene scenery picture image screen camera view footage be have do show see use get make take go "
    "appear include contain look seem perform depict feature"
)
"""Words of this kind are true of nearly everything; whatever they replace, the caption may stay true."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """A slot is a word of a caption that another word may replace.

    Attributes:
        kind: `data_pipeline.levels.ENTITY`, `ACTION` or `MODIFIER`.
        node: the place of its node.
        modifier: the place of the modifier in its node; -1 for the node's own word.
        span: the characters of the word.
        lemma: its dictionary form.
        written: the word, lower case.
        keys: the contexts in which it stands, from the closest to the widest.
    """

    kind: str
    node: int
    modifier: int
    span: Span
    lemma: str
    written: str
    keys: tuple[str, ...]


def slots_of(caption: Captioned) -> list[Slot]:
    """Returns the words of a caption that other words may replace, in the order of its nodes."""
    return [slot for place in range(len(caption.graph.nodes)) for slot in _slots_of_node(caption, place)]


def _slots_of_node(caption: Captioned, place: int) -> Iterator[Slot]:
    text, graph = caption
    node = graph.nodes[place]
    span = head_span(text, node)
    if span and not node.lemma.startswith("-") and node.lemma not in _OF_ANYTHING:
        keys = (
            _action_keys(text, graph, place, span)
            if node.level == ACTION
            else _entity_keys(text, graph, place)
        )
        yield Slot(node.level, place, -1, span, node.lemma, node.head, keys)
    for number, modifier in enumerate(node.modifiers):
        written = text[slice(*modifier.span)].lower()
        form = f"{modifier.kind}/{_number_of(node)}"
        yield Slot(
            MODIFIER, place, number, modifier.span, modifier.lemma, written, (f"{form}/{node.lemma}", form)
        )


def _number_of(node: Node) -> str:
    return "one" if node.head == node.lemma else "many"


def _entity_keys(text: str, graph: SemanticGraph, place: int) -> tuple[str, ...]:
    node = graph.nodes[place]
    before = words_of(text[: node.span[0]])
    determiner = (
        before[-1] if before and before[-1] in ("a", "an", "the", "some", "his", "her", "their") else ""
    )
    form = f"{_number_of(node)}/{determiner.replace('an', 'a')}"
    sources = [edge for edge in graph.relationships if edge.target == place]
    if not sources:
        return (form,)
    edge = sources[0]
    return (f"{form}/{edge.role}/{graph.nodes[edge.source].lemma}", f"{form}/{edge.role}", form)


_AUXILIARIES = word_set("is are was were be been being am")


def _action_keys(text: str, graph: SemanticGraph, place: int, span: Span) -> tuple[str, ...]:
    node = graph.nodes[place]
    if node.head.endswith("ing"):
        form = "ing"
    elif node.head == node.lemma:
        form = "base"
    else:
        form = "s" if node.head.endswith("s") else "ed"
    before = words_of(text[: span[0]])
    form += "+be" if before and before[-1] in _AUXILIARIES else ""
    edges = [edge for edge in graph.relationships if edge.source == place]
    roles = "+".join(sorted({edge.role for edge in edges}))
    closest = [
        f"{form}/{roles}/{edge.role}/{graph.nodes[edge.target].lemma}"
        for edge in edges
        if edge.role not in PREPOSITIONS
    ]
    return (*reversed(closest), f"{form}/{roles}", form)


def chance(*names: object) -> float:
    """Returns a number from 0 up to 1 that depends on the names alone."""
    digest = hashlib.blake2b("|".join(map(str, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@dataclasses.dataclass(frozen=True)
class Choices:
    """Choices are the words that stand in a context, as pairs (word as written, lemma), with how often they do."""

    words: tuple[tuple[str, str], ...]
    cumulative: tuple[int, ...]

    def draw(self, at: float) -> tuple[str, str]:
        """Returns the word at a share, from 0 up to 1, of all captions in the order of the words."""
        return self.words[bisect.bisect_right(self.cumulative, at * self.cumulative[-1])]


@dataclasses.dataclass(frozen=True)
class FoilWords:
    """Foil words are those of the training captions, by the contexts in which they stand.

    Attributes:
        choices: the words by kind and context; rare contexts are left out.
        together: pairs of lemmas, in alphabetic order, that name the same things or things that go together, so that
            one may be true where the other is.
        denied_share: for each caption that denies nothing but could, how many there are that deny something; so often
            a caption is made to deny what it states.
    """

    choices: Mapping[tuple[str, str], Choices]
    together: frozenset[tuple[str, str]]
    denied_share: float

    @staticmethod
    def of(videos: Iterable[Sequence[Captioned]]) -> "FoilWords":
        """Counts the words of the training captions; each video has a sequence of them."""
        counts: dict[tuple[str, str], collections.Counter[tuple[str, str]]] = collections.defaultdict(
            collections.Counter
        )
        lemmas_of_videos: list[set[str]] = []
        described: list[set[str]] = []
        done: list[set[str]] = []
        denying = stating = 0
        for captions in videos:
            for caption in captions:
                if denials(caption):
                    denying += bool(opposites(caption))
                else:
                    stating += bool(opposites(caption))
            lemmas = set()
            for slot in itertools.chain.from_iterable(map(slots_of, captions)):
                lemmas.add(slot.lemma)
                for key in slot.keys:
                    counts[slot.kind, key][slot.written, slot.lemma] += 1
            lemmas_of_videos.append(lemmas)
            described += _descriptions(captions)
            done += _deeds(captions)
        choices = {
            key: Choices(tuple(found), tuple(itertools.accumulate(found.values())))
            for key, found in counts.items()
            if found.total() >= _ENOUGH_CAPTIONS and len({lemma for _, lemma in found}) >= _ENOUGH_LEMMAS
        }
        together = _pairs_together(lemmas_of_videos) | _pairs_together(described) | _pairs_together(done)
        return FoilWords(choices, together, min(1.0, denying / max(stating, 1)))

    def replacement(self, slot: Slot, at: float) -> tuple[str, str] | None:
        """Returns another word, as written, and its lemma, drawn from those in the closest context that has enough.

        None where there is no such context, or the word drawn may be as true as the slot's.
        """
        key = next((key for key in slot.keys if (slot.kind, key) in self.choices), None)
        if key is None:
            return None
        word, lemma = self.choices[slot.kind, key].draw(at)
        if lemma == slot.lemma or lemma in _OF_ANYTHING or _pair(lemma, slot.lemma) in self.together:
            return None
        return word, lemma


def _pair(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)


def _descriptions(captions: Iterable[Captioned]) -> Iterable[set[str]]:
    """Returns the modifiers of one kind that the captions of a video say of one noun, as "small" and "tiny" of a ball.

    They may be as frequent as "small" is, which meets "tiny" in most videos, of whatever it is said.
    """
    found: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
    for node in itertools.chain.from_iterable(caption.graph.nodes for caption in captions):
        for modifier in node.modifiers:
            found[node.lemma, modifier.kind].add(modifier.lemma)
    return found.values()


def _deeds(captions: Iterable[Captioned]) -> Iterable[set[str]]:
    """Returns the actions in which the captions of a video give one noun one role, as a ball "grows" and "expands"."""
    found: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
    for graph in (caption.graph for caption in captions):
        for edge in graph.relationships:
            source = graph.nodes[edge.source]
            if source.level == ACTION and edge.role in (AGENT, PATIENT):
                found[graph.nodes[edge.target].lemma, edge.role].add(source.lemma)
    return found.values()


def _pairs_together(groups: Sequence[set[str]]) -> frozenset[tuple[str, str]]:
    """Returns the pairs of lemmas that are in the same groups more often than chance would have it."""
    counts = collections.Counter(lemma for lemmas in groups for lemma in lemmas)
    names = sorted(lemma for lemma, _ in counts.most_common(_MOST_LEMMAS))
    place = {lemma: index for index, lemma in enumerate(names)}
    rows = [sorted(place[lemma] for lemma in lemmas if lemma in place) for lemmas in groups]
    columns, ends = list(itertools.chain.from_iterable(rows)), np.cumsum([0, *map(len, rows)])
    has = scipy.sparse.csr_matrix((np.ones(len(columns)), columns, ends), (len(rows), len(names)))
    both, each = (has.T @ has).toarray(), has.sum(axis=0).A1
    expected = np.outer(each, each) / max(len(rows), 1)
    first, second = np.nonzero(np.triu(both > _TOGETHER * expected + 1, 1))
    return frozenset((names[i], names[j]) for i, j in zip(first, second, strict=True))
