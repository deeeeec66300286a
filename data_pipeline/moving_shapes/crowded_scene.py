"""This module draws scenes of four shapes in which two events happen, one before, after or beside the other.

In one event a shape does something to another; in the other a third shape does something where it is. The fourth keeps
still: it has the colour of one of the two shapes of the first event and the form of the other, so that only who has
which colour, and which of them acts, tells a true caption from a false one with the same words.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from data_pipeline.moving_shapes import motion
from data_pipeline.moving_shapes.motion import FRAMES, HALF, Tracks
from data_pipeline.moving_shapes.scene import COLOURS, RADIUS, SHAPES, SIZES, Look, draw_pictures

BEFORE, AFTER, WHILE = "before", "after", "while"
TIMINGS = (BEFORE, AFTER, WHILE)
SLOWLY, QUICKLY = "slowly", "quickly"
SPEEDS = (SLOWLY, QUICKLY)
SIDE = 48
CLIP_FRAMES = 2 * FRAMES

SHAPE_COUNT = 4
AGENT, PATIENT, THIRD, STILL = range(SHAPE_COUNT)
"""These are the indices of the shapes: who acts, on whom, who does something alone, and who keeps still."""

_CELL = SIDE / 3
_STARTS = {BEFORE: (0, FRAMES), AFTER: (FRAMES, 0), WHILE: (FRAMES // 2, FRAMES // 2)}


@dataclasses.dataclass(frozen=True)
class CrowdedScene:
    """A crowded scene holds the facts of a clip.

    Attributes:
        action: of the event with two shapes, a key of `motion.RELATIONSHIPS`.
        alone: what the third shape does, one of `ALONE`.
        timing: when the event with two shapes happens, as seen from the other; one of `TIMINGS`.
        speed: of the event with two shapes, one of `SPEEDS`.
        looks: in the order of `AGENT`, `PATIENT`, `THIRD` and `STILL`; no two are the same in form and colour.
        tracks: the positions of the shapes in every frame.
        top: whether the agent or the patient is drawn over the other.
        brightness: a factor on the colour of each shape.
    """

    action: str
    alone: str
    timing: str
    speed: str
    looks: tuple[Look, ...]
    tracks: Tracks
    top: int
    brightness: tuple[float, ...]

    @property
    def side(self) -> str:
        """Returns where the still shape is, as seen from the third: "left", "right", "above" or "below"."""
        x, y = self.tracks.centre[STILL, 0] - self.tracks.centre[THIRD, 0]
        if abs(x) > _CELL / 2:
            return "left" if x < 0 else "right"
        return "above" if y < 0 else "below"

    def size_is_constant(self, index: int) -> bool:
        """Returns False for a shape that grows or shrinks, so that neither "small" nor "large" describes it."""
        return index != THIRD or self.alone not in motion.RESIZING


def draw_crowded_scene(rng: np.random.Generator) -> CrowdedScene:
    """Draws a scene; agent and patient are exchangeable, and so are the timings and the speeds."""
    shapes = [str(shape) for shape in rng.choice(SHAPES, size=2, replace=False)]
    colours = [str(colour) for colour in rng.choice(COLOURS, size=2, replace=False)]
    sizes = [str(size) for size in rng.choice(SIZES, size=4)]
    mixed = (shapes[0], colours[1]) if rng.random() < 0.5 else (shapes[1], colours[0])
    other = [(shape, colour) for shape in SHAPES for colour in COLOURS if colour not in colours]
    third = other[int(rng.integers(len(other)))]
    kinds = [(shapes[0], colours[0]), (shapes[1], colours[1]), third, mixed]
    looks = tuple(Look(*kind, size) for kind, size in zip(kinds, sizes, strict=True))

    action = str(rng.choice(list(motion.RELATIONSHIPS)))
    alone = str(rng.choice(visible_alone(third[0])))
    timing, speed = str(rng.choice(TIMINGS)), str(rng.choice(SPEEDS))
    top = motion.TOP_SHAPE.get(action, int(rng.integers(2)))
    brightness = tuple(float(value) for value in rng.uniform(0.85, 1.0, 4))
    tracks = _draw_tracks(action, alone, timing, speed, looks, rng)
    return CrowdedScene(action, alone, timing, speed, looks, tracks, top, brightness)


def visible_alone(shape: str) -> tuple[str, ...]:
    """Returns the keys of `ALONE` that can be seen on a shape: nobody can tell whether a circle spins."""
    return tuple(action for action in ALONE if not (shape == "circle" and action == "spin"))


def render_crowded(scene: CrowdedScene) -> UInt8[np.ndarray, "f 48 48 3"]:
    """Draws the frames of a scene, 48 by 48 pixels, red-green-blue."""
    order = (STILL, THIRD, 1 - scene.top, scene.top)
    return draw_pictures(scene.looks, scene.tracks, scene.brightness, order, SIDE)


def _draw_tracks(
    action: str, alone: str, timing: str, speed: str, looks: tuple[Look, ...], rng: np.random.Generator
) -> Tracks:
    first, second = _STARTS[timing]
    radius = np.array([RADIUS[look.size] for look in looks])
    both = motion.relationship_tracks(action, radius[AGENT], radius[PATIENT], rng)
    when = _played(first, FRAMES if speed == SLOWLY else FRAMES // 2, rng)
    # The two shapes have four of the nine thirds of the picture to themselves.
    corner = rng.integers(2, size=2)
    centres = both.centre[:, when] + (2 * corner - 1) * (SIDE / 2 - HALF)
    free = [
        (x, y)
        for x in range(3)
        for y in range(3)
        if not (x - corner[0] in (0, 1) and y - corner[1] in (0, 1))
    ]
    cells = rng.choice(len(free), size=2, replace=False)
    places = (np.array([free[cell] for cell in cells]) - 1) * _CELL + rng.uniform(-1.5, 1.5, (2, 2))
    own = ALONE[alone](float(radius[THIRD]), rng)
    then = _played(second, FRAMES, rng)
    third = places[0] + own.centre[0, then]
    still = np.broadcast_to(places[1], (CLIP_FRAMES, 2))
    radii = np.broadcast_to(radius[:, None], (4, CLIP_FRAMES)).copy()
    radii[THIRD] = own.radius[0, then]
    angles = np.zeros((4, CLIP_FRAMES))
    angles[THIRD] = own.angle[0, then]
    return Tracks(np.concatenate([centres, third[None], still[None]]), radii, angles)


def _played(start: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Returns which moment of an event each frame shows [f]; before and after it is still."""
    late = start + int(rng.integers(FRAMES - length + 1))
    shown = np.arange(CLIP_FRAMES) - late
    return np.round(np.clip(shown, 0, length - 1) * (FRAMES - 1) / (length - 1)).astype(int)


