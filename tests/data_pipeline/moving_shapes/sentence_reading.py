"""Reads the sentences of the embedded data set without its grammar, and says which are true of a scene."""

import dataclasses
import re

from data_pipeline.moving_shapes.scene import RGB, Look, Scene

SHAPE_OF_NOUN = {
    **dict.fromkeys(("circle", "disc", "ball"), "circle"),
    **dict.fromkeys(("square", "box", "block"), "square"),
    **dict.fromkeys(("triangle", "wedge"), "triangle"),
    "star": "star",
}

SIZE_OF_WORD = {"small": "small", "tiny": "small", "large": "large", "big": "large"}

ACTION_OF_VERB = {
    "push": "push(es|ing|ed)|shov(es|ing|ed)",
    "follow": "follow(s|ing|ed)|chas(ing|ed)|trailing",
    "orbit": "orbit(s|ing|ed)|(goes|going|moving) around",
    "pass_behind": "(goes|passing|sliding|moving) behind",
    "pass_in_front": "(goes|passing|sliding|moving) in front of",
    "move_away": "(goes|moving|running) away( from)?|fleeing( from)?",
    "move_toward": "approach(es|ing|ed)|(comes|coming) closer to|moving toward",
    "spin": "turns|turning|spinning|rotating",
    "grow": "grow(s|ing)|expand(s|ing)",
    "shrink": "shrinking|contracting",
    "bounce": "hop(s|ping)|bouncing|jump(s|ing) up and down",
    "move": "moving|sliding|drifting|gliding",
}

MAY_BE_SAID_OF = {
    "push": {"follow", "move_toward"},
    "follow": {"push", "move_toward"},
    "move_toward": {"push", "follow", "pass_behind", "pass_in_front"},
    "move_away": {"pass_behind", "pass_in_front"},
    "move": {"bounce"},
}

PHRASE = re.compile(
    rf"\b(a|the)( (?:{'|'.join(SIZE_OF_WORD)}))?( (?:{'|'.join(RGB)}))? ({'|'.join(SHAPE_OF_NOUN)})\b"
)


@dataclasses.dataclass(frozen=True)
class Reading:
    action: str
    passive: bool
    skeleton: str
    phrases: tuple[tuple[str, ...], ...]


def read(text: str) -> Reading:
    skeleton = PHRASE.sub("X", text)
    words = re.fullmatch(r"X (?:is )?(being )?(.*?)( by X| X| something)?", skeleton)
    assert words, text
    [action] = [name for name, verbs in ACTION_OF_VERB.items() if re.fullmatch(verbs, words[2])]
    passive = words[2].endswith("ed")
    return Reading(action, passive, skeleton, tuple(match.groups("") for match in PHRASE.finditer(text)))


def fits(phrase: tuple[str, ...], look: Look) -> bool:
    _, size, colour, noun = (word.strip() for word in phrase)
    return (
        SHAPE_OF_NOUN[noun] == look.shape
        and colour in ("", look.colour)
        and SIZE_OF_WORD.get(size, look.size) == look.size
    )


def entities_fit(reading: Reading, scene: Scene) -> bool:
    roles = (1, 0) if reading.passive else (0, 1)
    return all(fits(phrase, scene.looks[role]) for phrase, role in zip(reading.phrases, roles, strict=False))


def is_true(text: str, scene: Scene) -> bool:
    reading = read(text)
    return reading.action == scene.action and entities_fit(reading, scene)


def might_be_granted(text: str, scene: Scene) -> bool:
    reading = read(text)
    actions = {reading.action} | MAY_BE_SAID_OF.get(reading.action, set())
    return scene.action in actions and entities_fit(reading, scene)
