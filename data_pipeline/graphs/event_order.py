"""This module finds which action of a caption comes before which, and which happen at once."""

from collections.abc import Collection, Iterator, Sequence

from data_pipeline.graphs.graph import BEFORE, WHILE
from data_pipeline.graphs.words import POSTURES, Word, children, read_word_lists, word_set

_AT_ONCE = word_set("while as whilst when whenever meanwhile")
_EARLIER = word_set("before until till")
_LATER = word_set("after once")
_NEXT = word_set("then afterwards afterward later next finally eventually subsequently")
_LASTING = frozenset(read_word_lists("verbs.txt")["lasting"])

OrderEdge = tuple[int, str, int]
"""An order is an earlier verb, `BEFORE` or `WHILE`, and a later verb."""


def find_order(words: Sequence[Word], actions: Collection[int]) -> Iterator[OrderEdge]:
    """Yields the order of the actions of a parsed caption, each pair once.

    "A before B", "B after A" and "A, then B" are one edge, from the earlier action to the later one. Of two that
    happen at once, the edge begins at the one that is said first. Two joined by "and" follow one another, as captions
    tell what happens, unless they are said in the progressive ("is singing and dancing"), both go on for a while
    ("walks and talks"), or the first is a posture ("sits and reads").

    Args:
        words: the parsed caption, after its repair.
        actions: the indices of the actions' verbs.
    """
    seen: set[frozenset[int]] = set()
    for earlier, role, later in _orders(words, frozenset(actions)):
        pair = frozenset((earlier, later))
        if len(pair) == 2 and pair not in seen:
            seen.add(pair)
            yield earlier, role, later


def _orders(words: Sequence[Word], actions: frozenset[int]) -> Iterator[OrderEdge]:
    for i in sorted(actions):
        yield from _order_of_clause(words, i, actions)
    for i, word in enumerate(words):
        if word.lower in _NEXT and word.dep in ("advmod", "dep", "mark", "cc"):
            yield from _order_around(words, i, actions)
    for i in sorted(actions):
        yield from _order_of_joined(words, i, actions)


def _order_of_clause(words: Sequence[Word], i: int, actions: frozenset[int]) -> Iterator[OrderEdge]:
    """Yields the order that a conjunction gives: "before" of "sings before he dances" and of "before dancing"."""
    if words[i].dep == "pcomp" and words[words[i].head].pos in ("ADP", "SCONJ"):
        marks = [words[i].head]
        above = words[i].head
    else:
        marks = children(words, i, ("mark", "advmod"))
        above = i
        if words[i].head != i and words[i].dep not in (
            "advcl",
            "ccomp",
            "acl",
            "relcl",
            "dep",
            "conj",
            "parataxis",
        ):
            return
    other = (
        _action_above(words, above, actions) if words[i].head != i else _action_of_subject(words, i, actions)
    )
    for mark in marks:
        lower = words[mark].lower
        if mark > i or other is None:
            continue
        if lower in _EARLIER:
            yield other, BEFORE, i
        elif lower in _LATER:
            yield i, BEFORE, other
        elif lower in _AT_ONCE:
            yield min(i, other), WHILE, max(i, other)


def _action_above(words: Sequence[Word], i: int, actions: frozenset[int]) -> int | None:
    """Returns the action that a clause belongs to; of a noun with a participle or in an action, that action."""
    while words[i].head != i:
        i = words[i].head
        if i in actions:
            return i
        described = [j for j in children(words, i, ("acl", "relcl")) if j in actions]
        if described:
            return described[0]
    return None


def _action_of_subject(words: Sequence[Word], i: int, actions: frozenset[int]) -> int | None:
    """Returns what the subject of a verb does besides: in "a person texting while driving" it texts."""
    besides = (j for noun in children(words, i, ("nsubj",)) for j in children(words, noun, ("acl",)))
    return next((j for j in besides if j in actions), None)


def _order_around(words: Sequence[Word], mark: int, actions: frozenset[int]) -> Iterator[OrderEdge]:
    """Yields the order that "then" gives: the last action before it comes before the next one."""
    head = words[mark].head
    # The parser may join "then" to the verb before it.
    after = [j for j in actions if j > mark] if words[mark].lower == "then" else []
    later = head if head in actions and (head > mark or not after) else min(after, default=None)
    if later is None:
        return
    earlier = [j for j in actions if j < min(mark, later) and words[j].dep != "relcl"]
    if earlier:
        yield max(earlier), BEFORE, later


def _order_of_joined(words: Sequence[Word], i: int, actions: frozenset[int]) -> Iterator[OrderEdge]:
    """Yields the order of two verbs that "and" or a comma joins."""
    first = words[i].head
    if words[i].dep != "conj" or first not in actions or first > i:
        return
    if any(words[j].lower in ("or", "nor") for j in words[first].children):
        return
    both = words[first], words[i]
    at_once = (
        any(word.written.endswith("ing") for word in both)
        or words[first].lemma in POSTURES
        or all(word.lemma in _LASTING for word in both)
    )
    yield first, WHILE if at_once else BEFORE, i
