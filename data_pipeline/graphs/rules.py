"""This module makes the semantic graph of a caption from its dependency parse, by rules."""

from collections.abc import Iterator, Sequence

from data_pipeline.graphs.attachment import (
    OBJECT_CONTROL,
    RELATIVE_TAGS,
    antecedent,
    is_passive,
    preposition_role,
    prepositions,
    subjects,
    whole_preposition,
)
from data_pipeline.graphs.event_order import find_order
from data_pipeline.graphs.graph import (
    AGENT,
    ATTRIBUTE,
    NO_ROLE,
    PATIENT,
    RECIPIENT,
    Modifier,
    Node,
    Relationship,
    SemanticGraph,
)
from data_pipeline.graphs.modifiers import find_modifiers
from data_pipeline.graphs.negation import NOBODY, find_negated, is_denied
from data_pipeline.graphs.phrases import find_phrases, is_pure_adverb
from data_pipeline.graphs.repairs import repair
from data_pipeline.graphs.words import GIVING, TRANSITIVES, Word, children, conjuncts, is_copula
from data_pipeline.levels import ACTION, ENTITY

_MODIFIERS = frozenset({"amod", "compound", "nummod", "nmod", "npadvmod"})
_NEVER_ENTITY_DEPS = frozenset({"compound", "nmod", "amod", "expl", "det", "nummod", "prep"})
_NEVER_ACTION_DEPS = frozenset({"aux", "auxpass", "amod", "compound", "prep", "case", "mark", "cc", "nmod"})
_NOMINAL_DEPS = frozenset({"nsubj", "nsubjpass", "dobj", "pobj", "dative"})
_ARTICLES = frozenset({"a", "an", "the"})
_RECIPROCALS = frozenset({("each", "other"), ("one", "another")})

Edge = tuple[int, str, int]
"""An edge is a source word, a role and a target word."""


def graph_of_words(words: Sequence[Word]) -> SemanticGraph:
    """Returns the semantic graph of a parsed caption, and corrects ``words`` in place on the way.

    Args:
        words: the words of the caption with their dependencies; may be empty.

    Returns:
        The graph, with nodes in the order of their head words, and relationships by source, then target.
    """
    repair(words)
    phrases = find_phrases(words)
    roles = prepositions(words) | phrases.roles
    # "Front" in "in front of" is a part of the preposition and names no thing.
    parts = phrases.parts.union(*(range(i + 1 - len(whole_preposition(words, i)), i) for i in roles))
    # Words that were added for the parser are not in the text, and name nothing.
    written = [i for i, word in enumerate(words) if word.written and i not in parts]
    entities = {i for i in written if _is_entity(words, i)}
    actions = {i for i in written if _is_action(words, i)}
    edges = {
        (source, role, target)
        for source, role, target in _edges(words, entities, actions, roles)
        if source != target and target in entities and source in entities | actions
    }
    edges.update(find_order(words, actions))
    modifiers = find_modifiers(words, entities, actions, phrases.adverbs, parts)
    return _graph(
        words, entities, actions, sorted(edges, key=lambda edge: (edge[0], edge[2], edge[1])), modifiers
    )


def _graph(
    words: Sequence[Word],
    entities: set[int],
    actions: set[int],
    edges: list[Edge],
    modifiers: dict[int, list[Modifier]],
) -> SemanticGraph:
    role_of_word: dict[int, str] = {}
    for _, role, target in edges:
        if target in entities:
            role_of_word.setdefault(target, role)
    positions = sorted(entities | actions)
    negated = find_negated(words, entities, actions)
    nodes = []
    for i in positions:
        level, span = (ACTION, _action_span(words, i)) if i in actions else (ENTITY, _entity_span(words, i))
        role, said = role_of_word.get(i, NO_ROLE), tuple(modifiers.get(i, ()))
        nodes.append(Node(level, span, words[i].written, _lemma(words, i), role, said, i in negated))
    node_of_word = {position: node for node, position in enumerate(positions)}
    relationships = (
        Relationship(
            node_of_word[source],
            role,
            node_of_word[target],
            source in negated or target in negated or is_denied(words, source, target, entities | actions),
        )
        for source, role, target in edges
    )
    return SemanticGraph(tuple(nodes), tuple(relationships))


