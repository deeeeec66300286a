"""This module holds the words of a parsed caption, free of the parser's library, and lists of words for the rules."""

import dataclasses
import pathlib
import re
from collections.abc import Collection, Sequence


@dataclasses.dataclass(slots=True)
class Word:
    """A word is one word of a parsed caption.

    Attributes:
        lower: the word as it was parsed, lower case and spelt correctly.
        written: the word as written, lower case.
        span: the first character in the caption and one past the last; empty for a word that only a rephrased caption
            has.
        lemma: the dictionary form, lower case.
        pos: the universal part of speech.
        tag: the Penn Treebank tag.
        dep: the label of the dependency on the head.
        head: the index of the head; a root is its own head.
        children: the indices of the dependents, in order.
    """

    lower: str
    written: str
    span: tuple[int, int]
    lemma: str
    pos: str
    tag: str
    dep: str
    head: int
    children: list[int] = dataclasses.field(default_factory=list)


def link_children(words: Sequence[Word]) -> None:
    """Fills `Word.children` from `Word.head`."""
    for index, word in enumerate(words):
        if word.head != index:
            words[word.head].children.append(index)


def attach(words: Sequence[Word], index: int, head: int, dep: str) -> None:
    """Moves a word below another head, in place; a word below itself is a root.

    It does nothing where the head is below the word, so that a tree stays a tree.
    """
    above = head
    while above != words[above].head:
        above = words[above].head
        if above == index != head:
            return
    old = words[index].head
    if old != index:
        words[old].children.remove(index)
    words[index].head, words[index].dep = head, dep
    if head != index:
        words[head].children.append(index)
        words[head].children.sort()


def children(words: Sequence[Word], index: int, deps: Collection[str]) -> list[int]:
    """Returns the dependents of a word with one of the labels, in order."""
    return [child for child in words[index].children if words[child].dep in deps]


def conjuncts(words: Sequence[Word], index: int) -> list[int]:
    """Returns the word and all words that "and" joins to it, directly or through one another, in order."""
    found = [index]
    for position in found:
        found.extend(children(words, position, ("conj",)))
    return sorted(found)


SUBJECT_DEPS = ("nsubj", "nsubjpass")
PHRASE_DEPS = frozenset({"det", "amod", "compound", "nummod", "poss", "nmod"})
"""These join a noun to what stands before it in its phrase."""
NOUN_LIKE = frozenset({"NOUN", "PROPN", "PRON"})
FINITE_TAGS = frozenset({"VBZ", "VBP", "VBD"})


def phrase_start(words: Sequence[Word], noun: int) -> int:
    """Returns the index of the first word of a noun's phrase."""
    start = noun
    while start > 0 and words[start - 1].head == noun and words[start - 1].dep in PHRASE_DEPS:
        start -= 1
    return start


def is_copula(word: Word) -> bool:
    """Returns whether the word is a form of "be"."""
    return word.lemma == "be"


def word_set(text: str) -> frozenset[str]:
    """Returns the set of the words of a text; people read and extend such lists."""
    return frozenset(text.split())


_FOLDER = pathlib.Path(__file__).with_name("word_lists")


