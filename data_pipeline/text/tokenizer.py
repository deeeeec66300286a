"""What every tokenizer does, and how its tokens meet spans of characters."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

PAD_ID = 0


@dataclasses.dataclass(frozen=True)
class TokenizedText:
    """Tokens of a text.

    Attributes:
        ids: one id per token; never `PAD_ID`.
        offsets: first character and one past the last character of each token in the original text. A
            token may begin with the white space before it, and one that stands for no character of its
            own (such as all but the last part of a ligature) is empty.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]


class Tokenizer(Protocol):
    """Cuts captions into tokens.

    Attributes:
        kind: ``unigram``, ``bpe`` or ``word`` (trained on the captions) or ``wordpiece`` (given).
        size: number of ids, with `PAD_ID`; every id is below it.
        unknown_id: id of what the vocabulary lacks.
        file_name: name under which the file is kept in a prepared data set; `load_tokenizer` goes by it.
        content: the file's bytes.
        sha256: their hash, hexadecimal.
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
        """Text of tokens, as normalised; padding vanishes and unknown words become a mark."""
        ...

    def pieces(self) -> list[str]:
        """The token of every id, as the file writes it; empty for an id that stands for none."""
        ...


def token_span(offsets: Sequence[tuple[int, int]], char_span: tuple[int, int]) -> tuple[int, int] | None:
    """First token and one past the last token that overlap a span of characters.

    Args:
        offsets: as in `TokenizedText`, possibly cut short.
        char_span: first character and one past the last one.

    Returns:
        The span in tokens, or None where no token overlaps (such as after a cut).
    """
    first, end = char_span
    inside = [index for index, (begin, stop) in enumerate(offsets) if max(begin, first) < min(stop, end)]
    return (inside[0], inside[-1] + 1) if inside else None
