"""This module corrects, in place, words and clauses of captions that a parser trained on news gets wrong."""

from collections.abc import Sequence

from data_pipeline.graphs.attachment import attach_participle, attach_preposition, make_preposition
from data_pipeline.graphs.clauses import repair_clause
from data_pipeline.graphs.word_kinds import repair_kind
from data_pipeline.graphs.words import (
    BASE_FORMS,
    FINITE_TAGS,
    OFTEN_NOUNS,
    PERSONS,
    PHRASE_DEPS,
    PLURALS_ONLY,
    SUBJECT_DEPS,
    WORN,
    Word,
    attach,
    children,
    phrase_start,
    third_person,
)

_IRREGULAR_PLURALS = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "geese": "goose",
    "mice": "mouse",
    "feet": "foot",
    "teeth": "tooth",
    "wolves": "wolf",
    "knives": "knife",
}


def repair(words: Sequence[Word]) -> None:
    """Applies all corrections."""
    _name_lone_word(words)
    for index, word in enumerate(words):
        _name_plural(words, index)
        repair_kind(words, index)
        _repair_word(words, index, word)
    for index, word in enumerate(words):
        if word.children:
            _separate_joined_clauses(words, index)
    for index, word in enumerate(words):
        if word.pos in ("VERB", "AUX"):
            repair_clause(words, index)
            _claim_subject(words, index)
        elif word.pos == "ADP":
            attach_preposition(words, index)
        if word.tag in ("VBG", "VB") and word.dep in ("acl", "relcl"):
            attach_participle(words, index)


def _name_lone_word(words: Sequence[Word]) -> None:
    """Makes a noun of "block" and "drums" where they are all of a text, which a tagger takes for a command.

    A word that is a verb first of all ("swim") stays one.
    """
    named = [word for word in words if any(map(str.isalnum, word.lower))]
    if len(named) != 1 or named[0].tag not in ("VB", "VBP", "VBZ"):
        return
    (word,) = named
    if word.lower in OFTEN_NOUNS or third_person(word.lower) in OFTEN_NOUNS or word.lemma not in BASE_FORMS:
        word.pos, word.tag = "NOUN", "NN"


def _name_plural(words: Sequence[Word], index: int) -> None:
    """Gives "geese" and "scissors" their dictionary forms."""
    word = words[index]
    if word.lower in _IRREGULAR_PLURALS:
        word.lemma, word.pos, word.tag = _IRREGULAR_PLURALS[word.lower], "NOUN", "NNS"
    elif word.lower in PLURALS_ONLY and words[min(index + 1, len(words) - 1)].lower != "of":
        word.lemma = word.lower


def _repair_word(words: Sequence[Word], index: int, word: Word) -> None:
    noun = word.pos in ("NOUN", "PROPN")
    head = words[word.head]
    if word.tag == "VBG" and word.dep == "amod":
        _free_participle(words, index)
    elif word.dep == "det" and word.head > index:
        _free_noun_between_determiners(words, index)
    elif noun and word.dep in ("compound", "amod", "nmod"):
        if head.pos == "VERB":
            _free_noun_before_verb(words, index, word.head)
        elif head.dep in ("aux", "auxpass", "advmod") and words[head.head].pos == "VERB":
            _free_noun_before_verb(words, index, head.head)
    elif noun and word.dep == "conj" and head.pos == "VERB":
        _join_object(words, index)
    elif word.dep == "conj" and word.lemma in WORN and head.lemma in PERSONS:
        _join_worn(words, index)
    elif word.dep in SUBJECT_DEPS and head.dep in ("aux", "auxpass"):
        attach(words, index, head.head, word.dep)
    elif word.dep == "attr":
        _share_existential(words, index)
    elif noun and word.dep == "ROOT":
        _give_object_back(words, index)
    else:
        make_preposition(words, index)


