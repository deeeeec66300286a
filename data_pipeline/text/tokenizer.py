"""This module says what every tokenizer does, and which of its tokens a span of characters covers."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

PAD_ID = 0


@dataclasses.dataclass(frozen=True)
class TokenizedText:
    """A tokenized text holds the tokens of a text.

    Attributes:
        ids: one id per token; never `PAD_ID`.
        offsets: the first character of each token in the original text and one past its last. A token may begin with
            the white space before it, and a token for no character of its own (such as all but the last part of a
            ligature) is empty, or has the place of a character that it shares (such as the bytes of an emoji).
    """

    ids: list[int]
    offsets: list[tuple[int, int]]


class Tokenizer(Protocol):
    """A tokenizer cuts captions into tokens.

    Attributes:
        kind: ``unigram``, ``bpe`` or ``word`` (trained on the captions), or ``wordpiece``, ``clip``, ``siglip`` or
            ``siglip2`` (given).
        size: the number of ids, with `PAD_ID`; every id is below it.
        unknown_id: the id of text that the vocabulary lacks.
        file_name: the name of the tokenizer's file in prepared data.
        content: the file's bytes.
        sha256: the SHA-256 of these bytes, hexadecimal.
    """

    kind: str
    size: int
    unknown_id: int
    file_name: str
    content: bytes
    sha256: str

    def encode(self, text: str) -> TokenizedText:
        """Cuts a text into tokens."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the normalised text of tokens; padding vanishes and unknown words become a mark."""
        ...

    def pieces(self) -> list[str]:
        """Returns the token of every id, as the file writes it; it is empty for an id without a token."""
        ...


def token_span(offsets: Sequence[tuple[int, int]], char_span: tuple[int, int]) -> tuple[int, int] | None:
    """Returns the first token that overlaps a span of characters, and one past the last.

    Args:
        offsets: as in `TokenizedText`, possibly cut short.
        char_span: the first character and one past the last one.

    Returns:
        The span in tokens, or None where no token overlaps, as after a cut.
    """
    first, end = char_span
    inside = [index for index, (begin, stop) in enumerate(offsets) if max(begin, first) < min(stop, end)]
    return (inside[0], inside[-1] + 1) if inside else None
