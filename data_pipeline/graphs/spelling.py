"""This module turns the words of a caption into those that the parser should see: split, joined and spelt correctly."""

import re
import string
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from data_pipeline.graphs.words import (
    BASE_FORMS,
    FREQUENT_WORDS,
    GERUND_OF_BASE,
    GERUND_OF_THIRD_PERSON,
    VERB_PAIRS,
    word_set,
)

_RANKS = {
    word: rank
    for rank, word in enumerate(
        (
            *FREQUENT_WORDS,
            *sorted((set(GERUND_OF_BASE.values()) | GERUND_OF_THIRD_PERSON.keys()) - set(FREQUENT_WORDS)),
        )
    )
}
"""Misspelt words are taken for these, the most frequent first."""
_REAL_WORDS = {
    "teh": "the",
    "thier": "their",
    "cheif": "chef",
    "mens": "men",
    "peoples": "people",
    "womans": "women",
    "ridding": "riding",
    "siting": "sitting",
    "walkin": "walking",
    "betwen": "between",
    "televison": "television",
}
"""A dictionary may know these slips as words of their own, but captions do not."""
_CONTRACTED = frozenset("doesn didn isn aren wasn weren couldn wouldn hasn haven shouldn".split())
_VOWELS = frozenset("aeiou")
_LETTERS = re.compile(r"[^\W\d_]+")
_WHOLE_WORDS = re.compile(r"(?<![\w'’.@/#-])[^\W\d_]+(?![\w'’@/-]|\.\w)")
"""Words that are no part of a name, a number or an address."""
_WITHOUT_E = re.compile(r"(\w+(?:sh|tch|ss|x|zz))s")
"""Verbs and nouns whose "es" lacks its first letter."""
_FEWEST_WORDS = 3
"""Of fewer words one cannot tell a foreign language from names."""
_MINIMUM_LETTERS = 4
_MAXIMUM_LETTERS = max(map(len, _RANKS)) + 1
_ENDINGS = (
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ed", ""),
    ("ed", "e"),
    ("ing", ""),
    ("ing", "e"),
    ("er", ""),
)


class Spelling:
    """This corrects words, given the words that are right."""

    def __init__(
        self, dictionary: Collection[str], function_words: Collection[str] = (), frequent: Iterable[str] = ()
    ) -> None:
        """Takes words in lower case.

        Args:
            dictionary: all correct words; their inflections count as correct, too.
            function_words: those that any sentence has.
            frequent: misspelt words are also taken for these, after the usual ones.
        """
        self._dictionary, self._function_words = dictionary, function_words
        self._ranks = {word: rank for rank, word in enumerate(dict.fromkeys([*_RANKS, *frequent]))}
        self._corrections: dict[str, str] = {}

    def with_frequent(self, words: Iterable[str]) -> "Spelling":
        """Returns the same with more frequent words."""
        return Spelling(self._dictionary, self._function_words, [*self._ranks, *words])

    def correct(self, word: str) -> str:
        """Returns the frequent word that is one slip away from a lower-case word; the word itself if it is correct.

        A slip is a letter too many, too few, wrong, or exchanged with the next one, after the first letter.
        """
        if not _MINIMUM_LETTERS - 1 <= len(word) <= _MAXIMUM_LETTERS or word in self._ranks:
            return word
        if word not in self._corrections:
            self._corrections[word] = self._correction(word)
        return self._corrections[word]

    def correct_text(self, text: str) -> str:
        """Returns a text whose words are corrected, and else as written; one in another language stays as it is."""
        if self.is_foreign(text):
            return text

        def corrected(found: re.Match[str]) -> str:
            lower = found.group().lower()
            correct = self.correct(lower)
            without_e = _WITHOUT_E.fullmatch(lower)
            # Captions are parsed without this rule: "pushs" counts as a form of "push" there.
            if without_e and (without_e[1] in self._ranks or self._is_known(without_e[1])):
                correct = f"{without_e[1]}es"
            return found.group() if correct == lower else correct

        return _WHOLE_WORDS.sub(corrected, text)

    def is_foreign(self, text: str) -> bool:
        """Returns whether a text is most likely in another language than English.

        It is where most of its letters are not Latin ones, or where, of three words or more, at least one is unknown
        and at most a quarter are frequent; names and slips alone seldom do that.
        """
        lower = lower_case(text)
        letters = [character for character in lower if character.isalpha()]
        latin = sum("LATIN" in unicodedata.name(letter, "") for letter in letters)
        if 2 * latin < len(letters):
            return True
        words = _LETTERS.findall(lower)
        frequent = sum(
            word in self._ranks or word in BASE_FORMS or word in self._function_words for word in words
        )
        if len(words) < _FEWEST_WORDS or 4 * frequent > len(words):
            return False
        return not all(word in self._ranks or self._is_known(word) for word in map(self.correct, words))

    def _correction(self, word: str) -> str:
        if word in _REAL_WORDS:
            return _REAL_WORDS[word]
        if len(word) < _MINIMUM_LETTERS or not (word.isascii() and word.isalpha()) or self._is_known(word):
            return word
        for slips in (_exchanges(word), _slips(word)):
            frequent = [other for other in slips if other in self._ranks]
            if frequent:
                return min(frequent, key=self._ranks.__getitem__)
        return word

    def _is_known(self, word: str) -> bool:
        if (
            word in self._dictionary
            or word in _CONTRACTED
            or word in BASE_FORMS
            or word.removesuffix("s") in self._ranks
        ):
            return True
        stems = (word.removesuffix(end) + start for end, start in _ENDINGS if word.endswith(end))
        doubled = word.removesuffix("ing").removesuffix("ed")
        return any(stem in self._dictionary for stem in stems) or (
            doubled != word
            and doubled[-1:] == doubled[-2:-1]
            and doubled[-3:-2] in _VOWELS
            and doubled[:-1] in self._dictionary
        )