def _free_participle(words: Sequence[Word], verb: int) -> None:
    """Frees a participle: in "a player throwing darts", "a" belongs to the player, who throws them."""
    noun, subject = words[verb].head, verb - 1
    articles = [i for i in children(words, noun, ("det",)) if words[i].lower in ("a", "an")]
    if (
        noun < verb
        or words[noun].tag != "NNS"
        or not articles
        or articles[0] >= subject
        or words[subject].tag not in ("NN", "NNP")
    ):
        return
    attach(words, subject, words[noun].head if words[noun].head != noun else subject, words[noun].dep)
    attach(words, verb, subject, "acl")
    attach(words, noun, verb, "dobj")
    words[verb].pos = "VERB"
    for index in range(articles[0], subject):
        if words[index].head in (noun, verb):
            attach(words, index, subject, words[index].dep)


def _free_noun_between_determiners(words: Sequence[Word], determiner: int) -> None:
    """Splits a phrase with two determiners: "pulls a sled up a hill" has a preposition between two phrases."""
    noun = words[determiner].head
    later = [i for i in children(words, noun, ("det",)) if i > determiner + 2]
    if not later or words[noun].head == noun or words[later[0] - 1].tag not in ("IN", "RP"):
        return
    first, preposition = later[0] - 2, later[0] - 1
    if words[first].pos == "ADP" or words[first].dep == "cc":
        return
    attach(words, first, words[noun].head, words[noun].dep)
    words[first].pos, words[first].tag = "NOUN", "NN"
    attach(words, preposition, words[first].head, "prep")
    words[preposition].pos = "ADP"
    attach(words, noun, preposition, "pobj")
    for index in range(determiner, first):
        attach(words, index, first, words[index].dep)


def _free_noun_before_verb(words: Sequence[Word], noun: int, verb: int) -> None:
    """Frees a noun before a verb: in "band playing" and "women in bikini walking" it is no part of the verb."""
    owner = words[noun].head
    if verb < noun:
        return
    after = words[noun + 1]
    if after.pos == "NOUN" and after.head == owner and after.dep == words[noun].dep:
        return
    start = noun
    while start > 0 and words[start - 1].head in (noun, owner) and words[start - 1].dep in PHRASE_DEPS:
        start -= 1
    preposition = words[verb].head
    if start > 0 and start - 1 == preposition and words[verb].dep in ("pobj", "pcomp"):
        attach(words, verb, words[preposition].head, "acl")
        attach(words, noun, preposition, "pobj")
    elif not children(words, verb, SUBJECT_DEPS):
        passive = any(words[i].dep == "auxpass" for i in words[verb].children)
        attach(words, noun, verb, "nsubjpass" if passive else "nsubj")
    else:
        return
    for index in range(start, noun):
        if words[index].head == owner:
            attach(words, index, noun, words[index].dep)


def _join_object(words: Sequence[Word], noun: int) -> None:
    """Joins a noun to the object, not the verb: "chops onions and carrots"."""
    objects = [j for j in children(words, words[noun].head, ("dobj",)) if j < noun]
    if objects:
        attach(words, noun, objects[-1], "conj")


def _join_worn(words: Sequence[Word], noun: int) -> None:
    """Joins what is worn to what is worn: in "a guy with a jacket and a helmet" the helmet is no second guy."""
    worn = [
        j
        for i in children(words, words[noun].head, ("prep",))
        for j in children(words, i, ("pobj",))
        if j < noun and words[j].lemma in WORN
    ]
    if worn:
        attach(words, noun, worn[-1], "conj")


def _share_existential(words: Sequence[Word], noun: int) -> None:
    """Gives a verb its subject after "there is": in "there is a lion is roaring" the lion roars."""
    copula = words[noun].head
    verb = words[copula].head
    if (
        verb > noun
        and words[verb].pos == "VERB"
        and children(words, copula, ("expl",))
        and not children(words, verb, SUBJECT_DEPS)
    ):
        attach(words, noun, verb, "nsubj")