def read_word_lists(name: str) -> dict[str, tuple[str, ...]]:
    """Returns the lists of a file by the names of their sections, each in the order of the file.

    Args:
        name: the name of the file. A line ``[section]`` begins a list, and a line that begins with ``#`` is a comment.
    """
    lists: dict[str, list[str]] = {}
    for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words = lists[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            words.extend(line.split())
    return {section: tuple(words) for section, words in lists.items()}


_NOUNS = {section: frozenset(words) for section, words in read_word_lists("nouns.txt").items()}
_VERBS = {section: frozenset(words) for section, words in read_word_lists("verbs.txt").items()}

FREQUENT_WORDS = read_word_lists("frequent.txt")["frequent"]

PERSONS, ANIMALS, VEHICLES = _NOUNS["persons"], _NOUNS["animals"], _NOUNS["vehicles"]
WORN, PLACES = _NOUNS["worn"], _NOUNS["places"]
PICTURES, PATHS = _NOUNS["pictures"], _NOUNS["paths"]
PLURALS_ONLY, GERUND_NOUNS, NOUN_PAIRS = _NOUNS["plurals only"], _NOUNS["gerund nouns"], _NOUNS["noun pairs"]

BASE_FORMS = _VERBS["base forms"] | _VERBS["seen verbs"]
OFTEN_NOUNS, VERBS_ONLY = _VERBS["often nouns"] | _VERBS["seen as nouns"], _VERBS["verbs only"]
POSTURES, MOTIONS = _VERBS["postures"], _VERBS["motions"]
PUTTING, TAKING, GIVING = _VERBS["putting"], _VERBS["taking"], _VERBS["giving"]
TRANSITIVES, INTRANSITIVES = _VERBS["transitives"], _VERBS["intransitives"]


def third_person(base: str) -> str:
    """Returns the third person singular, as "carries" of "carry"."""
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "z")) else "s")


def gerund(base: str) -> str:
    """Returns the gerund, as "carrying" of "carry"."""
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("ic"):
        return base + "king"
    if base.endswith("e") and not base.endswith(("ee", "ye")):
        return base[:-1] + "ing"
    return base + (base[-1] if base in _VERBS["doubled"] else "") + "ing"


def base_form(form: str, verbs: Collection[str]) -> str:
    """Returns the base form of a verb that ends in "ing", "ed" or "s"; another form is returned as it is.

    Args:
        form: in lower case.
        verbs: base forms that are known; of a verb that is not among them the spelling decides ("texting" is of "text",
            "vaping" of "vape").
    """
    for ending in ("ing", "ied", "ed", "ies", "es", "s"):
        stem = form.removesuffix(ending)
        if stem == form or len(stem) < 2:
            continue
        if ending.startswith("i") and ending != "ing":
            return stem + "y"
        single = stem[:-1] if stem[-1:] == stem[-2:-1] else stem
        candidates = (single, stem) if ending == "s" else (single, stem, stem + "e")
        known = [base for base in candidates if base in verbs]
        if known:
            return known[0]
        if ending == "s":
            return stem
        if ending == "es" and _SIBILANT.search(stem):
            return stem
        if ending != "es":
            doubled = single != stem and stem[-1] not in "lsz"
            return single if doubled else stem + "e" * bool(_LACKS_E.search(stem))
    return form


_SIBILANT = re.compile(r"(?:s|sh|ch|x|z|o)$")
_LACKS_E = re.compile(r"(?:[cvuz]|[dr]g|[^s]s|[bdfgkptz]l|(?:^|[^aeiouy])[aiou][bdgkmpt])$")
"""Stems of verbs whose base form ends in "e"."""

VERB_PAIRS = frozenset(
    (first, form)
    for first, base in (pair.split("_") for pair in _VERBS["verb pairs"])
    for form in (third_person(base), gerund(base), base + "d" if base.endswith("e") else base + "ed")
)
"""These are two words that are one verb, as ("pole", "vaults")."""

GERUND_OF_BASE = {base: gerund(base) for base in BASE_FORMS}
GERUND_OF_THIRD_PERSON = {third_person(base): gerund(base) for base in BASE_FORMS}

_E_VERBS = word_set("rate hope scrape dine breathe scare tape") | {
    base for base in BASE_FORMS if base.endswith("e")
}
LEMMAS = {
    **{form: base for base, form in GERUND_OF_BASE.items()},
    **{third_person(base): base for base in BASE_FORMS},
    **{form: base for base in _E_VERBS for form in (third_person(base), gerund(base), base + "d")},
}
"""These are the base forms of verbs that a lemmatizer may confuse with another ("riding" is not of "rid")."""
