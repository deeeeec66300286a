"""This module finds verbs of captions that a general tagger often takes for nouns, and says them unmistakably.

"A red ball bounces" reads like "ball bounces" to a tagger trained on news. The sentence "a red ball is
bouncing" says the same and cannot be misread, so a caption in which a known verb was not seen as one is
parsed a second time in that form.
"""

import itertools
from collections.abc import Collection, Sequence

from data_pipeline.graphs.graph import PREPOSITIONS
from data_pipeline.graphs.words import (
    BASE_FORMS,
    FINITE_TAGS,
    GERUND_NOUNS,
    GERUND_OF_BASE,
    GERUND_OF_THIRD_PERSON,
    MOTIONS,
    NOUN_LIKE,
    NOUN_PAIRS,
    OFTEN_NOUNS,
    PERSONS,
    PICTURES,
    VERBS_ONLY,
    WORN,
    Word,
    is_copula,
    third_person,
    word_set,
)

_SINGULAR_STARTS = word_set("a an another each every this that one")
_ARTICLES = word_set("a an the")
_QUANTITIES = word_set("few couple lot bunch number dozen")
_GROUPS = word_set("people couple crowd")
_PHRASE_STARTS = frozenset({"DT", "PRP", "PRP$"})
_AFTER_VERB = frozenset({"ADP", "DET", "ADV", "PRON", "PART"})
_JOINING = frozenset({"CCONJ", "PUNCT", "ADV"})
_FIRST_AFTER_PHRASE = (frozenset(PREPOSITIONS) - {"of"}) | word_set(
    "who whom whose which that while when where because as is are was were be has have had does do did can could will "
    "would must should may might to without"
)
_RELATIVE_TAGS = frozenset({"WP", "WDT"})
_COLORS = word_set("black white red blue green yellow pink purple orange brown gray grey")

_SIDES = word_set("left right")

_GERUNDS = frozenset(GERUND_OF_BASE.values())
_MOVING = frozenset(map(third_person, MOTIONS))
_TOWARDS = word_set("waves looks smiles stares points laughs shouts yells bows")
_NEVER_PLURALS = frozenset(map(third_person, VERBS_ONLY)) | {"talks"}
_NOUN_LIKE_BASES = frozenset(base for base in BASE_FORMS if third_person(base) in OFTEN_NOUNS)


def misread_verbs(words: Sequence[Word]) -> dict[int, list[str]]:
    """Finds known verbs that the parser did not see as verbs.

    A present form ("spins", or "dance" after a plural) counts where a noun could not stand, or where the caption would
    otherwise have no verb before it.

    Args:
        words: the parsed caption.

    Returns:
        The words that say each such verb unmistakably ("is", "spinning"), by its index; the last one is the verb.
    """
    found: dict[int, list[str]] = {}
    verbs: list[int] = []
    for index, word in enumerate(words):
        if _is_seen_as_verb(word):
            verbs.append(index)
        elif index and word.lower not in GERUND_NOUNS:
            replacement = _replacement(words, index, verbs)
            if replacement:
                found[index] = replacement
                verbs.append(index)
    return found


def ends_noun_phrase(word: str, before: Sequence[str]) -> bool:
    """Returns whether a noun phrase most likely ends before a word, judged by the words alone, without a parse.

    Prepositions other than "of", relative and finite words, and known verb forms end it; a form that is often a noun
    ("hands") does so after a singular alone ("a man hands").

    Args:
        word: in lower case.
        before: the words of the phrase so far, in lower case.
    """
    if word in _FIRST_AFTER_PHRASE or word in VERBS_ONLY:
        return True
    if word in OFTEN_NOUNS:
        return bool(before) and before[0] in _SINGULAR_STARTS
    return word in GERUND_OF_THIRD_PERSON or (word in _GERUNDS and word not in GERUND_NOUNS)


def _is_seen_as_verb(word: Word) -> bool:
    misplaced = word.dep == "pobj" and word.lower in GERUND_OF_THIRD_PERSON
    return (word.pos == "VERB" and word.dep not in ("amod", "compound") and not misplaced) or (
        word.pos == "AUX" and word.tag in FINITE_TAGS
    )


