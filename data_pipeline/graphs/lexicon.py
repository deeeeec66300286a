"""Lists of words that the rules of the parser go by, read from the text files in ``word_lists``."""

import pathlib

_FOLDER = pathlib.Path(__file__).with_name("word_lists")


def read_word_lists(name: str) -> dict[str, tuple[str, ...]]:
    """The lists of a file by the name of their section, each in the order of the file.

    Args:
        name: of the file. A line ``[section]`` begins a list, and a line that begins with ``#`` is a comment.
    """
    lists: dict[str, list[str]] = {}
    for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words = lists[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            words.extend(line.split())
    return {section: tuple(words) for section, words in lists.items()}


_NOUNS = {section: frozenset(words) for section, words in read_word_lists("nouns.txt").items()}
_VERBS = {section: frozenset(words) for section, words in read_word_lists("verbs.txt").items()}

FREQUENT_WORDS = read_word_lists("frequent.txt")["frequent"]

PERSONS, ANIMALS, VEHICLES = _NOUNS["persons"], _NOUNS["animals"], _NOUNS["vehicles"]
WORN, PLACES = _NOUNS["worn"], _NOUNS["places"]
PLURALS_ONLY, GERUND_NOUNS, NOUN_PAIRS = _NOUNS["plurals only"], _NOUNS["gerund nouns"], _NOUNS["noun pairs"]

BASE_FORMS, OFTEN_NOUNS, VERBS_ONLY = _VERBS["base forms"], _VERBS["often nouns"], _VERBS["verbs only"]
POSTURES, MOTIONS = _VERBS["postures"], _VERBS["motions"]
PUTTING, TAKING, GIVING = _VERBS["putting"], _VERBS["taking"], _VERBS["giving"]
TRANSITIVES, INTRANSITIVES = _VERBS["transitives"], _VERBS["intransitives"]


def third_person(base: str) -> str:
    """ "Carries" of "carry"."""
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "z")) else "s")


def gerund(base: str) -> str:
    """ "Carrying" of "carry"."""
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("ic"):
        return base + "king"
    if base.endswith("e") and not base.endswith(("ee", "ye")):
        return base[:-1] + "ing"
    return base + (base[-1] if base in _VERBS["doubled"] else "") + "ing"


GERUND_OF_BASE = {base: gerund(base) for base in BASE_FORMS}
GERUND_OF_THIRD_PERSON = {third_person(base): gerund(base) for base in BASE_FORMS}
