"""This module draws scenes of moving shapes, their pictures and the features of the pictures."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float16, UInt8

from data_pipeline.moving_shapes import motion
from data_pipeline.moving_shapes.motion import HALF

SHAPES = ("circle", "square", "triangle", "star")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SIZES = ("small", "large")
RADIUS = {"small": 3.5, "large": 5.75}
"""A circle has this half width in pixels; the other shapes are about as wide."""

RELATIONAL_SHARE = 0.8
"""In this share of the clips one shape does something to another."""


@dataclasses.dataclass(frozen=True)
class Look:
    """A look is what a shape looks like: one of `SHAPES`, one of `COLOURS` and one of `SIZES`."""

    shape: str
    colour: str
    size: str


@dataclasses.dataclass(frozen=True)
class Scene:
    """A scene holds the facts of a clip.

    Attributes:
        action: a key of `motion.ACTIONS` (one shape) or of `motion.RELATIONSHIPS` (two shapes).
        looks: the shape that acts, then, in a relationship, the one that is acted on. Their colours differ, so that
            one can see which covers which.
        tracks: the positions of the shapes in every frame.
        top: the index of the shape that is drawn over the other.
        brightness: a factor on the colour of each shape.
    """

    action: str
    looks: tuple[Look, ...]
    tracks: motion.Tracks
    top: int
    brightness: tuple[float, ...]

    @property
    def sizes_are_constant(self) -> bool:
        """Returns False where a shape grows or shrinks, so that neither "small" nor "large" describes it."""
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
    """Returns the actions that can be seen on a shape: nobody can tell whether a circle spins."""
    return tuple(action for action in motion.ACTIONS if not (shape == "circle" and action == "spin"))


def _draw_look(colour: str, rng: np.random.Generator) -> Look:
    return Look(str(rng.choice(SHAPES)), colour, str(rng.choice(SIZES)))


def _draw_brightness(count: int, rng: np.random.Generator) -> tuple[float, ...]:
    return tuple(float(value) for value in rng.uniform(0.85, 1.0, count))


SIDE = int(2 * HALF)
FRAME_CELLS = 8
FRAME_DIM = FRAME_CELLS**2 * 3

BACKGROUND = 10
"""All three colours have this value where no shape is."""
MOST_SHAPES = 2
"""A scene has one shape or two."""
RGB = {
    "red": (1.0, 0.08, 0.08),
    "green": (0.08, 0.9, 0.15),
    "blue": (0.12, 0.25, 1.0),
    "yellow": (1.0, 0.95, 0.05),
    "purple": (0.75, 0.05, 0.95),
    "white": (1.0, 1.0, 1.0),
}


def render(scene: Scene) -> UInt8[np.ndarray, "f row column 3"]:
    """Draws the frames of a scene, 32 by 32 pixels, red-green-blue."""
    order = sorted(range(len(scene.looks)), key=lambda shape: shape == scene.top)
    return draw_pictures(scene.looks, scene.tracks, scene.brightness, order, SIDE)


def draw_pictures(
    looks: Sequence[Look], tracks: motion.Tracks, brightness: Sequence[float], order: Sequence[int], side: int
) -> UInt8[np.ndarray, "f row column 3"]:
    """Draws shapes one over the other.

    Args:
        looks: what each shape looks like.
        tracks: where each shape is in every frame.
        brightness: a factor on the colour of each shape.
        order: the indices of the shapes; what comes later covers what comes before.
        side: the width and height of the pictures in pixels.
    """
    pixels = np.full((tracks.centre.shape[1], side, side, 3), BACKGROUND, np.uint8)
    for index in order:
        colour = np.multiply(RGB[looks[index].colour], 255 * brightness[index])
        pixels[_covered(looks[index], tracks, index, side)] = np.round(colour).astype(np.uint8)
    return pixels


def coverage(scene: Scene, index: int) -> np.ndarray:
    """Returns the pixels that a shape covers where nothing lies over it, as booleans [f, row, column]."""
    return _covered(scene.looks[index], scene.tracks, index, SIDE)


def _covered(look: Look, tracks: motion.Tracks, index: int, side: int) -> np.ndarray:
    column, row = np.meshgrid(*[np.arange(side) + 0.5 - side / 2] * 2)
    x0, y0 = tracks.centre[index].T[:, :, None, None]
    radius = tracks.radius[index][:, None, None]
    cosine, sine = np.cos(tracks.angle[index])[:, None, None], np.sin(tracks.angle[index])[:, None, None]
    dx, dy = (column - x0) / radius, (row - y0) / radius
    return _inside(look.shape, cosine * dx + sine * dy, cosine * dy - sine * dx)


def _inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns whether points lie in the shape around the origin, its centre of gravity (y points down)."""
    if shape == "circle":
        return x**2 + y**2 <= 1.0
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) <= 0.85
    if shape == "triangle":
        return (y <= 0.6) & (1.84 * np.abs(x) - y <= 1.15)
    # A star has four arms, two crossed narrow diamonds: it is thin where other shapes are full, also when pooled.
    long, short = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    return long + 2.4 * short <= 1.1


def frame_features(pixels: UInt8[np.ndarray, "f row column 3"]) -> Float16[np.ndarray, "f 192"]:
    """Returns means over 8 by 8 cells, in [0, 1], in the order (row, column, colour)."""
    return _pool(pixels, FRAME_CELLS).reshape(len(pixels), FRAME_DIM).astype(np.float16)


def _pool(pixels: np.ndarray, cells: int) -> np.ndarray:
    block = pixels.shape[1] // cells
    blocks = pixels.reshape(len(pixels), cells, block, cells, block, 3)
    return blocks.mean(axis=(2, 4), dtype=np.float32) / 255
