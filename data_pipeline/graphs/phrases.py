"""This module finds phrases of several words that are one thing in a graph: a spatial relation, a place or a degree.

"To the left of" is one preposition, as "in front of" is, and "to the left" is one adverb; "left" names no thing in
either.
"""

import dataclasses
from collections.abc import Sequence

from data_pipeline.graphs.graph import DEGREE, DIRECTION, PLACE
from data_pipeline.graphs.words import Word, attach, children, word_set

_ROLES = {
    "left": "left_of",
    "right": "right_of",
    "top": "top_of",
    "bottom": "bottom_of",
    "base": "bottom_of",
    "back": "back_of",
    "rear": "back_of",
    "front": "front_of",
    "side": "side_of",
    "middle": "middle_of",
    "center": "middle_of",
    "centre": "middle_of",
    "midst": "middle_of",
    "edge": "edge_of",
    "corner": "corner_of",
    "background": "background_of",
    "beginning": "start_of",
    "start": "start_of",
    "end": "end_of",
    "inside": "inside",
    "outside": "outside",
    "surface": "on",
}
"""What "of" means after a preposition and one of these."""

_FAR = ("other", "opposite", "far")
_SIDES = {
    **{word: _ROLES[word] for word in ("left", "right", "top", "bottom", "back", "front")},
    **dict.fromkeys(_FAR, "other_side_of"),
}
"""What "side of" means after one of these."""

_EXACT = {("on", "top"): "on_top_of", ("in", "front"): "in_front_of", ("in", "back"): "behind"}
"""What "of" means after these where no article stands between."""

_PLACES = word_set("left right background foreground middle center centre front back top bottom rear")
"""These are places of their own: "on the left" says where, without "of"."""

_PREPOSITIONS = word_set("in on at to by")
_OF_DIRECTION = word_set("to from toward towards")
_OF_PLACE = word_set("in on at")
_BETWEEN = word_set("the a an his her its their my your our very far upper lower immediate hand handed")
_POSSESSIVES = word_set("his her its their my your our")
_BEFORE_NOUN = ("amod", "compound", "nmod")
_ABOVE = word_set("above below behind inside outside underneath beneath afar within")
_PURE_ADVERBS = word_set(
    "upstairs downstairs outdoors indoors underwater backwards forwards sideways onstage onscreen"
)
_AMOUNTS = word_set("lot bit little ton")


@dataclasses.dataclass(frozen=True)
class AdverbPhrase:
    """A phrase says where, which way or how much.

    Attributes:
        kind: one of `data_pipeline.graphs.graph.MODIFIER_KINDS`.
        lemma: its words, without articles.
        first: the index of its first word, from which one climbs to what it says more about.
        last: the index of its last word.
    """

    kind: str
    lemma: str
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class FixedPhrases:
    """These are the phrases of a caption.

    Attributes:
        roles: the role that each spatial relation gives to its object, by the index of its last word, "of".
        adverbs: the phrases that say more about a node.
        parts: the indices of the words that name nothing because they are a part of a phrase.
    """

    roles: dict[int, str]
    adverbs: list[AdverbPhrase]
    parts: set[int]


def find_phrases(words: Sequence[Word]) -> FixedPhrases:
    """Finds the phrases of a parsed caption, and corrects, in place, what the parser made of their words."""
    found = FixedPhrases({}, [], set())
    for index, word in enumerate(words):
        if word.dep in ("pobj", "dobj"):
            _free_adverb(words, index)
    index = 0
    while index < len(words):
        index = (_from_to(words, index, found) or _phrase_from(words, index, found) or index) + 1
    return found


def is_pure_adverb(word: Word) -> bool:
    """Returns whether a word names no thing, whatever its part of speech, as "upstairs" of "walks upstairs"."""
    return word.lower in _PURE_ADVERBS


def _free_adverb(words: Sequence[Word], index: int) -> None:
    """Frees "indoors" of "onto a treadmill indoors" and "red" of "paints the wall red", which are no objects."""
    word, head = words[index], words[index].head
    if word.pos == "ADJ" and word.dep == "dobj":
        before = [j for j in children(words, head, ("dobj",)) if j < index]
        if before and before[-1] == index - 1 and not word.children:
            word.dep = "oprd"
    elif is_pure_adverb(word) and index and words[index - 1].head == index:
        noun = index - 1
        if words[noun].dep in _BEFORE_NOUN:
            attach(words, noun, head, word.dep)
            words[noun].pos, words[noun].tag = "NOUN", "NN"
            for other in tuple(words[index].children):
                attach(words, other, noun, words[other].dep)
            attach(words, index, words[head].head, "advmod")


def _phrase_from(words: Sequence[Word], index: int, found: FixedPhrases) -> int | None:
    """Adds the phrase that begins with a word, and returns the index of its last; None where none begins there."""
    lower = words[index].lower
    if lower in ("a", "an"):
        return _amount(words, index, found)
    if lower in ("left", "right") and _is(words, index + 1, "of"):
        return _relation(words, (index, index), _ROLES[lower], found)
    if lower in _PREPOSITIONS or lower in _OF_DIRECTION:
        return _located(words, index, found)
    return None


