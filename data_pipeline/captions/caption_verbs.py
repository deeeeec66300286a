"""Verbs of video captions that a general tagger often takes for nouns, and how to say them unmistakably.

"A red ball bounces" reads like "ball bounces" to a tagger trained on news. The sentence "a red ball is
bouncing" says the same and cannot be misread, so a caption in which a known verb was not seen as one is
parsed a second time in that form.
"""

import itertools
from collections.abc import Collection, Sequence

from data_pipeline.captions.words import Word, is_copula, word_set

_BASE_FORMS = word_set(
    """
    act add aim answer appear apply approach argue arrive ask assemble attack attempt bake balance bark
    bathe beat bend bite blow boil bounce bow box break brush build bump burn carry catch chase cheer
    chew chop circle clap clean climb collide comb compete cook crash crawl cross cruise cry cut dance
    demonstrate describe discuss dive dodge drag draw dress drift drink drip drive drop eat enter
    exercise exit expand explain fall feed fight film fish flee flip float flow fly fold follow fry give
    glide grab greet grill grind grow hang help hide hike hit hold hop hug hunt interview jog juggle
    jump kick kiss knead knit knock laugh lead lean leap lick lie lift listen look make march marinate
    massage measure meow mix mop move nap narrate nod open operate orbit paint pass pat peel perform pet
    pick place play point pose pour practice preach prepare press pull punch push put race rap reach
    read rehearse remove repair ride roar rock roll rotate row rub run sail scream scrub sculpt search
    season serve sew shake shave shoot shout shove show shrink shuffle sing sit skate skateboard ski
    skip slam slap slash sleep slice slide smell smile smoke snatch sneeze sniff snore snowboard spar
    speak spin splash spray spread sprinkle squeeze stack stand stare start steal step stir stop stretch
    stroll strum study surf swap swim swing swirl switch talk tap taste teach tear tell throw tickle tie
    toss touch trail train travel trim try turn twirl twist type use vanish visit wait wake walk wander
    wash watch wave wear weave whip whisk whisper whistle win wink wipe work wrap wrestle write yell
    zoom battle murder install
    """
)

_DOUBLED = word_set(
    """
    chop clap cut drag drip drop flip grab hit hop hug jog knit mop nap nod pat pet put rap rub run
    scrub sit skip slam slap spar spin step stir stop strum swap swim tap trim win wrap
    """
)

_NOUN_PAIRS = word_set(
    """
    dance_moves wrestling_moves talk_shows tv_shows television_shows cartoon_shows fashion_shows game_shows
    stage_plays ski_jumps mountain_passes car_races test_drives sports_talk sports_show sports_drink kids_show
    kids_play sword_fights street_fights horse_rides food_drinks news_show
    """
)

_SINGULAR_STARTS = word_set("a an another each every this that one")
_PICTURES = word_set("video clip picture image photo scene cartoon footage view shot animation montage")
_QUANTITIES = word_set("few couple lot bunch number dozen")
_NOUN_LIKE = frozenset({"NOUN", "PROPN", "PRON"})
_FINITE_TAGS = frozenset({"VBZ", "VBP", "VBD"})
_RELATIVE_TAGS = frozenset({"WP", "WDT"})
_COLORS = word_set("black white red blue green yellow pink purple orange brown gray grey")


def _third_person(base: str) -> str:
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "z")) else "s")


def _gerund(base: str) -> str:
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("e") and not base.endswith("ee"):
        return base[:-1] + "ing"
    return base + (base[-1] if base in _DOUBLED else "") + "ing"


_GERUND_OF_BASE = {base: _gerund(base) for base in _BASE_FORMS}
_GERUND_OF_THIRD_PERSON = {_third_person(base): _gerund(base) for base in _BASE_FORMS}
_E_VERBS = word_set("rate hope scrape dine breathe") | {base for base in _BASE_FORMS if base.endswith("e")}
LEMMAS = {
    **{gerund: base for base, gerund in _GERUND_OF_BASE.items()},
    **{_third_person(base): base for base in _BASE_FORMS},
    **{form: base for base in _E_VERBS for form in (_third_person(base), _gerund(base), base + "d")},
}
"""Base form of known verbs, for those that a lemmatizer confuses with another ("riding" is not of "rid")."""

_GERUNDS = frozenset(_GERUND_OF_BASE.values())
_KNOWN_FORMS = _GERUNDS | _GERUND_OF_BASE.keys() | _GERUND_OF_THIRD_PERSON.keys()


