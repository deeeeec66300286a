"""This module gives verbs of captions, in place, the subjects and objects that a parser trained on news misses."""

from collections.abc import Sequence

from data_pipeline.graphs.words import (
    ANIMALS,
    GIVING,
    MOTIONS,
    NOUN_LIKE,
    PATHS,
    PERSONS,
    PICTURES,
    SUBJECT_DEPS,
    Word,
    attach,
    children,
    conjuncts,
    is_copula,
    phrase_start,
    word_set,
)

_HELPERS = ("aux", "auxpass")
_WHOLE_GROUPS = word_set("both each all")
_PERCEIVING = word_set("watch see film hear observe record let help make show")
_GROUPS = word_set("group bunch couple crowd pair team lot number")
_PARTICLES = word_set("off on up down out away over in back")
_WHERE = word_set("outside inside outdoors indoors upstairs downstairs")
_WEATHER = word_set("snow rain hail drizzle thunder")
_BRINGING = word_set("serve bring buy cook read tell pass throw feed pay pour")
_DEPICTING = word_set("show depict feature showcase display")


def repair_clause(words: Sequence[Word], index: int) -> None:
    """Gives the verb at ``index`` its subject and objects."""
    word = words[index]
    if word.tag == "VBN":
        _go_on_after_participle(words, index)
        _find_agent(words, index)
    if word.tag in ("VB", "VBP"):
        _do_what_is_watched(words, index)
    if word.dep not in _HELPERS and not children(words, index, (*SUBJECT_DEPS, "expl")):
        _split_two_phrases(words, index)
        _act_after_as(words, index)
    if word.tag == "VBG":
        _act_where(words, index)
        _act_in_picture(words, index)
        _act_as_group(words, index)
        _act_beside(words, index)
        _share_with_group(words, index)
    if word.tag == "VBZ":
        _agree(words, index)
    _receive(words, index)
    if word.lemma in _WEATHER:
        # "It is snowing": it is no thing.
        for subject in children(words, index, ("nsubj",)):
            words[subject].dep = "expl" if words[subject].lower == "it" else words[subject].dep
    for particle in children(words, index, ("prt", "advmod")):
        _give_object_of_particle(words, particle)


def _go_on_after_participle(words: Sequence[Word], verb: int) -> None:
    """Finds the main verb after a participle: in "a woman with hair pulled back stands" the hair is pulled."""
    subjects = children(words, verb, ("nsubj",))
    if not subjects or children(words, verb, _HELPERS) or words[verb].head != verb or subjects[-1] > verb:
        return
    for later in children(words, verb, ("dep", "ccomp", "conj", "advcl")):
        finite = words[later].tag in ("VBZ", "VBP") or children(words, later, _HELPERS)
        joined = any(words[i].dep in ("cc", "mark") for i in (*words[verb].children, *words[later].children))
        if later > verb and finite and not joined and not children(words, later, SUBJECT_DEPS):
            attach(words, later, later, "ROOT")
            attach(words, subjects[-1], later, "nsubj")
            described = verb - 1 if words[verb - 1].pos in NOUN_LIKE else subjects[-1]
            attach(words, verb, described, "acl")
            return


def _find_agent(words: Sequence[Word], verb: int) -> None:
    """Gives a passive the "by" after its object: in "is told a joke by a friend" the friend tells it."""
    if not children(words, verb, ("auxpass",)) or children(words, verb, ("agent",)):
        return
    for noun in children(words, verb, ("dobj", "oprd")):
        for preposition in children(words, noun, ("prep",)):
            if words[preposition].lower == "by":
                attach(words, preposition, verb, "agent")


