"""Corrections of what a preposition or a participle belongs to, in place."""

from collections.abc import Sequence

from data_pipeline.captions.word_kinds import (
    ANIMALS,
    GIVING,
    MOTIONS,
    PERSONS,
    PLACES,
    POSTURES,
    PUTTING,
    TAKING,
    VEHICLES,
    WORN,
)
from data_pipeline.captions.words import Word, attach, children, is_copula, word_set

# Words that stay prepositions before a noun, unlike "up" in "picks up a box".
_PREPOSITIONS_NOT_PARTICLES = word_set(
    "behind past around across along under through inside outside near beside between above below into in"
)
_PREPOSITIONS_OF_MOTION = word_set("off up down over on")
_DIRECTIONS = word_set("into onto through across along toward towards past")
_TARGETS = word_set("in on into onto over under inside between around to")
_SOURCES = word_set("from off out")
_AT_A_PLACE = word_set("in on at behind near by against under outside inside")
_OF_A_PERSON = word_set("in with on at")
_PHRASE_DEPS = frozenset({"det", "amod", "compound", "nummod", "poss", "nmod"})
_NOUNS = frozenset({"NOUN", "PROPN", "PRON"})
_ACTORS = PERSONS | ANIMALS | VEHICLES


def make_preposition(words: Sequence[Word], index: int) -> None:
    """ "Passes behind a triangle", "jumps off a ramp": the noun is not what is passed."""
    word = words[index]
    verb = word.head
    if word.dep in ("prt", "advmod"):
        moving = word.lower in _PREPOSITIONS_OF_MOTION and words[verb].lemma in MOTIONS
        if not moving and word.lower not in _PREPOSITIONS_NOT_PARTICLES:
            return
    elif word.dep != "prep" or word.children:
        return
    objects = [j for j in children(words, verb, ("dobj",)) if j > index]
    if not objects or verb > index:
        return
    between = words[index + 1 : objects[0]]
    if all(other.dep in _PHRASE_DEPS or other.dep == "advmod" for other in between):
        word.dep, word.pos = "prep", "ADP"
        attach(words, objects[0], index, "pobj")


def attach_preposition(words: Sequence[Word], preposition: int) -> None:
    """Moves a preposition from an object to the verb, or from a thing to the person who wears its object.

    Of two that are joined ("along a river and through a forest"), the second goes where the first does.
    """
    word = words[preposition]
    if word.dep == "conj" and words[word.head].dep == "prep":
        attach(words, preposition, words[word.head].head, "prep")
    noun = word.head
    if word.dep != "prep" or words[noun].pos not in _NOUNS:
        return
    worn = any(words[i].lemma in WORN for i in children(words, preposition, ("pobj",)))
    if word.lower in ("in", "with") and worn and words[noun].lemma not in PERSONS | ANIMALS | WORN:
        person = _person_at(words, noun)
        if person is not None:
            attach(words, preposition, person, "prep")
        return
    verb = words[noun].head
    if (
        words[noun].dep == "dobj"
        and words[verb].pos == "VERB"
        and _belongs_to_verb(words[verb].lemma, word.lower)
    ):
        attach(words, preposition, verb, "prep")


def _belongs_to_verb(verb: str, preposition: str) -> bool:
    return (
        preposition in _DIRECTIONS
        or (preposition in _TARGETS and verb in PUTTING)
        or (preposition in _SOURCES and verb in TAKING)
        or (preposition == "to" and verb in GIVING)
    )


def _person_at(words: Sequence[Word], noun: int) -> int | None:
    """The person who is where a noun says, or does something with it: "a lady on the road"."""
    holder = words[noun].head
    if words[noun].dep == "pobj":
        holder = words[holder].head
    elif words[noun].dep != "dobj":
        return None
    if words[holder].pos in ("VERB", "AUX"):
        subjects = [i for i in children(words, holder, ("nsubj", "nsubjpass")) if i < noun]
        holder = subjects[-1] if subjects else holder
    return holder if words[holder].lemma in PERSONS else None


def attach_participle(words: Sequence[Word], verb: int) -> None:
    """Moves "singing" from a thing to who sings: "a man in a suit singing", "a man sits on a chair singing"."""
    noun = words[verb].head
    if words[verb].tag == "VB":
        _attach_purpose(words, verb)
        return
    while words[noun].dep == "conj" and words[words[noun].head].pos == "NOUN":
        noun = words[noun].head
    if children(words, verb, ("nsubj", "nsubjpass")):
        return
    if words[verb].tag != "VBG" or words[noun].dep != "pobj" or words[noun].lemma in PERSONS | ANIMALS:
        return
    preposition = words[words[noun].head].lower
    holder = words[words[noun].head].head
    lemma = words[noun].lemma
    if words[holder].pos in _NOUNS:
        holder_acts = words[holder].lemma in PERSONS or (
            words[holder].lemma in _ACTORS and preposition == "with" and lemma not in VEHICLES
        )
        if preposition in _OF_A_PERSON and (lemma in WORN or holder_acts):
            attach(words, verb, holder, words[verb].dep)
    elif preposition in _AT_A_PLACE and words[holder].pos in ("VERB", "AUX"):
        resting = words[holder].lemma in POSTURES or is_copula(words[holder])
        if resting or (lemma in PLACES and lemma not in VEHICLES):
            attach(words, verb, holder, "advcl" if words[holder].dep != "acl" else "conj")


def _attach_purpose(words: Sequence[Word], verb: int) -> None:
    """ "Uses a hammer to break a stone": who uses it breaks the stone."""
    noun = words[verb].head
    user = words[noun].head
    if (
        words[noun].dep == "dobj"
        and words[user].lemma == "use"
        and any(words[i].tag == "TO" for i in words[verb].children)
    ):
        attach(words, verb, user, "advcl")
