"""This module draws captions of a scene, and false captions made from them."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from data_pipeline.annotations.caption import Foil
from data_pipeline.levels import ROLE
from data_pipeline.moving_shapes import motion
from data_pipeline.moving_shapes.scene import COLOURS, SHAPES, Look, Scene, visible_actions

Item = TypeVar("Item")

NOUNS = {
    "circle": ("circle", "disc", "ball"),
    "square": ("square", "box", "block"),
    "triangle": ("triangle", "wedge"),
    "star": ("star",),
}
SIZE_WORDS = {"small": ("small", "tiny"), "large": ("large", "big")}


@dataclasses.dataclass(frozen=True)
class Wording:
    """A wording has the ways to say an action.

    A general tagger takes many present forms for nouns ("a ball slides"). Only those that it reads as verbs are here;
    the progressive is always safe.

    Attributes:
        active: the verbs with the words that belong to them, such as "is moving away from".
        passive: the participles with their auxiliary, such as "is pushed"; none if the action has no passive.
        alone: the whole patterns that name only one of two shapes, besides those with "something".
    """

    active: tuple[str, ...]
    passive: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


WORDINGS = {
    "move": Wording(("is moving", "is sliding", "is drifting", "is gliding")),
    "spin": Wording(("turns", "is turning", "is spinning", "is rotating")),
    "grow": Wording(("grows", "is growing", "expands", "is expanding")),
    "shrink": Wording(("is shrinking", "is contracting")),
    "bounce": Wording(("hops", "is hopping", "is bouncing", "jumps up and down", "is jumping up and down")),
    "push": Wording(
        active=("pushes", "is pushing", "shoves", "is shoving"),
        passive=("is pushed", "is being pushed", "is shoved", "is being shoved"),
        alone=("{1} is pushed", "{1} is being pushed", "{1} is being shoved"),
    ),
    "follow": Wording(
        active=("follows", "is following", "is chasing", "is trailing"),
        passive=("is followed", "is being followed", "is chased", "is being chased"),
        alone=("{1} is followed", "{1} is being followed", "{1} is being chased"),
    ),
    "orbit": Wording(
        active=("orbits", "is orbiting", "goes around", "is going around", "is moving around"),
        passive=("is orbited", "is being orbited"),
    ),
    "pass_behind": Wording(("goes behind", "is passing behind", "is sliding behind", "is moving behind")),
    "pass_in_front": Wording(
        ("goes in front of", "is passing in front of", "is sliding in front of", "is moving in front of")
    ),
    "move_away": Wording(
        active=("goes away from", "is moving away from", "is running away from", "is fleeing from"),
        alone=("{0} is moving away", "{0} is running away", "{0} is fleeing"),
    ),
    "move_toward": Wording(
        active=("approaches", "is approaching", "comes closer to", "is coming closer to", "is moving toward"),
        passive=("is approached", "is being approached"),
    ),
}
"""Each action and relationship has the ways in which a caption says it."""

ACTIVE = "active"
PASSIVE = "passive"
SOMETHING = "something"
ALONE = "alone"
_FORM_SHARES = {ACTIVE: 0.6, PASSIVE: 0.2, SOMETHING: 0.1, ALONE: 0.1}

_ARTICLES = ("a", "the")
_DETAIL_SHARES = {"colour": 0.55, "size and colour": 0.25, "size": 0.1, "none": 0.1}


@dataclasses.dataclass(frozen=True)
class Phrase:
    """A noun phrase holds its words.

    Attributes:
        article: the article.
        size_word: the word for the size; None where the phrase leaves it out.
        colour: the colour; None where the phrase leaves it out.
        noun: the word for the shape.
    """

    article: str
    size_word: str | None
    colour: str | None
    noun: str

    def __str__(self) -> str:
        words = (self.article, self.size_word, self.colour, self.noun)
        return " ".join(word for word in words if word is not None)


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence is a caption before it becomes text.

    Attributes:
        form: `ACTIVE`, `PASSIVE`, `SOMETHING` (an active form in which the other is "something") or `ALONE`.
        pattern: the words around the noun phrases; ``{0}`` stands for the one who acts, ``{1}`` for the other.
        phrases: one noun phrase for each shape of the scene, in the order of its looks.
    """

    form: str
    pattern: str
    phrases: tuple[Phrase, ...]

    @property
    def mentioned(self) -> tuple[int, ...]:
        """Returns the indices of the phrases that the text contains."""
        return tuple(index for index in range(len(self.phrases)) if f"{{{index}}}" in self.pattern)

    def __str__(self) -> str:
        return self.pattern.format(*self.phrases)


def draw_sentences(scene: Scene, count: int, rng: np.random.Generator) -> tuple[Sentence, ...]:
    """Draws true sentences with pairwise different texts; each phrase fits only one shape of the scene."""
    sentences: dict[str, Sentence] = {}
    while len(sentences) < count:
        sentence = _draw_sentence(scene, rng)
        sentences.setdefault(str(sentence), sentence)
    return tuple(sentences.values())


def _draw_sentence(scene: Scene, rng: np.random.Generator) -> Sentence:
    article = pick(_ARTICLES, rng)
    phrases = tuple(_draw_phrase(scene, index, article, rng) for index in range(len(scene.looks)))
    form = _pick_by_share(_FORM_SHARES, rng) if len(scene.looks) == 2 else ACTIVE
    wording = WORDINGS[scene.action]
    if (form == PASSIVE and not wording.passive) or (form == ALONE and not wording.alone):
        form = ACTIVE
    return Sentence(form, draw_pattern(scene.action, form, len(scene.looks), rng), phrases)


