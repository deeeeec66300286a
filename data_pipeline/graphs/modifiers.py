"""This module finds what a caption says more about its things and actions: adjectives, numbers and adverbs."""

from collections.abc import Collection, Iterator, Sequence

from data_pipeline.graphs.attachment import RELATIVE_TAGS, subjects
from data_pipeline.graphs.graph import (
    COLOUR,
    COUNT,
    DEGREE,
    DIRECTION,
    MANNER,
    MATERIAL,
    PLACE,
    QUALITY,
    SIZE,
    SORT,
    Modifier,
)
from data_pipeline.graphs.negation import has_not
from data_pipeline.graphs.phrases import AdverbPhrase, is_pure_adverb
from data_pipeline.graphs.words import Word, children, conjuncts, is_copula, read_word_lists

_LISTS = {section: frozenset(words) for section, words in read_word_lists("modifiers.txt").items()}
_COLOURS, _SIZES, _COUNTS, _MATERIALS = (_LISTS[key] for key in ("colours", "sizes", "counts", "materials"))
_DIRECTIONS, _PLACES, _DEGREES = (_LISTS[key] for key in ("directions", "places", "degrees"))
_MANNERS, _EVENT_COUNTS, _NO_MODIFIERS = (
    _LISTS[key] for key in ("manners", "counts of events", "not modifiers")
)
_DIGITS = dict(enumerate("zero one two three four five six seven eight nine ten eleven twelve".split()))
_BEFORE_NOUN = frozenset({"amod", "compound", "nummod", "nmod", "npadvmod", "quantmod"})
_NOUNS = frozenset({"NOUN", "PROPN"})
_COMPARED = frozenset({"JJR", "JJS", "RBR", "RBS"})
_ADVERBIAL_DEPS = ("advmod", "prt", "npadvmod")
_BELOW_MODIFIER = _BEFORE_NOUN | {"conj"}


def find_modifiers(
    words: Sequence[Word],
    entities: Collection[int],
    actions: Collection[int],
    phrases: Sequence[AdverbPhrase],
    parts: Collection[int],
) -> dict[int, list[Modifier]]:
    """Finds the modifiers of nodes.

    Args:
        words: the parsed caption, after its repair.
        entities: the indices of the entities' head words.
        actions: the indices of the actions' verbs.
        phrases: adverbs of several words.
        parts: the words of prepositions of several words, which modify nothing.

    Returns:
        The modifiers of each node that has some, by the index of its head word, in the order of the text.
    """
    finder = _Finder(words, frozenset(entities), frozenset(actions), parts)
    found: dict[int, dict[tuple[int, int], Modifier]] = {}
    for node, modifier in finder.all(phrases):
        found.setdefault(node, {}).setdefault(modifier.span, modifier)
    return {node: sorted(each.values(), key=lambda one: one.span) for node, each in found.items()}