def _exchanges(word: str) -> Iterator[str]:
    for place in range(1, len(word) - 1):
        yield word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _slips(word: str) -> Iterator[str]:
    """Yields all words with a letter more, less or changed; of a short word only those with a letter more."""
    for place in range(1, len(word) + 1):
        before, after = word[:place], word[place:]
        yield from (before + letter + after for letter in string.ascii_lowercase)
        if after and len(word) > _MINIMUM_LETTERS:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in string.ascii_lowercase)


class Token(NamedTuple):
    """A token is a word for the parser.

    Attributes:
        form: the word that the parser sees, lower case.
        span: the first character in the text and one past the last; empty for an added word.
        written: the word as written, lower case.
    """

    form: str
    span: tuple[int, int]
    written: str


_PARTICLES = word_set("up ups down in ins out outs off offs on over by")
_PLURAL_PARTICLES = word_set("ups outs ins offs")
# "They make up" and "make up a story" have verbs; without such a neighbour "make up" is what one puts on one's face.
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
# The tokenizer splits "doesn't" into "does" and "n't"; without its mark it is "doesn t".
_NEGATED = {word: word[:-1] for word in _CONTRACTED | {"don"}} | {"can": "ca", "won": "wo"}
_SHORT_FORMS = {"w/": "with"}
_CLITIC = "s"
# Data sets without punctuation have "it s" for both "it's" and "its"; a noun follows the possessive.
_AFTER_IT_IS = _ARTICLES | word_set("in on at not very going been so too just")


def lower_case(text: str) -> str:
    """Returns the lower case of the same length; a lone surrogate, which UTF-8 cannot store, becomes "?"."""
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
        spelling: the corrector of single words.

    Returns:
        The tokens, in order; there is usually one for each word.
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
        elif (before, word) in VERB_PAIRS:
            first = tokens.pop()
            tokens.append(Token(word, (first.span[0], span[1]), f"{first.written} {word}"))
        elif word in _SINGULARS and before in ("a", "an"):
            tokens.append(Token(_SINGULARS[word], span, word))
        elif word == "t" and before in _NEGATED:
            tokens[-1] = tokens[-1]._replace(form=_NEGATED[before])
            tokens.append(Token("n't", span, word))
        else:
            form = _CONTRACTIONS.get((before, word)) or _SHORT_FORMS.get(word) or spelling.correct(word)
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
    """Restores possessives: a lone "s" stands for "'s" ("a man s hat"), and "it s" before a noun for "its"."""
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
