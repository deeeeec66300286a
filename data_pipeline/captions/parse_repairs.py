"""Corrections of dependencies that a parser trained on news gets wrong in captions, in place."""

from collections.abc import Sequence

from data_pipeline.captions.words import Word, attach, children, word_set

PERSONS = word_set(
    """
    man woman person people boy girl guy lady kid child baby toddler player singer dancer chef cook
    actor actress reporter host crowd audience group couple gentleman male female someone he she they
    model teacher student performer band teenager youth men women
    """
)
_ANIMALS = word_set(
    """
    dog cat horse puppy kitten bird monkey bear lion tiger elephant cow pig fish animal
    """
)
_WORN = word_set(
    """
    shirt t-shirt hat dress suit hair glass glasses jacket coat mask cap pant jean short skirt uniform
    outfit costume tie beard moustache lipstick sunglass clothes clothing attire bikini swimsuit helmet
    apron robe scarf sweater vest hoodie gown tuxedo boot shoe glove makeup accent
    """
)
# Words that stay prepositions before a noun, unlike "up" in "picks up a box".
_PREPOSITIONS_NOT_PARTICLES = word_set(
    """
    behind past around across along under through inside outside near beside between above below into in
    """
)
_PHRASE_DEPS = frozenset({"det", "amod", "compound", "nummod", "poss", "nmod"})


def repair(words: Sequence[Word]) -> None:
    """Applies all corrections."""
    for index, word in enumerate(words):
        noun = word.pos in ("NOUN", "PROPN")
        under_verb = words[word.head].pos == "VERB"
        if noun and under_verb and word.dep in ("compound", "amod", "nmod"):
            _free_noun_before_verb(words, index)
        elif noun and under_verb and word.dep == "conj":
            _join_object(words, index)
        elif word.dep in ("nsubj", "nsubjpass") and words[word.head].dep in ("aux", "auxpass"):
            attach(words, index, words[word.head].head, word.dep)
        elif _lacks_object(word):
            _make_preposition(words, index)
        elif word.tag == "VBG" and word.dep in ("acl", "relcl"):
            _hand_participle_to_person(words, index)
    for index in range(len(words)):
        _separate_joined_clauses(words, index)


def _lacks_object(word: Word) -> bool:
    if word.dep in ("prt", "advmod"):
        return word.lower in _PREPOSITIONS_NOT_PARTICLES
    return word.dep == "prep" and not word.children


def _free_noun_before_verb(words: Sequence[Word], noun: int) -> None:
    """ "Band playing", "women in bikini walking": the noun is no part of the verb."""
    verb = words[noun].head
    if verb < noun:
        return
    start = noun
    while start > 0 and words[start - 1].head in (noun, verb) and words[start - 1].dep in _PHRASE_DEPS:
        start -= 1
    preposition = words[verb].head
    if start > 0 and start - 1 == preposition and words[verb].dep in ("pobj", "pcomp"):
        attach(words, verb, words[preposition].head, "acl")
        attach(words, noun, preposition, "pobj")
    elif not children(words, verb, ("nsubj", "nsubjpass")):
        attach(words, noun, verb, "nsubj")
    else:
        return
    for index in range(start, noun):
        if words[index].head == verb:
            attach(words, index, noun, words[index].dep)


def _join_object(words: Sequence[Word], noun: int) -> None:
    """ "Chops onions and carrots": the noun after "and" joins the object, not the verb."""
    objects = [j for j in children(words, words[noun].head, ("dobj",)) if j < noun]
    if objects:
        attach(words, noun, objects[-1], "conj")


def _make_preposition(words: Sequence[Word], index: int) -> None:
    """ "Passes behind a triangle": the triangle is not what is passed."""
    verb = words[index].head
    objects = [j for j in children(words, verb, ("dobj",)) if j > index]
    if not objects or verb > index:
        return
    between = words[index + 1 : objects[0]]
    if all(word.dep in _PHRASE_DEPS or word.dep == "advmod" for word in between):
        words[index].dep = "prep"
        attach(words, objects[0], index, "pobj")


def _hand_participle_to_person(words: Sequence[Word], verb: int) -> None:
    """ "A man in a suit singing": not the suit sings, but the man."""
    noun = words[verb].head
    while words[noun].dep == "conj" and words[words[noun].head].pos == "NOUN":
        noun = words[noun].head
    preposition = words[noun].head
    holder = words[preposition].head
    inanimate = words[noun].lemma not in PERSONS | _ANIMALS
    if (
        words[noun].dep == "pobj"
        and words[preposition].lower in ("in", "with", "on", "at")
        and words[holder].pos in ("NOUN", "PROPN", "PRON")
        and (words[noun].lemma in _WORN or (inanimate and words[holder].lemma in PERSONS))
    ):
        attach(words, verb, holder, words[verb].dep)


def _separate_joined_clauses(words: Sequence[Word], verb: int) -> None:
    """ "Two men fighting and a woman is singing": two clauses, not one with two subjects."""
    subjects = [i for i in children(words, verb, ("nsubj", "nsubjpass")) if i < verb]
    for earlier in subjects[:-1]:
        words[earlier].dep = "dep"
    for subject in subjects[-1:]:
        joined = children(words, subject, ("conj",))
        acting = any(words[i].tag == "VBG" for i in children(words, subject, ("acl",)))
        singular = any(words[i].tag == "VBZ" for i in (verb, *children(words, verb, ("aux", "auxpass"))))
        if singular and acting and len(joined) == 1 and joined[0] < verb:
            attach(words, joined[0], verb, words[subject].dep)
            words[subject].dep = "dep"
