"""What happens in a clip: which shapes there are, what they do, and who does it to whom."""

import dataclasses

import numpy as np

from data_pipeline.moving_shapes import motion

SHAPES = ("circle", "square", "triangle", "star")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SIZES = ("small", "large")
RADIUS = {"small": 3.5, "large": 5.75}
"""Half the width of a circle in pixels; the other shapes are about as wide."""

RELATIONAL_SHARE = 0.8
"""Share of the clips in which one shape does something to another."""


@dataclasses.dataclass(frozen=True)
class Look:
    """What a shape looks like: one of `SHAPES`, of `COLOURS` and of `SIZES`."""

    shape: str
    colour: str
    size: str


@dataclasses.dataclass(frozen=True)
class Scene:
    """The facts of a clip.

    Attributes:
        action: a key of `motion.ACTIONS` (one shape) or of `motion.RELATIONSHIPS` (two shapes).
        looks: the shape that does it, then, in a relationship, the one to which it is done. Their
            colours differ, so that it can be seen which covers which.
        tracks: where the shapes are in every frame.
        top: index of the shape drawn over the other.
        brightness: factor on the colour of each shape.
    """

    action: str
    looks: tuple[Look, ...]
    tracks: motion.Tracks
    top: int
    brightness: tuple[float, ...]

    @property
    def sizes_are_constant(self) -> bool:
        """False where a shape grows or shrinks, so that neither "small" nor "large" describes it."""
        return self.action not in motion.RESIZING


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draws a scene.

    The two looks of a relationship are exchangeable: what a shape looks like says nothing about its role.
    """
    if rng.random() < RELATIONAL_SHARE:
        return _draw_relationship(rng)
    return _draw_action(rng)


def _draw_relationship(rng: np.random.Generator) -> Scene:
    action = str(rng.choice(list(motion.RELATIONSHIPS)))
    colours = rng.choice(COLOURS, size=2, replace=False)
    looks = tuple(_draw_look(str(colour), rng) for colour in colours)
    tracks = motion.relationship_tracks(action, RADIUS[looks[0].size], RADIUS[looks[1].size], rng)
    top = int(rng.integers(2))
    if action in motion.TOP_SHAPE:
        top = motion.TOP_SHAPE[action]
    return Scene(action, looks, tracks, top, _draw_brightness(2, rng))


def _draw_action(rng: np.random.Generator) -> Scene:
    look = _draw_look(str(rng.choice(COLOURS)), rng)
    action = str(rng.choice(visible_actions(look.shape)))
    tracks = motion.action_tracks(action, RADIUS[look.size], rng)
    return Scene(action, (look,), tracks, 0, _draw_brightness(1, rng))


def visible_actions(shape: str) -> tuple[str, ...]:
    """The actions that can be seen on a shape: nobody can tell whether a circle spins."""
    return tuple(action for action in motion.ACTIONS if not (shape == "circle" and action == "spin"))


def _draw_look(colour: str, rng: np.random.Generator) -> Look:
    return Look(str(rng.choice(SHAPES)), colour, str(rng.choice(SIZES)))


def _draw_brightness(count: int, rng: np.random.Generator) -> tuple[float, ...]:
    return tuple(float(value) for value in rng.uniform(0.85, 1.0, count))
