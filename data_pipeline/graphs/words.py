"""Words of a parsed caption, free of the library that parsed them."""

import dataclasses
from collections.abc import Collection, Sequence


@dataclasses.dataclass(slots=True)
class Word:
    """One word of a parsed caption.

    Attributes:
        lower: the word as it was parsed, lower case and spelt correctly.
        written: the word as written, lower case.
        span: first character and one past the last character in the caption; empty for a word that a
            rephrased caption has in addition.
        lemma: dictionary form, lower case.
        pos: universal part of speech.
        tag: Penn Treebank tag.
        dep: label of the dependency on the head.
        head: index of the head; a root is its own head.
        children: indices of the dependents, in order.
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

    Does nothing where the head is below the word, so that a tree stays a tree.
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
    """The dependents of a word with one of the labels, in order."""
    return [child for child in words[index].children if words[child].dep in deps]


def conjuncts(words: Sequence[Word], index: int) -> list[int]:
    """The word and all those joined to it by "and", directly or through one another, in order."""
    found = [index]
    for position in found:
        found.extend(children(words, position, ("conj",)))
    return sorted(found)


def is_copula(word: Word) -> bool:
    """Whether the word is a form of "be"."""
    return word.lemma == "be"


def word_set(text: str) -> frozenset[str]:
    """The set of the words of a text, for lists that people read and extend."""
    return frozenset(text.split())
