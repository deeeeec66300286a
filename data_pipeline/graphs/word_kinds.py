"""This module corrects, in place, which words of a caption are verbs, nouns and adjectives."""

from collections.abc import Sequence

from data_pipeline.graphs.words import (
    BASE_FORMS,
    LEMMAS,
    NOUN_LIKE,
    Word,
    attach,
    base_form,
    children,
    is_copula,
    word_set,
)

_OF_CLAUSE = frozenset({"nsubj", "prep", "advmod", "conj", "cc", "punct", "npadvmod"})
_BEFORE_VERB = word_set("help make let go come watch see hear have dare need")


def repair_kind(words: Sequence[Word], index: int) -> None:
    """Makes a verb of the word at ``index`` that was taken for an adjective or a noun, or the reverse."""
    word = words[index]
    if word.pos == "ADJ":
        _name_passive(words, index)
    elif word.tag == "VBZ" and word.dep in ("dobj", "pobj") and not children(words, index, ("dobj", "nsubj")):
        # "Digs holes": nothing finite can be an object.
        word.pos, word.tag = "NOUN", "NNS"
    elif word.tag == "VB" and word.dep == "xcomp" and words[word.head].tag == "VBZ":
        _name_object(words, index)
    elif word.tag == "NN" and word.dep == "pobj" and word.lower.endswith("ing") and word.lower in LEMMAS:
        _free_participle_on_stage(words, index)
    elif word.pos == "NOUN" and word.dep == "xcomp" and word.lower.endswith("ing"):
        _make_verb(word, "VBG")
    elif word.pos == "AUX" and word.lemma == "do" and word.dep == "aux" and words[word.head].pos in NOUN_LIKE:
        _free_do(words, index)


def _make_verb(word: Word, tag: str) -> None:
    word.pos, word.tag, word.lemma = "VERB", tag, base_form(word.lower, BASE_FORMS)


def _name_passive(words: Sequence[Word], index: int) -> None:
    """Makes a verb of an adjective that is a passive: "a recipe is prepared", "an owl is being pet by a person"."""
    word, copula = words[index], words[index].head
    if children(words, index, ("auxpass",)):
        _make_verb(word, "VBN")
        return
    after = words[index + 1] if index + 1 < len(words) else None
    if word.dep != "acomp" or not is_copula(words[copula]) or after is None or after.lower != "by":
        return
    if not children(words, index + 1, ("pobj",)) or after.head not in (index, copula):
        return
    _make_verb(word, "VBN")
    above = words[copula].head
    attach(words, index, above if above != copula else index, words[copula].dep)
    for child in list(words[copula].children):
        if child != index:
            attach(words, child, index, words[child].dep)
    attach(words, copula, index, "auxpass")
    attach(words, index + 1, index, "agent")
    for subject in children(words, index, ("nsubj",)):
        words[subject].dep = "nsubjpass"


def _free_do(words: Sequence[Word], index: int) -> None:
    """Makes a verb of the "does" of "a man does code", where the parser expects another verb."""
    noun = words[index].head
    above = words[noun].head
    attach(words, index, above if above != noun else index, words[noun].dep)
    for child in list(words[noun].children):
        if words[child].dep in _OF_CLAUSE and child != index:
            attach(words, child, index, words[child].dep)
    attach(words, noun, index, "dobj")


def _name_object(words: Sequence[Word], index: int) -> None:
    """Makes an object of a verb that another one cannot have: "blows smoke"."""
    word = words[index]
    head = words[word.head]
    takes_none = head.lemma not in _BEFORE_VERB and not is_copula(head) and word.head == index - 1
    if takes_none and not children(words, index, ("aux", "dobj", "nsubj")):
        word.pos, word.tag, word.dep = "NOUN", "NN", "dobj"


def _free_participle_on_stage(words: Sequence[Word], index: int) -> None:
    """Frees a participle from the place before it: "two girls are on stage singing"."""
    preposition = words[index].head
    above = words[preposition].head
    place = index - 1
    if not is_copula(words[above]) or preposition != index - 2 or words[place].head != index:
        return
    if words[place].pos != "NOUN" or words[preposition].lower not in ("on", "in", "at"):
        return
    attach(words, place, preposition, "pobj")
    attach(words, index, above, "advcl")
    words[index].pos, words[index].tag, words[index].lemma = "VERB", "VBG", LEMMAS[words[index].lower]
