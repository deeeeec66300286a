"""The words of a caption as a parser should see them: in lower case, whole, once, and spelt correctly."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from data_pipeline.captions.spelling import Spelling
from data_pipeline.captions.words import word_set


class Token(NamedTuple):
    """A word for the parser.

    Attributes:
        form: what the parser sees, lower case.
        span: first character and one past the last character in the text; empty for an added word.
        written: the word as written, lower case.
    """

    form: str
    span: tuple[int, int]
    written: str


_PARTICLES = word_set("up ups down in ins out outs off offs on over by")
_PLURAL_PARTICLES = word_set("ups outs ins offs")
# "They make up" and "make up a story" are verbs; without such a neighbour it is what one puts on one's face.
_SUBJECTS_OF_MAKE = word_set("to can will they we you i that who and people")
_ARTICLES = word_set("a an the")
_REPEATED_BY_MISTAKE = _ARTICLES | word_set("is are was were and in on at to of with for by")
_SPLIT = {
    "infront": ("in", "front"),
    "inthe": ("in", "the"),
    "onthe": ("on", "the"),
    "ofthe": ("of", "the"),
    "ina": ("in", "a"),
    "alot": ("a", "lot"),
}
_SINGULARS = {"women": "woman", "men": "man", "mens": "man", "womens": "woman"}
_CONTRACTIONS = {("they", "re"): "'re", ("we", "re"): "'re", ("you", "re"): "'re", ("i", "m"): "'m"}
_CLITIC = "s"
# Data sets without punctuation have "it s" for both; a noun follows the possessive.
_AFTER_IT_IS = _ARTICLES | word_set("in on at not very going been so too just")


def lower_case(text: str) -> str:
    """Lower case of the same length; a lone surrogate, which cannot be stored as UTF-8, becomes "?"."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    # A few letters become two characters in lower case, which would move everything after them.
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def normalize(words: Iterable[tuple[str, int]], spelling: Spelling) -> list[Token]:
    """Mends the words of a caption.

    Args:
        words: each lower-case word with its first character in the text, in order.
        spelling: corrects single words.

    Returns:
        The tokens, in order; usually one per word.
    """
    tokens: list[Token] = []
    for word, start in words:
        before = tokens[-1].form if tokens else ""
        if before == word and word in _REPEATED_BY_MISTAKE:
            continue
        span = (start, start + len(word))
        if word in _PARTICLES and before and _join(tokens, word, span):
            continue
        if word in _SPLIT:
            added, word_left = _SPLIT[word]
            tokens += Token(added, (start, start), ""), Token(word_left, span, word)
        elif word in _SINGULARS and before in ("a", "an"):
            tokens.append(Token(_SINGULARS[word], span, word))
        else:
            form = _CONTRACTIONS.get((before, word)) or spelling.correct(word)
            tokens.append(Token(form, span, word))
    return _possessives(tokens) if _CLITIC in [token.form for token in tokens] else tokens


def _join(tokens: list[Token], word: str, span: tuple[int, int]) -> bool:
    """Makes one word of "make-up" and "close-ups", which the tokenizer splits, and of "push ups"."""
    start, end = span
    before = tokens[-1]
    hyphened = before.form == "-" and before.span == (start - 1, start) and len(tokens) >= 2
    if hyphened and tokens[-2].span[1] == start - 1 and tokens[-2].form.isalpha():
        del tokens[-1]
    elif not before.form.isalpha() or not (
        word in _PLURAL_PARTICLES or (before.form == "make" and word == "up" and _is_noun_place(tokens))
    ):
        return False
    first = tokens[-1]
    tokens[-1] = Token(f"{first.form}-{word}", (first.span[0], end), f"{first.written}-{word}")
    return True


def _is_noun_place(tokens: Sequence[Token]) -> bool:
    return len(tokens) > 1 and tokens[-2].form not in _SUBJECTS_OF_MAKE


def _possessives(tokens: list[Token]) -> list[Token]:
    """A lone "s" stands for "'s": "a man s hat"; "it s" before a noun for "its"."""
    mended: list[Token] = []
    for index, token in enumerate(tokens):
        if token.form != _CLITIC or not mended or not mended[-1].form.isalpha():
            mended.append(token)
            continue
        after = tokens[index + 1].form if index + 1 < len(tokens) else ""
        before = mended[-1]
        predicate = after in _AFTER_IT_IS or (len(after) > 4 and after.endswith(("ing", "ed", "wn")))
        if before.form == "it" and not predicate:
            mended[-1] = Token("its", (before.span[0], token.span[1]), "its")
        else:
            mended.append(token._replace(form="'s"))
    return mended