def _do_what_is_watched(words: Sequence[Word], verb: int) -> None:
    """Gives a verb to who is watched: in "a group watching people resist laws" the people resist them."""
    if children(words, verb, _HELPERS) or words[verb].head != verb:
        return
    for subject in children(words, verb, ("nsubj",)):
        for noun in (subject, *_inside(words, subject)):
            for watching in children(words, noun, ("acl",)):
                seen = children(words, watching, ("dobj",))
                if words[watching].lemma in _PERCEIVING and seen and seen[-1] == verb - 1:
                    attach(words, subject, subject, "ROOT")
                    attach(words, verb, watching, "ccomp")
                    attach(words, seen[-1], verb, "nsubj")
                    return


def _inside(words: Sequence[Word], noun: int) -> list[int]:
    """Returns the nouns in the "of" phrase of a noun."""
    prepositions = [i for i in children(words, noun, ("prep",)) if words[i].lower in ("of", "about")]
    return [
        j for i in prepositions for child in children(words, i, ("pobj",)) for j in conjuncts(words, child)
    ]


def _act_where(words: Sequence[Word], verb: int) -> None:
    """Gives a participle after a place its subject: "is outside playing golf", "a girl, wearing a hat is singing"."""
    word, place = words[verb], words[verb].head
    if word.dep == "pcomp" and words[place].lower in _WHERE and is_copula(words[words[place].head]):
        attach(words, verb, words[place].head, "advcl")
    elif word.dep == "csubj":
        for subject in children(words, place, ("nsubj",))[:1]:
            if subject < verb:
                attach(words, verb, subject, "acl")


def _act_in_picture(words: Sequence[Word], verb: int) -> None:
    """Gives a participle to who is pictured: in "a video of cats playing" the cats play."""
    picture, dep = words[verb].head, words[verb].dep
    if dep == "ROOT":
        subjects = children(words, verb, ("nsubj",))
        picture = subjects[0] if subjects else verb
    elif dep not in ("acl", "relcl"):
        return
    if words[picture].lemma not in PICTURES or children(words, verb, _HELPERS):
        return
    pictured = [noun for noun in _inside(words, picture) if noun < verb]
    if not pictured:
        return
    noun = pictured[-1]
    acts = words[noun].lemma in PERSONS | ANIMALS
    if words[noun].lemma in PICTURES or (not acts and words[verb].lemma in _DEPICTING):
        return
    if dep == "ROOT":
        attach(words, picture, picture, "ROOT")
    attach(words, verb, noun, "acl")


def _act_beside(words: Sequence[Word], verb: int) -> None:
    """Gives a participle the person right before it: "two men" of "people dance around two men fighting"."""
    noun, above = verb - 1, words[verb].head
    if words[verb].dep not in ("advcl", "xcomp") or children(words, verb, (*SUBJECT_DEPS, *_HELPERS, "mark")):
        return
    watched = words[noun].dep == "dobj" and words[above].lemma in _PERCEIVING and words[noun].head == above
    near = words[noun].dep == "pobj" and words[words[noun].head].head == above
    if words[noun].lemma in PERSONS | ANIMALS and (watched or near):
        attach(words, verb, noun, "acl")


def _agree(words: Sequence[Word], verb: int) -> None:
    """Gives a singular verb a singular subject: in "a truck hauling logs drives" the truck drives."""
    for plural in children(words, verb, ("nsubj",)):
        acting = phrase_start(words, plural) - 1
        noun = words[acting].head
        described = (
            words[acting].tag == "VBG" and words[acting].dep == "acl" and words[noun].tag in ("NN", "NNP")
        )
        if words[plural].tag == "NNS" and acting > 0 and described and not children(words, acting, ("dobj",)):
            attach(words, noun, verb, "nsubj")
            attach(words, plural, acting, "dobj")


def _act_as_group(words: Sequence[Word], verb: int) -> None:
    """Gives a participle to the whole group, which has the finite verbs: "a group of people watching"."""
    preposition = words[words[verb].head].head
    group = words[preposition].head
    if words[verb].dep == "acl" and words[preposition].lower == "of" and words[group].lemma in _GROUPS:
        attach(words, verb, group, "acl")


