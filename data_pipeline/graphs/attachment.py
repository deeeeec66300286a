"""This module says what a phrase belongs to: it finds prepositions, their roles and subjects, and repairs the parse."""

from collections.abc import Sequence

from data_pipeline.graphs.graph import AGENT, OTHER, PREPOSITIONS, RECIPIENT
from data_pipeline.graphs.words import (
    ANIMALS,
    GIVING,
    INTRANSITIVES,
    MOTIONS,
    NOUN_LIKE,
    PATHS,
    PERSONS,
    PHRASE_DEPS,
    PLACES,
    POSTURES,
    PUTTING,
    SUBJECT_DEPS,
    TAKING,
    VEHICLES,
    WORN,
    Word,
    attach,
    children,
    conjuncts,
    is_copula,
    word_set,
)

_MULTIWORD = {
    ("next", "to"): "next_to",
    ("in", "front", "of"): "in_front_of",
    ("on", "top", "of"): "on_top_of",
    ("out", "of"): "out_of",
    ("away", "from"): "away_from",
    ("inside", "of"): "inside",
    ("outside", "of"): "outside",
    ("off", "of"): "off",
    ("because", "of"): OTHER,
    ("instead", "of"): OTHER,
    ("ahead", "of"): OTHER,
}
_SYNONYMS = {
    "towards": "toward",
    "amongst": "among",
    "beneath": "under",
    "underneath": "under",
    "upon": "on",
    "atop": "on_top_of",
    "infront": "in_front_of",
    "alongside": "beside",
    # What is absent is denied, and needs no role of its own.
    "without": "with",
}


def whole_preposition(words: Sequence[Word], index: int) -> tuple[str, ...]:
    """Returns the words of the preposition that ends at ``index``."""
    for length in (3, 2):
        lowers = tuple(word.lower for word in words[max(index + 1 - length, 0) : index + 1])
        if lowers in _MULTIWORD:
            return lowers
    return (words[index].lower,)


def prepositions(words: Sequence[Word]) -> dict[int, str]:
    """Returns the role that each preposition with an object gives to it, by the index of its last word."""
    return {
        i: preposition_role(words, i)
        for i, word in enumerate(words)
        if word.dep in ("prep", "agent", "dative", "prt") and children(words, i, ("pobj",))
    }


def preposition_role(words: Sequence[Word], index: int) -> str:
    """Returns the role that the preposition which ends at ``index`` gives."""
    word = words[index]
    if word.dep == "agent":
        return AGENT
    if word.lower == "to" and words[word.head].lemma in GIVING and words[word.head].pos == "VERB":
        return RECIPIENT
    role = _MULTIWORD.get(whole_preposition(words, index), _SYNONYMS.get(word.lower, word.lower))
    return role if role in PREPOSITIONS else OTHER


# These words stay prepositions before a noun, unlike "up" in "picks up a box".
_PREPOSITIONS_NOT_PARTICLES = word_set(
    "behind past around across along under through inside outside near beside between above below into in"
)
_PREPOSITIONS_OF_MOTION = word_set("off up down over on")
_DIRECTIONS = word_set("into onto through across along toward towards past")
_TARGETS = word_set("in on into onto over under inside between around to")
_SOURCES = word_set("from off out")
_AT_A_PLACE = word_set("in on at behind near by against under outside inside")
_OF_A_PERSON = word_set("in with on at")
_ACTORS = PERSONS | ANIMALS | VEHICLES


def make_preposition(words: Sequence[Word], index: int) -> None:
    """Makes a preposition of a particle: in "passes behind a triangle" the triangle is not what is passed."""
    word = words[index]
    verb = word.head
    objects = [j for j in children(words, verb, ("dobj",)) if j > index]
    if word.dep in ("prt", "advmod"):
        way = any(words[i].lemma in PATHS for i in objects)
        moving = word.lower in _PREPOSITIONS_OF_MOTION and (words[verb].lemma in MOTIONS or way)
        if not moving and word.lower not in _PREPOSITIONS_NOT_PARTICLES:
            return
    elif word.dep != "prep" or word.children:
        return
    if not objects or verb > index:
        return
    between = words[index + 1 : objects[0]]
    if all(other.dep in PHRASE_DEPS or other.dep == "advmod" for other in between):
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
    if word.dep != "prep" or words[noun].pos not in NOUN_LIKE:
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
    """Returns the person who is at or does something with a noun ("a lady on the road"); None where there is none."""
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
    if words[holder].pos in NOUN_LIKE:
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
    """Gives a purpose to its subject: in "uses a hammer to break a stone", who uses it breaks the stone."""
    noun = words[verb].head
    user = words[noun].head
    if (
        words[noun].dep == "dobj"
        and words[user].lemma == "use"
        and any(words[i].tag == "TO" for i in words[verb].children)
    ):
        attach(words, verb, user, "advcl")