def _located(words: Sequence[Word], preposition: int, found: FixedPhrases) -> int | None:
    noun = _location_after(words, preposition)
    if noun is None:
        return _from_above(words, preposition, found)
    if not _is(words, noun + 1, "of"):
        return _adverb(words, preposition, noun, found)
    if words[preposition].lower not in _PREPOSITIONS:
        return None
    return _relation(words, (preposition, noun), _role(words, preposition, noun), found)


def _location_after(words: Sequence[Word], preposition: int) -> int | None:
    """Returns the word of `_ROLES` after a preposition, with nothing but an article and the like between."""
    noun = preposition + 1
    while noun < len(words) and words[noun].lower in _BETWEEN | {"-"}:
        noun += 1
    if noun < len(words) and words[noun].lower in _SIDES:
        side = noun + 1
        while side < len(words) and words[side].lower in ("hand", "handed", "most", "-"):
            side += 1
        if _is(words, side, "side"):
            return side
    return noun if noun < len(words) and words[noun].lower in _ROLES.keys() | _PLACES else None


def _role(words: Sequence[Word], preposition: int, noun: int) -> str:
    between = [word.lower for word in words[preposition + 1 : noun]]
    if words[noun].lower == "side":
        return next((_SIDES[word] for word in between if word in _SIDES), _ROLES["side"])
    exact = (words[preposition].lower, words[noun].lower)
    if exact in _EXACT and (not between or exact == ("on", "top")):
        return _EXACT[exact]
    return _ROLES.get(words[noun].lower, "in")


def _relation(words: Sequence[Word], phrase: tuple[int, int], role: str, found: FixedPhrases) -> int | None:
    """Makes one preposition of a phrase and the "of" after it."""
    first, noun = phrase
    of = noun + 1
    objects = children(words, of, ("pobj", "pcomp"))
    if not objects:
        return None
    if first != noun:
        attach(words, noun, first, "pobj")
    attach(words, of, noun, "prep")
    found.roles[of] = role
    found.parts.update(range(first, noun + 1))
    return of


def _adverb(words: Sequence[Word], preposition: int, noun: int, found: FixedPhrases) -> int | None:
    """Makes one adverb of a preposition and a place that stands alone ("on the left", "to the right side")."""
    between = [word.lower for word in words[preposition + 1 : noun]]
    name = words[noun].lower
    if name == "side":
        name = next((word for word in between if word in _SIDES), "")
    # In "on his back" the back is a thing, and in "to the left hand" and "a left turn" the left is none.
    owned = name not in ("left", "right") and any(word in _POSSESSIVES for word in between)
    following = words[words[noun].head]
    belongs = words[noun].head > noun and words[noun].dep in _BEFORE_NOUN and following.pos != "VERB"
    if name not in _PLACES | set(_FAR) or owned or belongs or (not between and name == "back"):
        return None
    lower = words[preposition].lower
    if lower in _OF_DIRECTION:
        kind, lemma = DIRECTION, f"from {name}" if lower == "from" else name
    elif lower in _OF_PLACE:
        kind, lemma = PLACE, name
    else:
        return None
    if name in _FAR:
        lemma += " side"
    _free_verb(words, preposition, noun)
    attach(words, noun, preposition, "pobj")
    found.adverbs.append(AdverbPhrase(kind, lemma, preposition, noun))
    found.parts.update(range(preposition, noun + 1))
    return noun


def _free_verb(words: Sequence[Word], preposition: int, place: int) -> None:
    """Gives a verb after a place its subject: in "the woman on the left smiles" the smiles are not on the left."""
    verb, owner = words[place].head, words[preposition].head
    if verb > place and words[verb].pos == "VERB" and words[verb].head == preposition and owner < preposition:
        attach(words, verb, owner, "acl")


def _from_to(words: Sequence[Word], index: int, found: FixedPhrases) -> int | None:
    """Adds "from left to right", which is one direction."""
    if not _is(words, index, "from"):
        return None
    start = _location_after(words, index)
    if start is None or not _is(words, start + 1, "to"):
        return None
    end = _location_after(words, start + 1)
    if end is None or _is(words, end + 1, "of"):
        return None
    lemma = f"{words[start].lower} to {words[end].lower}"
    found.adverbs.append(AdverbPhrase(DIRECTION, lemma, index, end))
    found.parts.update(range(index, end + 1))
    return end


def _from_above(words: Sequence[Word], index: int, found: FixedPhrases) -> int | None:
    """Adds "from above" without a noun, which is a direction."""
    place = index + 1
    alone = place < len(words) and words[place].lower in _ABOVE and not words[place].children
    if not _is(words, index, "from") or not alone:
        return None
    found.adverbs.append(AdverbPhrase(DIRECTION, f"from {words[place].lower}", index, place))
    found.parts.update((index, place))
    return place


def _amount(words: Sequence[Word], article: int, found: FixedPhrases) -> int | None:
    """Adds "a little" and "a lot" where they are adverbs, unlike in "a lot of people" and "a little boy"."""
    noun = article + 1
    if noun == len(words) or words[noun].lower not in _AMOUNTS:
        return None
    if words[noun].dep not in ("npadvmod", "advmod") or _is(words, noun + 1, "of"):
        return None
    found.adverbs.append(AdverbPhrase(DEGREE, words[noun].lower, noun, noun))
    found.parts.update((article, noun))
    return noun


def _is(words: Sequence[Word], index: int, lower: str) -> bool:
    return index < len(words) and words[index].lower == lower
