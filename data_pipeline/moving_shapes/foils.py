"""Foils: captions that differ in one point from a true caption and are false of the clip."""

import dataclasses
import functools

import numpy as np

from data_pipeline.annotations.caption import Foil
from data_pipeline.captions.role_swap import ROLE
from data_pipeline.moving_shapes import motion
from data_pipeline.moving_shapes.captions import (
    ACTIVE,
    NOUNS,
    SOMETHING,
    Phrase,
    Sentence,
    draw_pattern,
    pick,
)
from data_pipeline.moving_shapes.scene import COLOURS, SHAPES, Scene, visible_actions

ENTITY = "entity"
ACTION = "action"
KINDS = (ENTITY, ACTION, ROLE)

_ACTION_FORMS = (ACTIVE, SOMETHING)
"""Forms that exist for every action, so that the form does not give the foil away."""


def draw_foils(scene: Scene, sentences: tuple[Sentence, ...], rng: np.random.Generator) -> tuple[Foil, ...]:
    """Draws, for each sentence, a foil of each kind that it allows.

    Args:
        scene: the facts; no foil is true of them.
        sentences: true sentences of the scene, in the order of the clip's captions.
        rng: source of the choices.
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
    share = _replacement_shares(family)[family.index(scene.action)]
    action = family[int(np.searchsorted(np.cumsum(share), rng.random() * share.sum(), side="right"))]
    pattern = draw_pattern(action, sentence.form, len(scene.looks), rng)
    return dataclasses.replace(sentence, pattern=pattern)


@functools.cache
def _replacement_shares(family: tuple[str, ...]) -> np.ndarray:
    """How often each action (row) is replaced by each other one (column).

    Only actions that exclude each other replace each other. Rows and columns sum to one, so that in foils
    every action is as frequent as in true captions and the text alone gives nothing away.
    """
    allowed = [[motion.exclude_each_other(action, other) for other in family] for action in family]
    shares = np.array(allowed, np.float64)
    for _ in range(200):
        shares /= shares.sum(axis=1, keepdims=True)
        shares /= shares.sum(axis=0)
    return shares


def _with_roles_exchanged(sentence: Sentence) -> Sentence:
    return dataclasses.replace(sentence, phrases=sentence.phrases[::-1])