def _lemma(words: Sequence[Word], i: int) -> str:
    if words[i].lower == "one" and any(words[j].lower == "no" for j in words[i].children):
        return NOBODY["nobody"]
    return NOBODY.get(words[i].lower, words[i].lemma)


def _is_entity(words: Sequence[Word], i: int) -> bool:
    word, head = words[i], words[words[i].head]
    if word.pos not in ("NOUN", "PROPN", "PRON") and not (
        word.pos in ("ADJ", "NUM") and word.dep in _NOMINAL_DEPS
    ):
        return False
    if word.dep in _NEVER_ENTITY_DEPS or word.tag in RELATIVE_TAGS or word.tag in ("PRP$", "EX"):
        return False
    if word.dep == "npadvmod" and (head.pos in ("ADJ", "ADV") or head.dep in _MODIFIERS):
        return False
    if word.dep == "advmod" and word.lower.endswith("ly"):
        return False
    if (
        is_pure_adverb(word)
        or word.lower in _ARTICLES
        or _is_direction(words, i)
        or not any(map(str.isalnum, word.lower))
    ):
        return False
    return i == 0 or (words[i - 1].lower, word.lower) not in _RECIPROCALS


def _is_action(words: Sequence[Word], i: int) -> bool:
    word = words[i]
    # A "has" that is not an auxiliary is a verb, whatever its part of speech.
    return (
        (word.pos == "VERB" or (word.pos == "AUX" and word.lemma in ("have", "do")))
        and not is_copula(word)
        and word.dep not in _NEVER_ACTION_DEPS
        and not _is_direction(words, i)
        and word.lower[:1].isalpha()
    )


def _is_direction(words: Sequence[Word], i: int) -> bool:
    """Returns whether the word is the adverb of "moves left", which is tagged as a verb, a noun or an adjective."""
    return words[i].lower in ("left", "right") and i > 0 and words[i - 1].pos == "VERB"


def _entity_span(words: Sequence[Word], i: int) -> tuple[int, int]:
    first = i
    while first > 0 and _is_modifier_of(words, first - 1, i):
        first -= 1
    while first < i and words[first].lower in ("-", "and", "or", ","):
        first += 1
    return words[first].span[0], words[i].span[1]


def _is_modifier_of(words: Sequence[Word], modifier: int, head: int) -> bool:
    while words[modifier].head not in (head, modifier):
        modifier = words[modifier].head
    word = words[modifier]
    return word.head == head and (word.dep in _MODIFIERS or word.lower == "-")


def _action_span(words: Sequence[Word], i: int) -> tuple[int, int]:
    with_particle = i + 1 in words[i].children and words[i + 1].dep == "prt"
    return words[i].span[0], words[i + 1 if with_particle else i].span[1]


def _edges(
    words: Sequence[Word], entities: set[int], actions: set[int], roles: dict[int, str]
) -> Iterator[Edge]:
    for i in actions:
        yield from _action_edges(words, i)
    for i, role in roles.items():
        for source in _attached_to(words, i, entities | actions):
            for target in _objects(words, i):
                yield source, role, target
    for i in entities:
        for owner in children(words, i, ("poss",)):
            yield from ((i, "of", target) for target in _owners(words, owner))
    for i, word in enumerate(words):
        attributes = children(words, i, ("attr",)) if not children(words, i, ("expl",)) else []
        if attributes and word.pos in ("AUX", "VERB"):
            for source in subjects(words, i):
                yield from ((source, ATTRIBUTE, j) for target in attributes for j in conjuncts(words, target))


def _action_edges(words: Sequence[Word], i: int) -> Iterator[Edge]:
    objects = [j for child in children(words, i, ("dobj",)) for j in conjuncts(words, child)]
    passive = is_passive(words, i)
    # "A girl is given a present": the girl is not what is given.
    receives = passive and objects and words[i].lemma in GIVING | {"tell"}
    role = RECIPIENT if receives else PATIENT if passive else AGENT
    yield from ((i, role, subject) for subject in subjects(words, i))
    if not objects and not passive:
        objects = _shared_objects(words, i)
    yield from ((i, PATIENT, target) for target in objects)
    for child in children(words, i, ("dative",)):
        yield from ((i, RECIPIENT, target) for target in conjuncts(words, child))
    if words[i].dep == "relcl" and _acts_on_antecedent(words, i):
        yield i, PATIENT, antecedent(words, i)
    yield from ((i, role, antecedent(words, i)) for role in _stranded_roles(words, i))


