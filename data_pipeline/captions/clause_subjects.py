"""Who does what: the subject of each verb of a parsed caption, across the clauses that share it."""

from collections.abc import Sequence

from data_pipeline.captions.word_kinds import INTRANSITIVES
from data_pipeline.captions.words import Word, children, conjuncts, is_copula, word_set

RELATIVE_TAGS = frozenset({"WP", "WDT", "WP$", "WRB"})
_SUBJECT_DEPS = ("nsubj", "nsubjpass")
_SHARED_DEPS = frozenset({"conj", "xcomp", "ccomp", "advcl", "dep", "parataxis", "prep", "acomp", "advmod"})
# "After eating" is done by the subject of the sentence; "a video about cooking" is not.
_SHARING_PREPOSITIONS = word_set("by after before while without when since until from")
# "Asks a boy to run": the boy runs.
OBJECT_CONTROL = word_set("ask tell help teach force make let allow train get watch see film order hear")


def subjects(words: Sequence[Word], verb: int) -> list[int]:
    """The nouns that a verb or a copula is said of.

    Args:
        words: the parsed caption.
        verb: index of the verb.

    Returns:
        Indices of nouns, in order; empty where the caption does not say.
    """
    while True:
        own = children(words, verb, _SUBJECT_DEPS)
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
    """The noun that the relative clause of ``verb`` describes."""
    while words[verb].dep == "conj" and words[verb].head != verb:
        verb = words[verb].head
    return words[verb].head


def is_passive(words: Sequence[Word], verb: int) -> bool:
    """Whether the subject of a verb is what the verb acts on."""
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
    """Who does the last of "he takes a cup, fills it": parsers take what comes first for a complement."""
    for clause in children(words, verb, ("ccomp",)):
        if clause < verb and children(words, clause, _SUBJECT_DEPS):
            return subjects(words, clause)
    return []


def _described(words: Sequence[Word], verb: int) -> list[int]:
    """The nouns before a participle: in "a man and a woman talking", both."""
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