def _give_object_back(words: Sequence[Word], noun: int) -> None:
    """Gives a verb its object: in "a kitchen where a woman cooks soup" the soup is cooked, and is not the kitchen."""
    for subject in children(words, noun, ("nsubj",)):
        verb = noun - 1
        while verb > subject and words[verb].head == noun and words[verb].dep in PHRASE_DEPS:
            verb -= 1
        if words[verb].dep == "relcl" and words[verb].pos == "VERB" and words[verb].head == subject:
            attach(words, subject, subject, "ROOT")
            attach(words, noun, verb, "dobj")
            return


def _claim_subject(words: Sequence[Word], verb: int) -> None:
    """Finds the subject of a finite verb that the parser joined to an earlier verb.

    In "he talks to his son and the boy runs" the boy runs. In "people cheer for a runner who falls and gets up" the
    runner gets up, because a verb in the singular does not continue what people do.
    """
    word = words[verb]
    helpers = children(words, verb, ("aux", "auxpass"))
    tags = {words[i].tag for i in (verb, *helpers)}
    if word.dep not in ("conj", "ROOT", "ccomp", "advcl") or not tags & FINITE_TAGS:
        return
    if children(words, verb, (*SUBJECT_DEPS, "expl")):
        return
    noun = min((verb, *helpers)) - 1
    while noun > 0 and words[noun].pos == "ADV":
        noun -= 1
    if noun > 0 and words[noun].dep == "conj" and words[words[noun].head].dep in ("pobj", "dobj"):
        attach(words, noun, verb, "nsubj")
    elif word.dep == "conj" and "VBZ" in tags and words[word.head].tag == "VBP":
        singular = [
            i
            for i in range(word.head + 1, verb)
            if words[i].tag == "VBZ" and words[i].dep in ("relcl", "conj")
        ]
        if singular:
            attach(words, verb, singular[-1], "conj")


def _separate_joined_clauses(words: Sequence[Word], verb: int) -> None:
    """Separates two clauses, such as "two men fighting and a woman is singing", which are not one with two subjects."""
    subjects = [i for i in children(words, verb, SUBJECT_DEPS) if i < verb]
    if len(subjects) > 1 and _joins_object_of_preposition(words, subjects):
        subjects = subjects[:-1]
    while len(subjects) > 1:
        if _act_together(words, subjects[-2], subjects[-1], verb):
            attach(words, subjects[-1], subjects[-2], "conj")
            subjects.pop()
        else:
            words[subjects.pop(-2)].dep = "dep"
    for subject in subjects[-1:]:
        joined = children(words, subject, ("conj",))
        acting = any(words[i].tag == "VBG" for i in children(words, subject, ("acl",)))
        singular = any(words[i].tag == "VBZ" for i in (verb, *children(words, verb, ("aux", "auxpass"))))
        if singular and acting and len(joined) == 1 and joined[0] < verb:
            attach(words, joined[0], verb, words[subject].dep)
            words[subject].dep = "dep"


def _joins_object_of_preposition(words: Sequence[Word], subjects: Sequence[int]) -> bool:
    """Joins a noun to a preposition's object ("people in blue jeans and yellow shirts are"), and says if it did."""
    earlier, later = subjects[-2:]
    start = phrase_start(words, later)
    if (
        any(words[i].pos == "VERB" for i in words[earlier].children)
        or start < 2
        or words[start - 1].dep != "cc"
    ):
        return False
    first = words[start - 1].head
    if words[later].lemma in WORN and words[start - 2].dep == "pobj":
        first = start - 2
    if words[first].dep != "pobj" or any(words[i].dep == "det" for i in words[later].children):
        return False
    attach(words, later, first, "conj")
    return True


def _act_together(words: Sequence[Word], earlier: int, later: int, verb: int) -> bool:
    """Returns whether "and" joins two subjects of a plural verb: "a man in a suit and a girl in a dress dance"."""
    tags = {words[i].tag for i in (verb, *children(words, verb, ("aux", "auxpass")))}
    acting = any(words[i].pos == "VERB" for i in words[earlier].children)
    return "VBP" in tags and not acting and words[phrase_start(words, later) - 1].lower == "and"