class _Finder:
    def __init__(
        self, words: Sequence[Word], entities: frozenset[int], actions: frozenset[int], parts: Collection[int]
    ) -> None:
        self._words, self._entities, self._actions = words, entities, actions
        self._nodes = entities | actions
        self._silent = self._nodes | set(parts)

    def all(self, phrases: Sequence[AdverbPhrase]) -> Iterator[tuple[int, Modifier]]:
        """Yields every modifier with its node; it may yield one twice."""
        for phrase in phrases:
            yield from self._phrase(phrase)
        for i in self._entities:
            yield from ((i, modifier) for modifier in self._before_noun(i))
        for i, word in enumerate(self._words):
            if i in self._silent or not word.written or word.lower in _NO_MODIFIERS:
                continue
            if self._is_adverb(i):
                yield from self._adverb(i)
            elif word.pos == "ADJ":
                yield from self._predicate(i)

    def _phrase(self, phrase: AdverbPhrase) -> Iterator[tuple[int, Modifier]]:
        span = self._words[phrase.first].span[0], self._words[phrase.last].span[1]
        before = phrase.first - 1
        # In "the girl hands the man on the right a cup" the man is on the right.
        nodes, denied = ([before], False) if before in self._entities else self._described(phrase.first)
        modifier = Modifier(phrase.kind, span, _denied(phrase.lemma) if denied else phrase.lemma)
        yield from ((node, modifier) for node in nodes)

    def _before_noun(self, noun: int) -> Iterator[Modifier]:
        """Yields the adjectives, numbers and nouns below a noun, and the adverbs below them."""
        words = self._words
        for i in words[noun].children:
            if words[i].dep in ("det", "predet") and words[i].lower in _COUNTS:
                yield self._modifier(COUNT, i)
        pending = list(children(words, noun, _BEFORE_NOUN))
        for i in pending:
            word = words[i]
            if i in self._silent or not any(map(str.isalnum, word.lower)):
                continue
            if word.lower not in _NO_MODIFIERS and word.written:
                yield self._modifier(_kind_of_thing(word), i)
            pending.extend(children(words, i, _BELOW_MODIFIER))
            yield from self._degrees(i)

    def _degrees(self, adjective: int) -> Iterator[Modifier]:
        for j in children(self._words, adjective, ("advmod",)):
            if j not in self._silent and self._words[j].lower not in _NO_MODIFIERS:
                yield self._modifier(DEGREE, j)

    def _predicate(self, i: int) -> Iterator[tuple[int, Modifier]]:
        """Yields the adjective of "the car is red" with the car, and that of "flies high" with the flying."""
        words = self._words
        first = self._first_joined(i)
        verb = words[first].head
        kind, denied = _kind_of_thing(words[i]), has_not(words, first)
        subject = children(words, first, ("nsubj",))
        if first in self._nodes:
            return
        if subject:
            described = [j for noun in subject for j in conjuncts(words, noun)]
        elif words[first].dep not in ("acomp", "oprd") or words[verb].pos not in ("VERB", "AUX"):
            return
        elif verb in self._actions and words[i].lower in _MANNERS:
            described, kind = [verb], MANNER
        else:
            # In "paints the wall red" the wall is red.
            objects = children(words, verb, ("dobj",)) if words[first].dep == "oprd" else []
            described = objects or subjects(words, verb)
            denied |= is_copula(words[verb]) and has_not(words, verb)
        modifiers = [self._modifier(kind, i, denied), *self._degrees(i)]
        yield from ((node, modifier) for node in described if node in self._nodes for modifier in modifiers)

    def _is_adverb(self, i: int) -> bool:
        """Returns whether a word says more about an action, or says where a thing is."""
        word = self._words[i]
        if is_pure_adverb(word):
            return True
        if word.lower in ("left", "right") and i > 0 and self._words[i - 1].pos == "VERB":
            return True
        names_place = word.lower in _DIRECTIONS or word.lower in _PLACES
        if word.dep == "prep":
            return names_place and not word.children
        if self._words[self._first_joined(i)].dep not in _ADVERBIAL_DEPS or word.tag in RELATIVE_TAGS:
            return False
        return (names_place or word.pos not in _NOUNS) and not children(self._words, i, ("pobj",))

    def _adverb(self, i: int) -> Iterator[tuple[int, Modifier]]:
        word = self._words[i]
        head = self._words[word.head]
        kind = _kind_of_adverb(word)
        # Adverbs of adjectives are found with these, and "right behind" says no more than "behind".
        if head.pos == "ADJ" or (head.pos in ("ADP", "SCONJ") and kind != MANNER) or not word.lower.isalpha():
            return
        # An adverb before another one is a part of it ("upside down"), or says how much.
        if head.dep == "advmod" and word.head not in self._nodes and word.dep != "conj":
            if word.lower not in _DEGREES and word.head == i + 1:
                return
            kind = DEGREE
        first = i
        while first > 0 and self._is_part_of_adverb(first - 1, i):
            first -= 1
        lemma = " ".join([*(other.lower for other in self._words[first:i]), _lemma(word)])
        nodes, denied = self._described(i)
        span = self._words[first].span[0], word.span[1]
        yield from ((node, Modifier(kind, span, _denied(lemma) if denied else lemma)) for node in nodes)

    def _is_part_of_adverb(self, i: int, adverb: int) -> bool:
        word = self._words[i]
        said = word.lower not in _DEGREES and word.lower not in _NO_MODIFIERS
        return word.head == adverb and word.dep == "advmod" and said

    def _first_joined(self, i: int) -> int:
        while self._words[i].dep == "conj" and self._words[i].head != i:
            i = self._words[i].head
        return i

    def _described(self, i: int) -> tuple[list[int], bool]:
        """Returns the node that an adverb says more about, or the subject of a copula and whether that is denied."""
        words = self._words
        while words[i].head != i:
            i = words[i].head
            if i in self._nodes:
                return [i], False
            if is_copula(words[i]):
                return [j for j in subjects(words, i) if j in self._nodes], has_not(words, i)
        return [], False

    def _modifier(self, kind: str, i: int, denied: bool = False) -> Modifier:
        lemma = _lemma(self._words[i])
        return Modifier(kind, self._words[i].span, _denied(lemma) if denied else lemma)


def _denied(lemma: str) -> str:
    return f"not {lemma}"


def _kind_of_thing(word: Word) -> str:
    if word.pos == "NUM" or word.dep == "nummod" or word.lower in _COUNTS:
        return COUNT
    for kind, names in ((COLOUR, _COLOURS), (SIZE, _SIZES), (MATERIAL, _MATERIALS), (PLACE, _PLACES)):
        if word.lower in names or word.lemma in names:
            return kind
    return SORT if word.pos in _NOUNS else QUALITY


def _kind_of_adverb(word: Word) -> str:
    kinds = (
        (MANNER, _MANNERS),
        (COUNT, _EVENT_COUNTS),
        (DIRECTION, _DIRECTIONS),
        (PLACE, _PLACES),
        (DEGREE, _DEGREES),
    )
    return next((kind for kind, names in kinds if word.lower in names), MANNER)


def _lemma(word: Word) -> str:
    if word.lower.isdigit() and int(word.lower) in _DIGITS:
        return _DIGITS[int(word.lower)]
    if is_pure_adverb(word):
        return word.lower
    compared = word.tag in _COMPARED and word.lower not in _COUNTS
    return word.lemma if compared or word.pos in _NOUNS else word.lower