def _replacement(words: Sequence[Word], index: int, verbs: Sequence[int]) -> list[str]:
    """Returns the unmistakable form of the word at ``index``; it is empty where the word is no misread verb.

    Args:
        words: the parsed caption.
        index: the index of a word that the parser does not see as a verb.
        verbs: the verbs before it, misread ones included.
    """
    lower = words[index].lower
    if f"{words[index - 1].lower}_{lower}" in NOUN_PAIRS:
        return []
    if lower in GERUND_OF_THIRD_PERSON:
        misread = _joins_verb(words, index, verbs) or _follows_singular_phrase(words, index, verbs)
        return ["is", GERUND_OF_THIRD_PERSON[lower]] if misread else []
    if lower in GERUND_OF_BASE and _lacks_ending(words, index):
        return [GERUND_OF_BASE[lower]]
    if lower in GERUND_OF_BASE:
        return ["are", GERUND_OF_BASE[lower]] if _is_plural_verb(words, index, verbs) else []
    return _gerund_replacement(words, index, verbs) if lower.endswith("ing") else []


def _lacks_ending(words: Sequence[Word], index: int) -> bool:
    """Returns whether a base form after "is" and before a phrase lacks its "ing" ("is carry a pot")."""
    following = _following(words, index)
    return is_copula(words[index - 1]) and following is not None and following.tag in ("DT", "PRP$")


def _is_plural_verb(words: Sequence[Word], index: int, verbs: Sequence[int]) -> bool:
    """Returns whether a base form is a verb with a plural subject ("girls dance on stage")."""
    word, previous, following = words[index], words[index - 1], _following(words, index)
    if previous.lower in _ARTICLES:
        return False
    if previous.pos == "CCONJ" and verbs and following is not None and following.tag in _PHRASE_STARTS:
        return words[verbs[-1]].tag in ("VBP", "VBD")
    if verbs or _governs_finite_verb(words, index) or word.lower in _NOUN_LIKE_BASES:
        return False
    if word.pos not in NOUN_LIKE and previous.tag != "NNS":
        return False
    if following is None and previous.lemma in WORN and _is_joined_before(words, index):
        return True
    in_phrase = previous.pos in NOUN_LIKE and word.lower in VERBS_ONLY
    return (in_phrase and following is not None) or _follows_plural(words, index)


def _is_joined_before(words: Sequence[Word], index: int) -> bool:
    """Returns whether two persons are joined before ``index`` ("a woman in a dress and a man in a suit dance")."""
    joined = [i for i in range(index) if words[i].lower == "and"]
    parts = ((words[:i], words[i + 1 : index]) for i in joined)
    return any(all(any(word.lemma in PERSONS for word in part) for part in pair) for pair in parts)


def _gerund_replacement(words: Sequence[Word], index: int, verbs: Sequence[int]) -> list[str]:
    """Returns the words that make a verb of a participle that is taken for a noun ("band playing")."""
    word, previous = words[index], words[index - 1]
    if previous.pos in ("CCONJ", "PUNCT") and verbs:
        verb = words[verbs[-1]]
        return (
            ["is", word.lower] if verb.tag == "VBG" and verb.dep != "pcomp" and word.lower in _GERUNDS else []
        )
    if previous.pos not in NOUN_LIKE or any(not _is_existential(words, verb) for verb in verbs):
        return []
    if _governs_finite_verb(words, index) or not (
        word.lower in _GERUNDS or _is_rare_participle(words, index)
    ):
        return []
    # In "a video of a man singing" the video does not sing.
    pictured = any(
        one.lower in PICTURES and after.lower == "of" for one, after in itertools.pairwise(words[:index])
    )
    return ["who", "is", word.lower] if pictured or verbs else ["is", word.lower]


def _is_existential(words: Sequence[Word], verb: int) -> bool:
    return is_copula(words[verb]) and any(words[child].dep == "expl" for child in words[verb].children)


def _governs_finite_verb(words: Sequence[Word], index: int) -> bool:
    """Returns whether a finite verb follows in the same clause, so that the word may be a part of its subject."""
    for word in words[index + 1 :]:
        if word.pos in ("CCONJ", "PUNCT", "SCONJ"):
            return False
        if _is_seen_as_verb(word) and word.tag in FINITE_TAGS:
            return True
    return False


def _is_rare_participle(words: Sequence[Word], index: int) -> bool:
    """Returns whether a word in "-ing" that is not in the list is a verb ("dogs chilling in a room")."""
    previous, following = words[index - 1], _following(words, index)
    acts = previous.tag in ("NNS", "PRP") or previous.lemma in PERSONS
    return len(words[index].lower) > 5 and acts and (following is None or following.pos in _AFTER_VERB)


def _following(words: Sequence[Word], index: int) -> Word | None:
    return words[index + 1] if index + 1 < len(words) else None


