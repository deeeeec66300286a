"""A small grammar: true captions of a scene."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from data_pipeline.moving_shapes.scene import Look, Scene

Item = TypeVar("Item")

NOUNS = {
    "circle": ("circle", "disc", "ball"),
    "square": ("square", "box", "block"),
    "triangle": ("triangle", "wedge"),
    "star": ("star",),
}
SIZE_WORDS = {"small": ("small", "tiny"), "large": ("large", "big")}


@dataclasses.dataclass(frozen=True)
class Verb:
    """A verb with what belongs to it: "moves away from", "is moving away from", passive or None."""

    present: str
    progressive: str
    passive: str | None = None


VERBS = {
    "move": (Verb("moves", "is moving"), Verb("slides", "is sliding"), Verb("drifts", "is drifting")),
    "spin": (Verb("spins", "is spinning"), Verb("rotates", "is rotating"), Verb("turns", "is turning")),
    "grow": (Verb("grows", "is growing"), Verb("expands", "is expanding"), Verb("gets bigger", "is getting bigger")),
    "shrink": (
        Verb("shrinks", "is shrinking"),
        Verb("contracts", "is contracting"),
        Verb("gets smaller", "is getting smaller"),
    ),
    "bounce": (
        Verb("bounces", "is bouncing"),
        Verb("hops", "is hopping"),
        Verb("jumps up and down", "is jumping up and down"),
    ),
    "push": (Verb("pushes", "is pushing", "is pushed"), Verb("shoves", "is shoving", "is shoved")),
    "follow": (Verb("follows", "is following", "is followed"), Verb("chases", "is chasing", "is chased")),
    "orbit": (
        Verb("orbits", "is orbiting", "is orbited"),
        Verb("goes around", "is going around"),
        Verb("moves around", "is moving around"),
    ),
    "pass_behind": (
        Verb("passes behind", "is passing behind"),
        Verb("slides behind", "is sliding behind"),
        Verb("moves behind", "is moving behind"),
    ),
    "pass_in_front": (
        Verb("passes in front of", "is passing in front of"),
        Verb("slides in front of", "is sliding in front of"),
        Verb("moves in front of", "is moving in front of"),
    ),
    "move_away": (
        Verb("moves away from", "is moving away from"),
        Verb("flees from", "is fleeing from"),
        Verb("runs away from", "is running away from"),
    ),
    "move_toward": (
        Verb("approaches", "is approaching", "is approached"),
        Verb("moves toward", "is moving toward"),
        Verb("comes closer to", "is coming closer to"),
    ),
}

ALONE = {
    "push": ("{1} is pushed", "{1} is being pushed", "{1} gets shoved"),
    "follow": ("{1} is followed", "{1} is being chased", "{1} is being followed"),
    "move_away": ("{0} moves away", "{0} is moving away", "{0} flees"),
}
"""Ways to tell a relationship by naming one shape only, beside "... something"."""

FORMS = ("present", "progressive", "passive", "something", "alone")
_FORM_SHARES = (0.35, 0.25, 0.2, 0.1, 0.1)
_ARTICLES = ("a", "the")
_DETAILS = ("colour", "size and colour", "size", "none")
_DETAIL_SHARES = (0.55, 0.25, 0.1, 0.1)


@dataclasses.dataclass(frozen=True)
class Phrase:
    """A noun phrase: the properties it states (None where it leaves one out) and its words."""

    article: str
    size_word: str | None
    colour: str | None
    noun: str

    def __str__(self) -> str:
        words = (self.article, self.size_word, self.colour, self.noun)
        return " ".join(word for word in words if word is not None)


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A caption before it becomes text.

    Attributes:
        form: one of `FORMS`.
        pattern: the words around the noun phrases; ``{0}`` is the one who acts, ``{1}`` the other.
        phrases: one noun phrase for each shape of the scene, in the order of its looks.
    """

    form: str
    pattern: str
    phrases: tuple[Phrase, ...]

    @property
    def mentioned(self) -> tuple[int, ...]:
        """Indices of the phrases that the text contains."""
        return tuple(index for index in range(len(self.phrases)) if f"{{{index}}}" in self.pattern)

    def __str__(self) -> str:
        return self.pattern.format(*self.phrases)


def draw_sentences(scene: Scene, count: int, rng: np.random.Generator) -> tuple[Sentence, ...]:
    """Draws true sentences with pairwise different texts; each phrase fits one shape of the scene only."""
    sentences: dict[str, Sentence] = {}
    while len(sentences) < count:
        sentence = _draw_sentence(scene, rng)
        sentences.setdefault(str(sentence), sentence)
    return tuple(sentences.values())


def _draw_sentence(scene: Scene, rng: np.random.Generator) -> Sentence:
    article = pick(_ARTICLES, rng)
    phrases = tuple(_draw_phrase(scene, index, article, rng) for index in range(len(scene.looks)))
    form = FORMS[_pick_by_share(_FORM_SHARES if len(scene.looks) == 2 else _FORM_SHARES[:2], rng)]
    if form == "passive" and not any(verb.passive for verb in VERBS[scene.action]):
        form = "present"
    if form == "alone" and scene.action not in ALONE:
        form = "something"
    return Sentence(form, draw_pattern(scene.action, form, len(scene.looks), rng), phrases)


def draw_pattern(action: str, form: str, shapes: int, rng: np.random.Generator) -> str:
    """Draws the words of an action around the places of its noun phrases."""
    if form == "alone":
        return pick(ALONE[action], rng)
    if form == "passive":
        return "{1} " + pick([verb.passive for verb in VERBS[action] if verb.passive], rng) + " by {0}"
    verb = pick(VERBS[action], rng)
    if form == "something":
        return "{0} " + pick((verb.present, verb.progressive), rng) + " something"
    words = "{0} " + (verb.present if form == "present" else verb.progressive)
    return words + " {1}" if shapes == 2 else words


def _draw_phrase(scene: Scene, index: int, article: str, rng: np.random.Generator) -> Phrase:
    look = scene.looks[index]
    while True:
        detail = _DETAILS[_pick_by_share(_DETAIL_SHARES, rng)]
        size = look.size if "size" in detail and scene.sizes_are_constant else None
        colour = look.colour if "colour" in detail else None
        if sum(_fits(other, size, colour, look.shape) for other in scene.looks) == 1:
            size_word = pick(SIZE_WORDS[size], rng) if size else None
            return Phrase(article, size_word, colour, pick(NOUNS[look.shape], rng))


def _fits(look: Look, size: str | None, colour: str | None, shape: str) -> bool:
    return look.shape == shape and size in (None, look.size) and colour in (None, look.colour)


def pick(items: Sequence[Item], rng: np.random.Generator) -> Item:
    """Draws one of the items, all equally likely."""
    return items[int(rng.integers(len(items)))]


def _pick_by_share(shares: tuple[float, ...], rng: np.random.Generator) -> int:
    limits = np.cumsum(shares)
    return int(np.searchsorted(limits, rng.random() * limits[-1], side="right"))