RELATIVE_TAGS = frozenset({"WP", "WDT", "WP$", "WRB"})
_SHARED_DEPS = frozenset({"conj", "xcomp", "ccomp", "advcl", "dep", "parataxis", "prep", "acomp", "advmod"})
# "After eating": the subject of the sentence eats. "A video about cooking": the video does not cook.
_SHARING_PREPOSITIONS = word_set("by after before while without when since until from")
# "Asks a boy to run": the boy runs.
OBJECT_CONTROL = word_set("ask tell help teach force make let allow train get watch see film order hear")


def subjects(words: Sequence[Word], verb: int) -> list[int]:
    """Returns the nouns that are the subjects of a verb or a copula.

    Args:
        words: the parsed caption.
        verb: the index of the verb.

    Returns:
        The indices of nouns, in order; empty where the caption does not say.
    """
    while True:
        own = children(words, verb, SUBJECT_DEPS)
        if any(words[i].tag in RELATIVE_TAGS for i in own):
            return [antecedent(words, verb)]
        if not own and children(words, verb, ("expl",)):
            own = children(words, verb, ("attr",))
        if own:
            return _all_conjuncts(words, own)
        word, head = words[verb], words[words[verb].head]
        infinitive = any(words[i].tag == "TO" for i in word.children)
        if word.dep in ("acl", "relcl"):
            return [] if infinitive else _described(words, verb)
        if word.head == verb or not _shares_subject(words, verb):
            return _subject_of_list(words, verb)
        if head.lemma in OBJECT_CONTROL and head.pos == "VERB" and (word.dep == "xcomp" or infinitive):
            objects = children(words, word.head, ("dobj", "dative"))
            if objects and word.dep != "conj":
                return _all_conjuncts(words, objects)
        verb = word.head
        if head.pos in ("NOUN", "PROPN", "PRON"):
            return [verb]


def antecedent(words: Sequence[Word], verb: int) -> int:
    """Returns the noun that the relative clause of ``verb`` describes."""
    while words[verb].dep == "conj" and words[verb].head != verb:
        verb = words[verb].head
    return words[verb].head


def is_passive(words: Sequence[Word], verb: int) -> bool:
    """Returns whether the verb acts on its subject."""
    while True:
        word = words[verb]
        deps = {words[i].dep for i in word.children}
        if deps & {"auxpass", "nsubjpass"}:
            return True
        # "Added and baked": in a list of passives the tagger may take the last for the past tense.
        listed = word.dep == "conj" and word.lower.endswith("ed")
        if (word.tag != "VBN" and not listed) or deps & {"aux", "nsubj"} or word.lemma in INTRANSITIVES:
            return False
        if word.dep != "conj":
            return True
        verb = word.head


def _subject_of_list(words: Sequence[Word], verb: int) -> list[int]:
    """Returns who does the last of "he takes a cup, fills it": parsers take what comes first for a complement."""
    for clause in children(words, verb, ("ccomp",)):
        if clause < verb and children(words, clause, SUBJECT_DEPS):
            return subjects(words, clause)
    return []


def _described(words: Sequence[Word], verb: int) -> list[int]:
    """Returns the nouns before a participle: in "a man and a woman talking", both."""
    noun = first = words[verb].head
    while words[first].dep == "conj":
        first = words[first].head
    shared = words[first].dep in ("ROOT", "nsubj", "nsubjpass", "attr", "pobj") and words[first].pos != "VERB"
    if words[verb].tag != "VBG" or not shared:
        return [noun]
    return [i for i in conjuncts(words, first) if i < verb]


def _shares_subject(words: Sequence[Word], verb: int) -> bool:
    word = words[verb]
    if word.dep == "pcomp":
        return words[word.head].lower in _SHARING_PREPOSITIONS
    if word.dep == "ccomp" and any(is_copula(words[i]) for i in word.children):
        return False
    return word.dep in _SHARED_DEPS


def _all_conjuncts(words: Sequence[Word], nouns: Sequence[int]) -> list[int]:
    return [i for noun in nouns for i in conjuncts(words, noun)]