def _split_two_phrases(words: Sequence[Word], verb: int) -> None:
    """Splits a phrase with "a" and a plural: "in a movie heroes are talking" has the subject after the movie."""
    helpers = children(words, verb, _HELPERS)
    noun = min((verb, *helpers)) - 1
    if noun < 2 or words[noun].tag != "NNS" or words[noun].dep != "pobj" or words[noun - 1].tag != "NN":
        return
    plural = {words[i].tag for i in (verb, *helpers)} & {"VBP", "VBD"}
    articles = [i for i in children(words, noun, ("det",)) if words[i].lower in ("a", "an")]
    if not plural or not articles or articles[0] == noun - 1 or words[noun - 1].head != noun:
        return
    attach(words, noun - 1, words[noun].head, "pobj")
    passive = any(words[i].dep == "auxpass" for i in helpers)
    attach(words, noun, verb, "nsubjpass" if passive else "nsubj")
    for index in range(articles[0], noun - 1):
        if words[index].head == noun:
            attach(words, index, noun - 1, words[index].dep)


def _act_after_as(words: Sequence[Word], verb: int) -> None:
    """Gives a verb the noun between "as" and it: in "a bird soars as bagpipes play" the bagpipes play."""
    helpers = children(words, verb, _HELPERS)
    noun = min((verb, *helpers)) - 1
    finite = {words[i].tag for i in (verb, *helpers)} & {"VBZ", "VBP", "VBD"}
    if noun < 1 or words[noun].dep != "pobj" or not finite:
        return
    preposition = words[noun].head
    if words[preposition].lower == "as":
        if words[preposition].dep == "prep":
            attach(words, verb, words[preposition].head, "advcl")
        attach(words, noun, verb, "nsubj")
        attach(words, preposition, verb, "mark")


def _share_with_group(words: Sequence[Word], verb: int) -> None:
    """Gives "both wearing hats" the subject of the sentence before it."""
    subjects = children(words, verb, ("nsubj",))
    alone = len(subjects) == 1 and words[subjects[0]].lower in _WHOLE_GROUPS
    if alone and words[verb].head != verb and not children(words, verb, _HELPERS):
        words[subjects[0]].dep = "det"


def _receive(words: Sequence[Word], verb: int) -> None:
    """Makes a recipient of the first of two objects: "hands the man a cup", "teaches kids math"."""
    for noun in children(words, verb, ("ccomp",)):
        if words[noun].pos == "NOUN" and not children(words, noun, ("aux", "cop", "mark")):
            for subject in children(words, noun, ("nsubj",)):
                attach(words, subject, verb, "dative")
                words[noun].dep = "dobj"
    objects = [i for i in children(words, verb, ("dobj",)) if i > verb]
    gives = words[verb].lemma in GIVING | _BRINGING
    if gives and len(objects) == 2 and words[objects[0]].lemma in PERSONS | ANIMALS:
        words[objects[0]].dep = "dative"
        for place in children(words, verb, ("prep",)):
            if objects[0] < place < objects[1]:
                attach(words, place, objects[0], "prep")
    for noun in objects:
        if words[verb].lemma in GIVING and verb + 1 in children(words, noun, ("compound",)):
            person = words[verb + 1].lower.removesuffix("s")
            if person != words[verb + 1].lower and person in PERSONS:
                attach(words, verb + 1, verb, "dative")
                words[verb + 1].lemma = person


def _give_object_of_particle(words: Sequence[Word], particle: int) -> None:
    """Gives the verb the object of its particle ("shows off a car"), unless it is a way ("falls down stairs")."""
    word, verb = words[particle], words[particle].head
    objects = children(words, particle, ("pobj",))
    if word.dep == "prt" and objects and word.lower in _PARTICLES:
        passive = children(words, verb, ("auxpass",))
        if passive or words[verb].lemma in MOTIONS or words[objects[0]].lemma in PATHS:
            word.dep, word.pos = "prep", "ADP"
        else:
            attach(words, objects[0], verb, "dobj")
