"""Corrects misspelt words of captions that are one slip away from a frequent word."""

import string
from collections.abc import Collection, Iterator

from data_pipeline.captions.frequent_words import FREQUENT_WORDS
from data_pipeline.captions.verb_lists import BASE_FORMS, GERUND_OF_BASE, GERUND_OF_THIRD_PERSON

_RANKS = {
    word: rank
    for rank, word in enumerate(
        (
            *FREQUENT_WORDS,
            *sorted((set(GERUND_OF_BASE.values()) | GERUND_OF_THIRD_PERSON.keys()) - set(FREQUENT_WORDS)),
        )
    )
}
"""Words that misspelt ones are taken for, the most frequent first."""
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
"""Slips that a dictionary may know as words of their own, but captions do not."""
_CONTRACTED = frozenset("doesn didn isn aren wasn weren couldn wouldn hasn haven shouldn".split())
_VOWELS = frozenset("aeiou")
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
    """Corrects words, given the words that are right."""

    def __init__(self, dictionary: Collection[str]) -> None:
        """Takes all correct words, in lower case; inflections of them count as correct, too."""
        self._dictionary = dictionary
        self._corrections: dict[str, str] = {}

    def correct(self, word: str) -> str:
        """The frequent word that a lower-case word is one slip away from; the word itself if it is correct.

        A slip is a letter too many, too few, wrong, or exchanged with the next one, after the first letter.
        """
        if not _MINIMUM_LETTERS - 1 <= len(word) <= _MAXIMUM_LETTERS or word in _RANKS:
            return word
        if word not in self._corrections:
            self._corrections[word] = self._correction(word)
        return self._corrections[word]

    def _correction(self, word: str) -> str:
        if word in _REAL_WORDS:
            return _REAL_WORDS[word]
        if len(word) < _MINIMUM_LETTERS or not (word.isascii() and word.isalpha()) or self._is_known(word):
            return word
        for slips in (_exchanges(word), _slips(word)):
            frequent = [other for other in slips if other in _RANKS]
            if frequent:
                return min(frequent, key=_RANKS.__getitem__)
        return word

    def _is_known(self, word: str) -> bool:
        if (
            word in self._dictionary
            or word in _CONTRACTED
            or word in BASE_FORMS
            or word.removesuffix("s") in _RANKS
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
    """All words with a letter more, less or changed; of a short word only those with a letter more."""
    for place in range(1, len(word) + 1):
        before, after = word[:place], word[place:]
        yield from (before + letter + after for letter in string.ascii_lowercase)
        if after and len(word) > _MINIMUM_LETTERS:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in string.ascii_lowercase)
