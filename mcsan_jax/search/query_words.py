"""This module cuts a query into words, marks and quoted phrases, and puts some of these together again."""

import dataclasses
import re
import unicodedata
from collections.abc import Sequence

from data_pipeline.errors import InputError, shown

_WORD = re.compile(
    r'(?P<minus>(?<!\S)[-\u2010\u2212\u2013]+(?=#*[^\W_]|["“]))?'
    r'(?:#+(?=[^\W_]))?(?:"(?P<straight>[^"]*)"|“(?P<curved>[^”]*)”|(?P<word>[^\s,;.!?…"“]+|["“])|(?P<mark>[,;.!?…]+))'
)
"""A minus belongs to a word where it touches the word, and none before; the mark of a hashtag says nothing."""
_QUOTES = frozenset('"“')
_AND = "&"


@dataclasses.dataclass(frozen=True)
class QueryWord:
    """A query word is a word, a mark or a quoted phrase of a query.

    Attributes:
        text: without the quotes, the minus and emoji.
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

    @property
    def says_nothing(self) -> bool:
        """Returns whether it is a sign that stands for no word, such as a dash or an emoji."""
        return not (self.quoted or self.is_mark or self.text == _AND or any(map(str.isalnum, self.text)))


def query_words(text: str) -> list[QueryWord]:
    """Cuts a query into its words; a quotation mark without its other one is a sign like others.

    Raises:
        InputError: a quotation mark after a minus has no other one, so that nobody knows what is unwanted.
    """
    words = [_query_word(found) for found in _WORD.finditer(text)]
    for word in words:
        if word.negative and not word.quoted and word.text in _QUOTES:
            raise InputError(
                f"the query {shown(text)}: the quote after the minus is not closed; close it, as in 'a red box "
                '-"green ball"\', or leave it out'
            )
    return words


def _query_word(found: re.Match[str]) -> QueryWord:
    quoted = found["straight"] if found["straight"] is not None else found["curved"]
    text = (
        quoted.strip() if quoted is not None else _without_emoji(found["word"] or "") or found["mark"] or ""
    )
    has_minus, is_mark = found["minus"] is not None, found["mark"] is not None
    return QueryWord(text, found.start(), found.end(), quoted is not None, has_minus, is_mark)


def _without_emoji(word: str) -> str:
    """Leaves out emoji and the like, which Unicode calls "other symbols", with what gives them colour or joins them."""
    plain = "".join(" " if unicodedata.category(sign) == "So" else sign for sign in word)
    return word if plain == word else " ".join(part for part in plain.split() if any(map(str.isalnum, part)))


def written(words: Sequence[QueryWord]) -> str:
    """Returns words as they stand in the query, without what no caption has and a model could make little of.

    That is marks at the end and those that belong to what was taken from between the words, signs that stand alone, and
    emoji. A quotation mark after a digit stands for inches.
    """
    kept: list[QueryWord] = []
    for word in words:
        before = kept[-1] if kept else None
        touches = before is not None and before.end == word.start
        is_inches = touches and before is not None and before.text[-1:].isdigit() and word.text == '"'
        if (word.is_mark and (before is None or before.is_mark)) or (word.says_nothing and not is_inches):
            continue
        kept.append(word)
    while kept and kept[-1].is_mark:
        kept.pop()
    pieces: list[str] = []
    for place, word in enumerate(kept):
        apart = place and not word.is_mark and kept[place - 1].end != word.start
        pieces.append(f" {word.text}" if apart else word.text)
    return "".join(pieces).strip()
