"""The prepositions of a parsed caption and the roles they give to their objects."""

from collections.abc import Sequence

from data_pipeline.captions.graph import AGENT, OTHER, PREPOSITIONS, RECIPIENT
from data_pipeline.captions.word_kinds import GIVING
from data_pipeline.captions.words import Word, children

_MULTIWORD = {
    ("next", "to"): "next_to",
    ("in", "front", "of"): "in_front_of",
    ("on", "top", "of"): "on_top_of",
    ("out", "of"): "out_of",
    ("away", "from"): "away_from",
    ("inside", "of"): "inside",
    ("outside", "of"): "outside",
    ("off", "of"): "off",
    ("because", "of"): OTHER,
    ("instead", "of"): OTHER,
    ("ahead", "of"): OTHER,
}
_SYNONYMS = {
    "towards": "toward",
    "amongst": "among",
    "beneath": "under",
    "underneath": "under",
    "upon": "on",
    "atop": "on_top_of",
    "infront": "in_front_of",
    "alongside": "beside",
}


def whole_preposition(words: Sequence[Word], index: int) -> tuple[str, ...]:
    """The words of the preposition that ends at ``index``."""
    for length in (3, 2):
        lowers = tuple(word.lower for word in words[max(index + 1 - length, 0) : index + 1])
        if lowers in _MULTIWORD:
            return lowers
    return (words[index].lower,)


def prepositions(words: Sequence[Word]) -> dict[int, str]:
    """The role that each preposition with an object gives to it, by the index of its last word."""
    return {
        i: preposition_role(words, i)
        for i, word in enumerate(words)
        if word.dep in ("prep", "agent", "dative") and children(words, i, ("pobj",))
    }


def preposition_role(words: Sequence[Word], index: int) -> str:
    """The role that the preposition which ends at ``index`` gives."""
    word = words[index]
    if word.dep == "agent":
        return AGENT
    if word.lower == "to" and words[word.head].lemma in GIVING and words[word.head].pos == "VERB":
        return RECIPIENT
    role = _MULTIWORD.get(whole_preposition(words, index), _SYNONYMS.get(word.lower, word.lower))
    return role if role in PREPOSITIONS else OTHER
