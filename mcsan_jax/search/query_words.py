"""This module cuts a query into words, marks and quoted phrases, and puts some of these together again."""

import dataclasses
import re
from collections.abc import Sequence

_WORD = re.compile(
    r'(?P<minus>(?<!\S)[-\u2010\u2212\u2013]+(?=#*[^\W_]|["“]))?'
    r'(?:#+(?=[^\W_]))?(?:"(?P<straight>[^"]*)"|“(?P<curved>[^”]*)”|(?P<word>[^\s,;.!?"“]+|["“])|(?P<mark>[,;.!?]+))'
)
"""A minus belongs to a word where it touches the word, and none before; the mark of a hashtag says nothing."""


@dataclasses.dataclass(frozen=True)
class QueryWord:
    """A query word is a word, a mark or a quoted phrase of a query.

    Attributes:
        text: without the quotes and the minus.
        start: its first character in the query.
        end: one past its last character.
        quoted: whether it was in quotes, so that no word of it is an operator.
        negative: whether a minus stands before it.
        is_mark: whether it is a comma or the like.
    """

    text: str
    start: int
    end: int
    quoted: bool
    negative: bool
    is_mark: bool

    @property
    def key(self) -> str:
        """Returns the word as operators are written; empty where it cannot be one."""
        return "" if self.quoted or self.negative or self.is_mark else self.text.lower()


def query_words(text: str) -> list[QueryWord]:
    """Cuts a query into its words; a quotation mark without its other one is a word like any other."""
    return [_query_word(found) for found in _WORD.finditer(text)]


def _query_word(found: re.Match[str]) -> QueryWord:
    quoted = found["straight"] if found["straight"] is not None else found["curved"]
    text = quoted.strip() if quoted is not None else found["word"] or found["mark"] or ""
    has_minus, is_mark = found["minus"] is not None, found["mark"] is not None
    return QueryWord(text, found.start(), found.end(), quoted is not None, has_minus, is_mark)


def written(words: Sequence[QueryWord]) -> str:
    """Returns words as they stand in the query, without the marks that belong to what was taken from between them."""
    pieces: list[str] = []
    before: QueryWord | None = None
    for word in words:
        if word.is_mark and (before is None or before.is_mark):
            continue
        touches = before is None or word.is_mark or before.end == word.start
        pieces += [word.text] if touches else [" ", word.text]
        before = word
    return "".join(pieces).strip().rstrip(",;").rstrip()