def draw_pattern(action: str, form: str, shapes: int, rng: np.random.Generator) -> str:
    """Draws the words of an action, with ``{0}`` and ``{1}`` in the places of the noun phrases."""
    wording = WORDINGS[action]
    if form == ALONE:
        return pick(wording.alone, rng)
    if form == PASSIVE:
        return f"{{1}} {pick(wording.passive, rng)} by {{0}}"
    verb = pick(wording.active, rng)
    if form == SOMETHING:
        return f"{{0}} {verb} something"
    return f"{{0}} {verb} {{1}}" if shapes == 2 else f"{{0}} {verb}"


def _draw_phrase(scene: Scene, index: int, article: str, rng: np.random.Generator) -> Phrase:
    look = scene.looks[index]
    while True:
        detail = _pick_by_share(_DETAIL_SHARES, rng)
        size = look.size if "size" in detail and scene.sizes_are_constant else None
        colour = look.colour if "colour" in detail else None
        if sum(_fits(other, size, colour, look.shape) for other in scene.looks) == 1:
            size_word = pick(SIZE_WORDS[size], rng) if size else None
            return Phrase(article, size_word, colour, pick(NOUNS[look.shape], rng))


def _fits(look: Look, size: str | None, colour: str | None, shape: str) -> bool:
    return look.shape == shape and size in (None, look.size) and colour in (None, look.colour)


def pick(items: Sequence[Item], rng: np.random.Generator) -> Item:
    """Draws one of the items; all are equally likely."""
    return items[int(rng.integers(len(items)))]


def _pick_by_share(shares: dict[str, float], rng: np.random.Generator) -> str:
    return list(shares)[int(np.searchsorted(np.cumsum(list(shares.values())), rng.random()))]


ENTITY = "entity"
ACTION = "action"
KINDS = (ENTITY, ACTION, ROLE)

_ACTION_FORMS = (ACTIVE, SOMETHING)
"""These forms exist for every action, so that the form does not reveal the foil."""


def draw_foils(scene: Scene, sentences: tuple[Sentence, ...], rng: np.random.Generator) -> tuple[Foil, ...]:
    """Draws, for each sentence, a foil of each kind that it allows.

    Args:
        scene: the facts; no foil is true of them.
        sentences: true sentences of the scene, in the order of the clip's captions.
        rng: the source of the choices.
    """
    foils = []
    for index, sentence in enumerate(sentences):
        foils.append(Foil(ENTITY, index, str(_with_other_entity(scene, sentence, rng))))
        if sentence.form in _ACTION_FORMS:
            foils.append(Foil(ACTION, index, str(_with_other_action(scene, sentence, rng))))
        if len(sentence.mentioned) == 2:
            foils.append(Foil(ROLE, index, str(_with_roles_exchanged(sentence))))
    return tuple(foils)


def _with_other_entity(scene: Scene, sentence: Sentence, rng: np.random.Generator) -> Sentence:
    """Gives one of the mentioned shapes a colour, or a shape, that nothing in the scene has."""
    changed = pick(sentence.mentioned, rng)
    phrases = list(sentence.phrases)
    phrases[changed] = _falsified(scene, phrases[changed], rng)
    return dataclasses.replace(sentence, phrases=tuple(phrases))


def _falsified(scene: Scene, phrase: Phrase, rng: np.random.Generator) -> Phrase:
    if phrase.colour is not None and rng.random() < 0.5:
        present = {look.colour for look in scene.looks}
        return dataclasses.replace(phrase, colour=pick([c for c in COLOURS if c not in present], rng))
    present = {look.shape for look in scene.looks}
    shape = pick([shape for shape in SHAPES if shape not in present], rng)
    return dataclasses.replace(phrase, noun=pick(NOUNS[shape], rng))


def _with_other_action(scene: Scene, sentence: Sentence, rng: np.random.Generator) -> Sentence:
    family = tuple(motion.RELATIONSHIPS) if len(scene.looks) == 2 else visible_actions(scene.looks[0].shape)
    action = other_action(scene.action, family, rng)
    pattern = draw_pattern(action, sentence.form, len(scene.looks), rng)
    return dataclasses.replace(sentence, pattern=pattern)


def other_action(action: str, family: tuple[str, ...], rng: np.random.Generator) -> str:
    """Draws another action of a family; over all foils each is as frequent as in true captions."""
    share = _replacement_shares(family)[family.index(action)]
    return family[int(np.searchsorted(np.cumsum(share), rng.random() * share.sum(), side="right"))]


@functools.cache
def _replacement_shares(family: tuple[str, ...]) -> np.ndarray:
    """Returns how often each action (row) is replaced by each other one (column), float [action, action].

    Only actions that exclude each other replace each other. Rows and columns sum to one, so that in foils every action
    is as frequent as in true captions, and the text alone reveals nothing.
    """
    allowed = [[motion.exclude_each_other(action, other) for other in family] for action in family]
    shares = np.array(allowed, np.float64)
    for _ in range(200):
        shares /= shares.sum(axis=1, keepdims=True)
        shares /= shares.sum(axis=0)
    return shares


def _with_roles_exchanged(sentence: Sentence) -> Sentence:
    return dataclasses.replace(sentence, phrases=sentence.phrases[::-1])