def _shared_objects(words: Sequence[Word], i: int) -> list[int]:
    """Returns the object that a verb shares with the next one ("peels and cuts a potato", "watches him dance")."""
    if words[i].lemma in OBJECT_CONTROL or words[i].lemma == "show":
        clauses = (
            j
            for j in children(words, i, ("ccomp",))
            if words[j].tag in ("VB", "VBG", "VBP") and not children(words, j, ("mark",))
        )
        seen = (j for clause in clauses if clause > i for j in children(words, clause, ("nsubj",)))
        return [j for subject in seen for j in conjuncts(words, subject)]
    if words[i].lemma not in TRANSITIVES:
        return []
    for verb in children(words, i, ("conj",)):
        if verb > i and all(word.dep in ("cc", "punct", "advmod") for word in words[i + 1 : verb]):
            objects = children(words, verb, ("dobj",))
            return [j for child in objects for j in conjuncts(words, child)] or _shared_objects(words, verb)
    return []


def _is_seen(words: Sequence[Word], verb: int) -> bool:
    """Returns whether a clause says what is seen: "birds fly", unlike "how birds fly" and "that birds fly"."""
    told = children(words, verb, ("mark", "aux", "advmod"))
    plain = words[verb].tag == "VBP" and not any(i < verb for i in told) and not is_copula(words[verb])
    return plain or words[verb].tag in ("VB", "VBG")


def _acts_on_antecedent(words: Sequence[Word], verb: int) -> bool:
    """Returns whether the noun before a relative clause is the object of its verb ("the ball that he kicks")."""
    objects = children(words, verb, ("dobj",))
    if objects:
        return any(words[i].tag in RELATIVE_TAGS for i in objects)
    if not _is_bare_clause(words, verb) or children(words, verb, ("ccomp", "xcomp")):
        return False
    placed = children(words, verb, ("prep",))
    return not placed or (words[verb].lemma in TRANSITIVES and not _stranded_roles(words, verb))


def _is_bare_clause(words: Sequence[Word], verb: int) -> bool:
    relative = any(words[i].tag in RELATIVE_TAGS for i in words[verb].children)
    return not relative and bool(children(words, verb, ("nsubj",)))


def _stranded_roles(words: Sequence[Word], verb: int) -> list[str]:
    """Returns the roles of prepositions whose object is the noun before a clause ("the toy he plays with")."""
    if words[verb].dep != "relcl" or not _is_bare_clause(words, verb):
        return []
    last = [i for i in children(words, verb, ("prep",)) if i > verb and not words[i].children]
    return [preposition_role(words, i) for i in last]


def _attached_to(words: Sequence[Word], preposition: int, nodes: set[int]) -> list[int]:
    """Returns the action or entity that a preposition belongs to; the subject where a copula stands between."""
    i = preposition
    while words[i].head != i:
        i = words[i].head
        if i in nodes:
            return [i]
        if is_copula(words[i]):
            return subjects(words, i)
    return []


def _objects(words: Sequence[Word], preposition: int) -> list[int]:
    """Returns the nouns after a preposition; the noun described where the noun is "which" or "whom"."""
    targets = []
    for i in children(words, preposition, ("pobj",)):
        verb = words[preposition].head
        if words[i].tag not in RELATIVE_TAGS:
            targets.extend(conjuncts(words, i))
        elif words[verb].dep == "relcl":
            targets.append(antecedent(words, verb))
    return targets


def _owners(words: Sequence[Word], owner: int) -> list[int]:
    """Returns the owners of a thing; the noun described where the owner is "whose"."""
    if words[owner].tag != "WP$":
        return conjuncts(words, owner)
    verb = words[owner].head
    while words[verb].head != verb and words[verb].dep != "relcl":
        verb = words[verb].head
    return [antecedent(words, verb)] if words[verb].dep == "relcl" else []
