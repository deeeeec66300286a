"""This module finds what a caption denies: absent things, actions that do not happen, and relations that are not."""

from collections.abc import Collection, Iterator, Sequence

from data_pipeline.graphs.attachment import subjects
from data_pipeline.graphs.words import SUBJECT_DEPS, Word, children, conjuncts, is_copula, word_set

NOBODY = {"nobody": "person", "noone": "person", "none": "one", "nothing": "thing"}
"""What these pronouns deny."""

_NOT = word_set("not n't nt never")
_FAILING = word_set("fail refuse avoid forget decline")
_STANDING = word_set("a an any no one single")
"""A thing with one of these before it, or with nothing, does not exist outside of what is denied."""
_IN_PHRASE = frozenset({"det", "poss", "amod", "compound", "nummod"})
_DETERMINERS = ("det", "poss", "predet")


def find_negated(words: Sequence[Word], entities: Collection[int], actions: Collection[int]) -> set[int]:
    """Returns the head words of the nodes that a parsed caption denies.

    Denied are: what follows "no" and "without"; "nobody"; verbs with "not", "never" or "neither … nor", and what has
    such a subject; and the object of a denied verb unless it is known ("not wearing helmets" denies the helmets,
    "does not kick the ball" says nothing of the ball).

    Args:
        words: the parsed caption, after its repair.
        entities: the indices of the entities' head words.
        actions: the indices of the actions' verbs.
    """
    nouns = {i for i in entities if _is_absent(words, i)}
    nouns |= {j for i in tuple(nouns) for j in _joined(words, i) if j in entities}
    verbs = {i for i in actions if _does_not_happen(words, i, nouns)}
    verbs |= {j for i in tuple(verbs) for j in _below(words, i) if j in actions}
    nouns |= {j for i in verbs for j in _unknown_objects(words, i) if j in entities}
    return nouns | verbs


def is_denied(words: Sequence[Word], source: int, target: int, nodes: Collection[int]) -> bool:
    """Returns whether an edge is denied though its ends may be there ("a dog that is not on the leash").

    Args:
        words: the parsed caption, after its repair.
        source: the word at which the edge begins.
        target: the word at which it ends.
        nodes: the indices of the head words of all nodes.
    """
    i = target
    while words[i].head != i:
        if words[i].dep == "neg":
            return False
        if any(words[j].lower in _NOT for j in words[i].children) and words[i].pos == "ADP":
            return True
        joined = words[i].dep == "conj"
        i = words[i].head
        if is_copula(words[i]) and i not in nodes:
            return has_not(words, i) and not children(words, i, ("expl",))
        if i == source or (i in nodes and not joined):
            return False
    return False


def _is_absent(words: Sequence[Word], i: int) -> bool:
    word = words[i]
    if word.lower in NOBODY:
        return True
    if _says_no(words, i) or _is_replaced(words, i):
        return True
    first = i
    while words[first].dep == "conj":
        first = words[first].head
    verb = words[first].head
    if words[first].dep == "pobj" and words[verb].lower == "without":
        return True
    if _is_neither(words, first) and words[first].dep not in SUBJECT_DEPS:
        return True
    existential = word.dep == "attr" and is_copula(words[verb]) and children(words, verb, ("expl",))
    return bool(existential) and has_not(words, verb)


def _joined(words: Sequence[Word], i: int) -> Iterator[int]:
    """Yields the things that share "no" ("no dogs or cats")."""
    for j in conjuncts(words, i):
        if j != i and not children(words, j, (*_DETERMINERS, "nummod")):
            yield j


def _does_not_happen(words: Sequence[Word], i: int, absent: Collection[int]) -> bool:
    word, head = words[i], words[words[i].head]
    if has_not(words, i) or _is_replaced(words, i):
        return True
    if (word.dep == "pcomp" and head.lower == "without") or (word.dep == "xcomp" and head.lemma in _FAILING):
        return True
    acting = subjects(words, i)
    if any(_is_neither(words, j) for j in acting):
        return True
    if acting and all(j in absent for j in acting):
        return word.dep not in ("acl", "relcl")
    objects = [j for j in children(words, i, ("dobj",)) if j in absent]
    return any(words[j].lower in NOBODY or _says_no(words, j) or _is_neither(words, j) for j in objects)


def _says_no(words: Sequence[Word], noun: int) -> bool:
    return any(
        words[j].lower in ("no", "zero") or (words[j].lower == "not" and not _is_not_only(words, j))
        for j in words[noun].children
    )


def _is_neither(words: Sequence[Word], noun: int) -> bool:
    return any(words[j].lower == "neither" for j in words[noun].children)


def _is_not_only(words: Sequence[Word], i: int) -> bool:
    return i + 1 < len(words) and words[i + 1].lower in ("only", "just")


def _is_replaced(words: Sequence[Word], i: int) -> bool:
    """Returns whether the word is what "instead of" is said of."""
    start = i
    while start > 0 and words[start - 1].head == i and words[start - 1].dep in _IN_PHRASE:
        start -= 1
    return start > 1 and (words[start - 2].lower, words[start - 1].lower) == ("instead", "of")


def has_not(words: Sequence[Word], i: int) -> bool:
    """Returns whether "not" belongs to a verb, itself or by way of an auxiliary; in "not only" it denies nothing."""
    for j in words[i].children:
        if words[j].lower in _NOT and not _is_not_only(words, j):
            return True
        if words[j].lower == "longer" and any(words[k].lower == "no" for k in words[j].children):
            return True
        if words[j].dep in ("aux", "auxpass") and any(words[k].lower in _NOT for k in words[j].children):
            return True
        if words[j].lower in ("neither", "nor") and words[j].dep in ("preconj", "cc", "advmod") and j < i:
            return True
    return False


def _below(words: Sequence[Word], i: int) -> Iterator[int]:
    """Yields the verbs that are denied with a verb: "does not want to run", "does not run or jump"."""
    yield from children(words, i, ("xcomp",))
    if any(words[j].lower in ("or", "nor") for j in words[i].children):
        yield from (j for j in conjuncts(words, i) if j > i)


def _unknown_objects(words: Sequence[Word], verb: int) -> Iterator[int]:
    for j in children(words, verb, ("dobj",)):
        for noun in conjuncts(words, j):
            known = [k for k in children(words, noun, _DETERMINERS) if words[k].lower not in _STANDING]
            if not known and words[noun].pos not in ("PRON", "PROPN"):
                yield noun
