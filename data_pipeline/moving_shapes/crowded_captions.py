"""This module draws captions of a crowded scene, and false captions that differ from them in one point."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_pipeline.annotations.caption import Foil
from data_pipeline.levels import MODIFIER, ORDER, POLARITY, ROLE
from data_pipeline.moving_shapes import motion
from data_pipeline.moving_shapes.captions import (
    ACTION,
    ACTIVE,
    ENTITY,
    NOUNS,
    PASSIVE,
    SIZE_WORDS,
    WORDINGS,
    Phrase,
    draw_pattern,
    other_action,
    pick,
)
from data_pipeline.moving_shapes.crowded_scene import (
    AFTER,
    AGENT,
    BEFORE,
    PATIENT,
    SPEEDS,
    STILL,
    THIRD,
    TIMINGS,
    WHILE,
    CrowdedScene,
    visible_alone,
)
from data_pipeline.moving_shapes.scene import COLOURS, SHAPES

MANNER, PLACE = "manner", "place"
"""These are the kinds of foils that only crowded shapes have."""

_JOINED = {
    BEFORE: ("{event} before {other}", "{other} after {event}", "{event} and then {other}"),
    AFTER: ("{event} after {other}", "{other} before {event}", "{other} and then {event}"),
    WHILE: ("{event} while {other}", "{other} while {event}"),
}
_SIDES = {
    "left": "is to the left of",
    "right": "is to the right of",
    "above": "is above",
    "below": "is below",
}
_OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
_PROGRESSIVE = {
    "grow": ("growing", "expanding"),
    "shrink": ("shrinking", "contracting"),
    "spin": ("turning", "spinning", "rotating"),
    "bounce": ("hopping", "bouncing"),
}
_SIZE_SHARE = 0.3


@dataclasses.dataclass(frozen=True)
class CrowdedSentence:
    """A crowded sentence is a caption before it becomes text.

    Attributes:
        about: the kind of what follows the first event: `MANNER`, `ORDER`, `POLARITY`, `PLACE`, or `ROLE` for nothing.
        form: of the first event, `ACTIVE` or `PASSIVE`.
        event: its words, with ``{0}`` for the agent and ``{1}`` for the patient.
        rest: the words of the whole around the event, with ``{event}`` in its place.
        phrases: one noun phrase for each shape of the scene, in the order of its looks.
    """

    about: str
    form: str
    event: str
    rest: str
    phrases: tuple[Phrase, ...]

    def __str__(self) -> str:
        return self.rest.replace("{event}", self.event).format(*self.phrases)


def draw_crowded_sentences(scene: CrowdedScene, rng: np.random.Generator) -> tuple[CrowdedSentence, ...]:
    """Draws five true sentences, one of each kind, with pairwise different texts."""
    return tuple(_draw_sentence(scene, about, rng) for about in (ROLE, MANNER, ORDER, POLARITY, PLACE))


def _draw_sentence(scene: CrowdedScene, about: str, rng: np.random.Generator) -> CrowdedSentence:
    article = pick(("a", "the"), rng)
    phrases = tuple(_draw_phrase(scene, index, article, rng) for index in range(len(scene.looks)))
    form = PASSIVE if WORDINGS[scene.action].passive and rng.random() < 0.25 else ACTIVE
    event = draw_pattern(scene.action, form, 2, rng)
    rest = {
        ROLE: lambda: "{event}",
        MANNER: lambda: f"{{event}} {scene.speed}",
        ORDER: lambda: _ordered(scene, scene.timing, rng),
        POLARITY: lambda: _denied_or_not(scene, bool(rng.integers(2)), rng),
        PLACE: lambda: _placed(scene.side),
    }[about]()
    return CrowdedSentence(about, form, event, rest, phrases)


def _draw_phrase(scene: CrowdedScene, index: int, article: str, rng: np.random.Generator) -> Phrase:
    look = scene.looks[index]
    said = scene.size_is_constant(index) and rng.random() < _SIZE_SHARE
    size_word = pick(SIZE_WORDS[look.size], rng) if said else None
    return Phrase(article, size_word, look.colour, pick(NOUNS[look.shape], rng))


def _ordered(scene: CrowdedScene, timing: str, rng: np.random.Generator) -> str:
    other = f"{{2}} {pick(WORDINGS[scene.alone].active, rng)}"
    return pick(_JOINED[timing], rng).replace("{other}", other)


def _denied_or_not(scene: CrowdedScene, denied: bool, rng: np.random.Generator) -> str:
    """Says what the third shape does, or denies that it does something else."""
    if not denied:
        return f"{{event}} and {{{THIRD}}} is {pick(_PROGRESSIVE[scene.alone], rng)}"
    others = [name for name in visible_alone(scene.looks[THIRD].shape) if name != scene.alone]
    return f"{{event}} and {{{THIRD}}} is not {pick(_PROGRESSIVE[pick(others, rng)], rng)}"


def _placed(side: str) -> str:
    return f"{{event}} and {{{STILL}}} {_SIDES[side]} {{{THIRD}}}"


def draw_crowded_foils(
    scene: CrowdedScene, sentences: Sequence[CrowdedSentence], rng: np.random.Generator
) -> tuple[Foil, ...]:
    """Draws foils of each kind that a sentence allows; no foil is true of the scene.

    Args:
        scene: the facts.
        sentences: true sentences of the scene, in the order of the clip's captions.
        rng: the source of the choices.
    """
    foils = []
    for index, sentence in enumerate(sentences):
        made = {ROLE: dataclasses.replace(sentence, phrases=_exchanged(sentence.phrases))}
        # Where the text names a shape that is like the agent or the patient, it would give these foils away.
        if sentence.about in (ROLE, MANNER):
            made[ENTITY] = _with_other_entity(scene, sentence, rng)
            made[MODIFIER] = dataclasses.replace(sentence, phrases=_with_colours_exchanged(sentence.phrases))
        if sentence.form == ACTIVE:
            made[ACTION] = _with_other_action(scene, sentence, rng)
        if sentence.about == MANNER:
            [other] = [speed for speed in SPEEDS if speed != scene.speed]
            made[MANNER] = dataclasses.replace(sentence, rest=f"{{event}} {other}")
        elif sentence.about == ORDER:
            timing = pick([timing for timing in TIMINGS if timing != scene.timing], rng)
            made[ORDER] = dataclasses.replace(sentence, rest=_ordered(scene, timing, rng))
        elif sentence.about == POLARITY:
            made[POLARITY] = dataclasses.replace(sentence, rest=_with_polarity_flipped(sentence.rest))
        elif sentence.about == PLACE:
            made[PLACE] = dataclasses.replace(sentence, rest=_placed(_OPPOSITE[scene.side]))
        foils += [Foil(kind, index, str(false)) for kind, false in made.items()]
    return tuple(foils)


def _with_other_entity(
    scene: CrowdedScene, sentence: CrowdedSentence, rng: np.random.Generator
) -> CrowdedSentence:
    """Gives the agent or the patient a colour, or a form, that nothing in the scene has."""
    changed = pick((AGENT, PATIENT), rng)
    phrases = list(sentence.phrases)
    if rng.random() < 0.5:
        present = {look.colour for look in scene.looks}
        colour = pick([colour for colour in COLOURS if colour not in present], rng)
        phrases[changed] = dataclasses.replace(phrases[changed], colour=colour)
    else:
        present = {look.shape for look in scene.looks}
        shape = pick([shape for shape in SHAPES if shape not in present], rng)
        phrases[changed] = dataclasses.replace(phrases[changed], noun=pick(NOUNS[shape], rng))
    return dataclasses.replace(sentence, phrases=tuple(phrases))


def _with_other_action(
    scene: CrowdedScene, sentence: CrowdedSentence, rng: np.random.Generator
) -> CrowdedSentence:
    action = other_action(scene.action, tuple(motion.RELATIONSHIPS), rng)
    return dataclasses.replace(sentence, event=draw_pattern(action, ACTIVE, 2, rng))


def _exchanged(phrases: tuple[Phrase, ...]) -> tuple[Phrase, ...]:
    return (phrases[PATIENT], phrases[AGENT], *phrases[2:])


def _with_colours_exchanged(phrases: tuple[Phrase, ...]) -> tuple[Phrase, ...]:
    """Gives agent and patient each other's colour; one of the two shapes is in the scene, and keeps still."""
    agent = dataclasses.replace(phrases[AGENT], colour=phrases[PATIENT].colour)
    patient = dataclasses.replace(phrases[PATIENT], colour=phrases[AGENT].colour)
    return (agent, patient, *phrases[2:])


def _with_polarity_flipped(rest: str) -> str:
    return rest.replace(" is not ", " is ") if " is not " in rest else rest.replace(" is ", " is not ")