def _follows_singular_phrase(words: Sequence[Word], index: int, verbs: Sequence[int]) -> bool:
    """Returns whether a noun phrase before ``index`` cannot go on with a plural noun, or the verb is missing."""
    lower, previous, start = words[index].lower, words[index - 1], index
    while start > 0 and _is_inside_phrase(words[start - 1]):
        start -= 1
    opener = words[start - 1] if start else None
    following = _following(words, index)
    if previous.tag in _RELATIVE_TAGS or previous.lower == "camera":
        return True
    if any(word.lower in _QUANTITIES for word in words[start:index]) or (following and is_copula(following)):
        return False
    ends_phrase = previous.pos in NOUN_LIKE or lower not in OFTEN_NOUNS
    if opener is not None and opener.lower in _SINGULAR_STARTS and start < index and ends_phrase:
        return True
    if _lacks_main_verb(words, index, verbs):
        return True
    if previous.pos not in NOUN_LIKE or previous.lower in _SIDES:
        return _stands_for_noun(words, index, opener, start)
    missing = not verbs and lower not in OFTEN_NOUNS
    return missing or (following is not None and following.pos == "DET")


def _lacks_main_verb(words: Sequence[Word], index: int, verbs: Sequence[int]) -> bool:
    """Returns whether only verbs that describe the subject come before ("a man who sells cars talks about it")."""
    previous, following = words[index - 1], _following(words, index)
    described = previous.tag == "NNS" or (previous.pos == "ADJ" and index > 1 and is_copula(words[index - 2]))
    return (
        described
        and bool(verbs)
        and all(words[verb].dep in ("relcl", "acl", "pcomp", "advcl", "aux", "auxpass") for verb in verbs)
        and following is not None
        and following.pos in _AFTER_VERB
        and following.lower != "of"
    )


def _stands_for_noun(words: Sequence[Word], index: int, opener: Word | None, start: int) -> bool:
    """Returns whether the word before ``index`` is a noun though not tagged so ("in blue", "the square")."""
    previous = words[index - 1]
    if previous.lower in _SIDES:
        # After "the left hands", which may be a body's, no other phrase would begin.
        following = _following(words, index)
        return (
            opener is not None and opener.lower == "the" and following is not None and following.pos == "DET"
        )
    if opener is None:
        return index == 1 and previous.pos in ("ADV", "X")
    if previous.lower in _COLORS:
        return _is_colour_worn(words, index, opener, start)
    return opener.lower == "the" and start < index and not any(map(_is_seen_as_verb, words))


def _is_colour_worn(words: Sequence[Word], index: int, opener: Word, start: int) -> bool:
    """Returns whether colours alone stand before ``index`` ("a woman in red and black talks")."""
    joined = opener.pos == "CCONJ" and start >= 3 and words[start - 2].lower in _COLORS
    worn = joined and words[start - 3].lower == "in" and words[index].lemma not in WORN
    return (worn or opener.pos == "ADP") and start == index - 1


def _is_inside_phrase(word: Word) -> bool:
    return word.pos in ("NOUN", "PROPN", "PRON", "ADJ", "NUM") or (word.pos == "VERB" and word.dep == "amod")


def _joins_verb(words: Sequence[Word], index: int, verbs: Collection[int]) -> bool:
    """Returns whether "and" or a comma joins the word to a verb in the same form ("sings, jumps and dances")."""
    before = index - 1
    while before >= 0 and words[before].pos in _JOINING:
        before -= 1
    joining = words[before + 1 : index]
    if before < 0 or all(word.pos == "ADV" for word in joining):
        return False
    thirds = [
        verb for verb in verbs if words[verb].tag == "VBZ" or words[verb].lower in GERUND_OF_THIRD_PERSON
    ]
    if before in thirds:
        return True
    following = _following(words, index)
    if not thirds or following is None:
        return False
    # In "near mounds and drifts" both words are nouns.
    if words[before].tag == "NNS" and words[before].dep == "pobj":
        return False
    # In "and throws it", "and lands in a pit" and "and hands tools", a noun could not be followed by these words.
    lower = words[index].lower
    moves = lower in _MOVING and following.tag == "IN" and following.lower != "of"
    verbal = lower in _NEVER_PLURALS or (lower in _TOWARDS and following.lower == "at")
    return verbal or moves or following.tag in _PHRASE_STARTS or following.tag == "NNS"


def _follows_plural(words: Sequence[Word], index: int) -> bool:
    previous = words[index - 1]
    return previous.tag in ("NNS", "NNPS") or previous.lower in _GROUPS or _is_coordinated(words, index - 1)


def _is_coordinated(words: Sequence[Word], index: int) -> bool:
    """Returns whether "and" joins the noun at ``index`` to a noun before it ("a man and a young woman")."""
    position = index
    while position > 0 and (_is_inside_phrase(words[position]) or words[position].pos == "DET"):
        position -= 1
    return words[position].pos == "CCONJ" and position > 0 and words[position - 1].pos in NOUN_LIKE