def misread_verbs(words: Sequence[Word]) -> dict[int, list[str]]:
    """Finds known verbs that the parser did not see as verbs.

    A present form ("spins", or "dance" after a plural) counts where a noun could not stand or where the
    caption would otherwise have no verb before it.

    Args:
        words: the parsed caption.

    Returns:
        For the index of each such verb, the words that say the same unmistakably ("is", "spinning"); the
        last one is the verb.
    """
    found: dict[int, list[str]] = {}
    verb_before = False
    for index, word in enumerate(words):
        if _is_seen_as_verb(word):
            verb_before = True
            continue
        joined = _joins_verb(words, index, found)
        replacement = _replacement(words, index, verb_before, joined)
        if replacement:
            found[index] = replacement
            verb_before = True
    return found


def _is_seen_as_verb(word: Word) -> bool:
    return (word.pos == "VERB" and word.dep not in ("amod", "compound")) or (
        word.pos == "AUX" and word.tag in _FINITE_TAGS
    )


def _replacement(words: Sequence[Word], index: int, verb_before: bool, joined: bool) -> list[str]:
    """The unmistakable form of the word at ``index``; empty where it is no misread verb."""
    lower = words[index].lower
    if lower not in _KNOWN_FORMS or index == 0 or f"{words[index - 1].lower}_{lower}" in _NOUN_PAIRS:
        return []
    if lower in _GERUND_OF_THIRD_PERSON:
        misread = joined or _follows_singular_phrase(words, index, verb_before)
        return ["is", _GERUND_OF_THIRD_PERSON[lower]] if misread else []
    if verb_before or any(_is_seen_as_verb(word) and word.tag in _FINITE_TAGS for word in words):
        return []
    if lower in _GERUND_OF_BASE:
        misread = words[index].pos in _NOUN_LIKE and _follows_plural(words, index)
        return ["are", _GERUND_OF_BASE[lower]] if misread else []
    if words[index - 1].pos not in _NOUN_LIKE:
        return []
    # "A video of a man singing": the video does not sing.
    pictured = any(
        word.lower in _PICTURES and after.lower == "of" for word, after in itertools.pairwise(words[:index])
    )
    return ["who", "is", lower] if pictured else ["is", lower]


def _follows_singular_phrase(words: Sequence[Word], index: int, verb_before: bool) -> bool:
    """Whether a noun phrase ends before ``index`` that cannot go on with a plural noun, or the verb is missing."""
    previous, start = words[index - 1], index
    while start > 0 and _is_inside_phrase(words[start - 1]):
        start -= 1
    opener = words[start - 1] if start else None
    following = words[index + 1] if index + 1 < len(words) else None
    if previous.tag in _RELATIVE_TAGS:
        return True
    if any(word.lower in _QUANTITIES for word in words[start:index]) or (following and is_copula(following)):
        return False
    if opener is not None and opener.lower in _SINGULAR_STARTS and start < index:
        return True
    if previous.pos not in _NOUN_LIKE:
        return _stands_for_noun(words, index, opener, start)
    return not verb_before or (following is not None and following.pos == "DET")


def _stands_for_noun(words: Sequence[Word], index: int, opener: Word | None, start: int) -> bool:
    """Whether the word before ``index`` is a noun though it is not tagged so ("in blue", "the square")."""
    previous = words[index - 1]
    if opener is None:
        return index == 1 and previous.pos in ("ADV", "X")
    if previous.lower in _COLORS:
        return opener.pos == "ADP" and start == index - 1
    return opener.lower == "the" and start < index and not any(map(_is_seen_as_verb, words))


def _is_inside_phrase(word: Word) -> bool:
    return word.pos in ("NOUN", "PROPN", "PRON", "ADJ", "NUM") or (word.pos == "VERB" and word.dep == "amod")


def _joins_verb(words: Sequence[Word], index: int, found: Collection[int]) -> bool:
    """Whether "and" joins ``index`` to a verb in the same form ("sings and dances")."""
    before = index - 2
    return before >= 0 and words[index - 1].pos == "CCONJ" and (words[before].tag == "VBZ" or before in found)


def _follows_plural(words: Sequence[Word], index: int) -> bool:
    previous = words[index - 1]
    return previous.tag in ("NNS", "NNPS") or previous.lower == "people" or _is_coordinated(words, index - 1)


def _is_coordinated(words: Sequence[Word], index: int) -> bool:
    """Whether the noun at ``index`` is joined to a noun before it by "and" ("a man and a young woman")."""
    position = index
    while position > 0 and (_is_inside_phrase(words[position]) or words[position].pos == "DET"):
        position -= 1
    return words[position].pos == "CCONJ" and position > 0 and words[position - 1].pos in _NOUN_LIKE