def _in_place(radius: np.ndarray | float, height: np.ndarray | float, angle: np.ndarray | float) -> Tracks:
    time = np.zeros(FRAMES)
    centre: Float[np.ndarray, "1 f 2"] = np.stack([time, time - height], axis=1)[None]
    return Tracks(centre, np.broadcast_to(radius, (1, FRAMES)), np.broadcast_to(angle, (1, FRAMES)))


_TIME = np.linspace(0.0, 1.0, FRAMES)


def _grow(_: float, rng: np.random.Generator) -> Tracks:
    return _in_place(rng.uniform(2.0, 3.0) + rng.uniform(4.0, 5.0) * _TIME, 0.0, 0.0)


def _shrink(radius: float, rng: np.random.Generator) -> Tracks:
    grown = _grow(radius, rng)
    return dataclasses.replace(grown, radius=grown.radius[:, ::-1])


def _spin(radius: float, rng: np.random.Generator) -> Tracks:
    turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.4) * np.pi
    return _in_place(radius, 0.0, rng.uniform(0, np.pi) + turn * _TIME)


def _hop(radius: float, rng: np.random.Generator) -> Tracks:
    return _in_place(radius, rng.uniform(5.0, 6.0) * np.abs(np.sin(2.5 * np.pi * _TIME)), 0.0)


ALONE = {"grow": _grow, "shrink": _shrink, "spin": _spin, "bounce": _hop}
"""Each action that a shape does where it is has the function that draws its tracks around (0, 0)."""
