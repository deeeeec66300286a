"""This module reads a query: its steps ("A then B"), what it must not have (`-word`, "without …"), and quotes.

The language has no grammar of sentences; its few rules hold for any query. `docs/search.md` shows them with examples.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from data_pipeline.errors import InputError, shown
from data_pipeline.prepared_data import ends_noun_phrase
from mcsan_jax.search.queries.asking import without_request
from mcsan_jax.search.query_words import QueryWord, query_words, written

MAX_CHARACTERS = 10_000
"""This many characters of a query are read."""

MAX_PARTS = 8
"""A query may have this many steps, and this many negative parts."""

_THEN = "then"
_BEFORE_THEN = frozenset({"and", "but"})
_IDIOM = ["now", "and"]
_NO_ORDER_AFTER = frozenset("since until till by back more less rather".split())
"""After these words and the idiom's, "then" orders nothing; "more then" is a slip of the pen."""
_WITHOUT = (("without",), ("but", "not"), ("but", "no"), ("with", "no"))
"""A negative part follows these words."""
_JOINING = frozenset({"and", "or", "nor"})
_OPENING = frozenset(
    "a an the any some this that these those his her its their my our your no in on at of by near".split()
)
"""Words with which a phrase may open; by themselves they name nothing."""


@dataclasses.dataclass(frozen=True)
class ParsedQuery:
    """A parsed query holds its parts.

    Attributes:
        steps: what is searched for, in the order of time; one text where the query has no "then".
        negatives: what the video should not have, of the query as a whole; each phrase once.
        notes: what the user should know about how the query was read.
        quoted: the phrases that stood in quotes, to be taken as they are.
    """

    steps: tuple[str, ...]
    negatives: tuple[str, ...]
    notes: tuple[str, ...]
    quoted: tuple[str, ...] = ()


def parse_query(text: str) -> ParsedQuery:
    """Reads a query.

    * "A then B" has two steps, and more with more "then"; ", then", "and then" and ", and then" are the same. At the
      start or the end of the query, "then" is a word like any other.
    * ``-word``, ``-"several words"``, and what follows "without", "with no", "but not" or "but no", is a negative part.
      It is one of the whole query, in whichever step it stands. After such words it goes on to the end of its phrase:
      up to a comma, a preposition (other than "of"), a verb form, or the next operator; "and" and "or" join one more.
    * Words with which people ask for a video, such as "show me a video of", are left out (`queries.asking`).
    * Marks at the end of a part, signs that stand alone and emoji are left out, but for an ampersand.
    * Words in quotes are kept as they are.

    Args:
        text: as typed.

    Raises:
        InputError: there is nothing to search for, a step is empty, only negative parts are given, the quote after a
            minus is not closed, or there are more than `MAX_PARTS` of a kind.
    """
    kept, notes = _within_limit(text)
    steps: list[str] = []
    negatives: list[str] = []
    words = query_words(kept)
    described = without_request(words)
    for step in _steps(described):
        wanted, unwanted = _split_negatives(step)
        text_of_step = written(wanted)
        # An ampersand alone says nothing.
        steps.append(text_of_step if any(map(str.isalnum, text_of_step)) else "")
        negatives += unwanted
    negatives = _once(negatives)
    _check(text, steps, negatives)
    if len(steps) > 1 or negatives or len(described) < len(words):
        notes += (_reading(steps, negatives),)
    read = {word.start for word in described}
    asked = [word.text for word in words if not word.is_mark and word.start not in read]
    if asked:
        notes += (f"left out {shown(' '.join(asked))}, which asks for a video and describes none",)
    quoted = tuple(word.text for word in words if word.quoted)
    return ParsedQuery(tuple(steps), tuple(negatives), notes, quoted)


def otherwise_read(text: str) -> tuple[str, ...]:
    """Returns a note of how a search reads a text that is no plain sentence; none for one that is, or is refused."""
    try:
        notes = parse_query(text).notes
    except InputError:
        return ()
    if not notes:
        return ()
    return (f"it is explained as it stands, and a search scores something else: {'; '.join(notes)}",)


def _check(text: str, steps: Sequence[str], negatives: Sequence[str]) -> None:
    """Refuses a query of which a part is missing, or that has too many."""
    if not any(steps):
        if not negatives:
            raise InputError(
                f"the query is {shown(text)}: there is nothing to search for; give a sentence such as "
                "'a man plays a guitar'"
            )
        raise InputError(
            f"the query {shown(text)} only says what a video should not have; say also what to look for, as in "
            f"{f'a street without {negatives[0]}'!r}"
        )
    if not all(steps):
        raise InputError(
            f"the query {shown(text)} has {len(steps)} steps, and step {steps.index('') + 1} is empty; say what "
            "happens before and after each 'then', or put the word in quotes where it orders nothing"
        )
    for count, what in ((len(steps), "steps"), (len(negatives), "negative parts")):
        if count > MAX_PARTS:
            raise InputError(
                f"the query {shown(text)} has {count:,} {what}; expected at most {MAX_PARTS}: leave some out, or put "
                "words that are no operators in quotes"
            )


def _reading(steps: Sequence[str], negatives: Sequence[str]) -> str:
    """Returns a note of how a query was read."""
    wanted = ", then ".join(map(shown, steps))
    return f"read as {wanted}" + (f", without {' and '.join(map(shown, negatives))}" if negatives else "")


def _within_limit(text: str) -> tuple[str, tuple[str, ...]]:
    """Cuts a text that is too long after a whole word, and says where."""
    stripped = text.strip()
    if len(stripped) <= MAX_CHARACTERS:
        return stripped, ()
    # A last piece that white space ends is a whole word.
    whole = re.match(r".*(?=\s)", stripped[: MAX_CHARACTERS + 1], re.DOTALL)
    kept = (whole.group() if whole else stripped[:MAX_CHARACTERS]).rstrip()
    words = kept.split()
    return kept, (
        f"the query has {len(stripped):,} characters; it was read up to word {len(words):,}, {shown(words[-1])}, "
        f"because {MAX_CHARACTERS:,} characters are the most",
    )


def _steps(words: Sequence[QueryWord]) -> list[list[QueryWord]]:
    """Cuts at each "then" that has a word before and after it, and takes the "and" or the comma before it along."""
    inner = {index for index, word in enumerate(words) if not word.is_mark}
    inner -= {min(inner, default=0), max(inner, default=0)}
    steps: list[list[QueryWord]] = [[]]
    for index, word in enumerate(words):
        before = [one.key for one in words[max(index - 2, 0) : index]]
        if word.key != _THEN or index not in inner or before[-1] in _NO_ORDER_AFTER or before == _IDIOM:
            steps[-1].append(word)
            continue
        while steps[-1] and (steps[-1][-1].is_mark or steps[-1][-1].key in _BEFORE_THEN):
            steps[-1].pop()
        steps.append([])
    return steps


def _split_negatives(words: Sequence[QueryWord]) -> tuple[list[QueryWord], list[str]]:
    """Returns the words that say what is wanted, and the phrases that say what is not."""
    wanted: list[QueryWord] = []
    unwanted: list[str] = []
    index = 0
    while index < len(words):
        start = index + _operator_length(words, index)
        end = _end_of_phrase(words, start) if start > index else start
        if words[index].negative:
            unwanted.append(words[index].text)
            index += 1
        elif end > start:
            unwanted += _joined_phrases(words[start:end])
            index = end
        else:
            wanted.append(words[index])
            index += 1
    return wanted, [phrase for phrase in unwanted if phrase]


def _operator_length(words: Sequence[QueryWord], index: int) -> int:
    """Returns how many words from `index` on open a negative part; 0 where none does."""
    return next(
        (
            len(operator)
            for operator in _WITHOUT
            if tuple(word.key for word in words[index : index + len(operator)]) == operator
        ),
        0,
    )


def _end_of_phrase(words: Sequence[QueryWord], start: int) -> int:
    """Returns one past the last word of the phrase that begins at `start`."""
    named = False
    for index in range(start, len(words)):
        word = words[index]
        if word.is_mark or word.negative or _operator_length(words, index):
            return index
        if word.quoted:
            return index + 1 if index == start else index
        if word.key in _JOINING:
            following = words[index + 1].key if index + 1 < len(words) else ""
            if not following or ends_noun_phrase(following, ()):
                return index
            named = False
        elif named and ends_noun_phrase(word.key, [one.key for one in words[start:index]]):
            return index
        else:
            named = named or word.key not in _OPENING
    return len(words)


def _joined_phrases(words: Sequence[QueryWord]) -> list[str]:
    """Returns the phrases that "and" and "or" join."""
    phrases: list[list[QueryWord]] = [[]]
    for word in words:
        if word.key in _JOINING:
            phrases.append([])
        else:
            phrases[-1].append(word)
    return [written(phrase) for phrase in phrases]


def _once(phrases: Iterable[str]) -> list[str]:
    """Returns the phrases without those that differ in case alone from one before."""
    first: dict[str, str] = {}
    for phrase in phrases:
        first.setdefault(phrase.lower(), phrase)
    return list(first.values())
