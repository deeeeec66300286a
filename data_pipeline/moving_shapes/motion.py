"""This module says where the shapes of a clip are in every frame.

Positions are in pixels from the centre of the picture, (x to the right, y down). Paths are laid out from left to right
and then turned or mirrored at random, so that no direction goes with a relationship. Shape ``a`` acts, and ``b`` is
acted on. Axes: ``s`` shapes, ``f`` frames.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

FRAMES = 12
HALF = 16.0
OVERHANG = 2.5
"""A shape may be this many pixels outside the picture at the start or the end of its path."""

Path = Float[np.ndarray, "f 2"]
_TIME = np.linspace(0.0, 1.0, FRAMES)


@dataclasses.dataclass(frozen=True)
class Tracks:
    """Tracks are ``centre`` [s, f, 2] and half width ``radius`` [s, f] in pixels, and ``angle`` [s, f] in radians."""

    centre: Float[np.ndarray, "s f 2"]
    radius: Float[np.ndarray, "s f"]
    angle: Float[np.ndarray, "s f"]


def relationship_tracks(action: str, radius_a: float, radius_b: float, rng: np.random.Generator) -> Tracks:
    """Draws the tracks of ``a`` and ``b`` for a key of `RELATIONSHIPS`."""
    paths = np.stack(RELATIONSHIPS[action](radius_a, radius_b, rng))
    radius = np.repeat([[radius_a], [radius_b]], FRAMES, axis=1)
    return Tracks(paths @ _draw_symmetry(rng), radius, np.zeros((2, FRAMES)))


def action_tracks(action: str, radius: float, rng: np.random.Generator) -> Tracks:
    """Draws the tracks of a single shape for a key of `ACTIONS`."""
    return ACTIONS[action](radius, rng)


def _draw_symmetry(rng: np.random.Generator) -> Float[np.ndarray, "2 2"]:
    """Draws one of the eight turns and mirrorings of a square."""
    signs = np.diag(rng.choice([-1.0, 1.0], size=2))
    return signs[::-1] if rng.random() < 0.5 else signs


def _path(x: np.ndarray | float, y: np.ndarray | float) -> Path:
    return np.stack(np.broadcast_arrays(x, y, _TIME)[:2], axis=1).astype(np.float64)


def _draw_lane(radius: float, rng: np.random.Generator) -> float:
    """Draws a height at which a shape of this half width is inside the picture."""
    return float(rng.uniform(-1.0, 1.0) * (HALF - radius))


def _push(radius_a: float, radius_b: float, rng: np.random.Generator) -> tuple[Path, Path]:
    """``a`` runs up to ``b``, which is still until it is touched and then moves along."""
    room = 2 * (HALF + OVERHANG - radius_a - radius_b)
    run_up = rng.uniform(0.35, 0.45) * room
    contact = 0.92 * (radius_a + radius_b)
    lane = _draw_lane(max(radius_a, radius_b), rng)
    a = -HALF - OVERHANG + radius_a + room * _TIME
    b = np.maximum(a[0] + run_up, a) + contact
    return _path(a, lane), _path(b, lane)


def _follow(radius_a: float, radius_b: float, rng: np.random.Generator) -> tuple[Path, Path]:
    """``b`` goes ahead on a wavy line across the picture; ``a`` takes the same line at a distance."""
    distance = radius_a + radius_b + 2.5
    a = -HALF + (2 * HALF - distance) * _TIME
    height, phase = rng.uniform(3.0, 5.0), rng.uniform(0, 2 * np.pi)
    lane = rng.uniform(-3.0, 3.0)

    def wave(x: np.ndarray) -> np.ndarray:
        return lane + height * np.sin(2 * np.pi * x / 30.0 + phase)

    return _path(a, wave(a)), _path(a + distance, wave(a + distance))


def _orbit(radius_a: float, radius_b: float, rng: np.random.Generator) -> tuple[Path, Path]:
    """``a`` goes once around ``b``, which is still in the middle."""
    # Two squares that pass corner to corner must not touch.
    distance = 1.2 * (radius_a + radius_b) + 0.3
    angle = rng.uniform(0, 2 * np.pi) + rng.uniform(1.7, 2.1) * np.pi * _TIME
    x, y = rng.uniform(-0.5, 0.5, 2)
    return _path(x + distance * np.cos(angle), y + distance * np.sin(angle)), _path(x, y)


def _pass(radius_a: float, radius_b: float, rng: np.random.Generator) -> tuple[Path, Path]:
    """``a`` crosses the whole picture and, half way, the place where ``b`` is still."""
    reach = HALF + OVERHANG - radius_a
    lane = 0.7 * _draw_lane(max(radius_a, radius_b), rng)
    x, y = rng.uniform(-2.0, 2.0), lane + rng.uniform(-1.0, 1.0)
    return _path(reach * (2 * _TIME - 1), lane), _path(x, y)


def _move_away(radius_a: float, radius_b: float, rng: np.random.Generator) -> tuple[Path, Path]:
    """``a`` starts close to ``b``, which is still, and goes to the far side."""
    lane = _draw_lane(max(radius_a, radius_b), rng)
    b = -HALF + radius_b
    near, far = b + radius_a + radius_b + 1.5, HALF + OVERHANG - radius_a
    inward = 1.0 - rng.uniform(0.0, 0.4) * _TIME
    return _path(near + (far - near) * _TIME, lane * inward), _path(b, lane)


def _move_toward(radius_a: float, radius_b: float, rng: np.random.Generator) -> tuple[Path, Path]:
    """``a`` moves as in `_move_away` but backwards: only the order of the frames tells them apart."""
    a, b = _move_away(radius_a, radius_b, rng)
    return a[::-1], b


def _single(path: Path, radius: np.ndarray | float, angle: np.ndarray) -> Tracks:
    return Tracks(path[None], np.broadcast_to(radius, (1, FRAMES)), angle)


def _move(radius: float, rng: np.random.Generator) -> Tracks:
    reach = HALF + OVERHANG - radius
    path = _path(reach * (2 * _TIME - 1), _draw_lane(radius, rng) + rng.uniform(-4, 4) * (_TIME - 0.5))
    return _single(path @ _draw_symmetry(rng), radius, np.zeros((1, FRAMES)))


def _spin(radius: float, rng: np.random.Generator) -> Tracks:
    # Turns are at most 23 degrees between frames: a square and a star look the same after 90.
    turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.4) * np.pi
    angle = rng.uniform(0, np.pi) + turn * _TIME
    return _single(_draw_place(rng), radius, angle[None])


def _grow(_: float, rng: np.random.Generator) -> Tracks:
    radius = rng.uniform(2.0, 3.0) + rng.uniform(5.0, 6.0) * _TIME
    return _single(_draw_place(rng), radius, np.zeros((1, FRAMES)))


def _shrink(radius: float, rng: np.random.Generator) -> Tracks:
    grown = _grow(radius, rng)
    return dataclasses.replace(grown, radius=grown.radius[:, ::-1])


def _bounce(radius: float, rng: np.random.Generator) -> Tracks:
    """The shape makes two and a half arcs over the lower edge; down is down, so this path is only mirrored."""
    floor = HALF - radius
    height = 0.8 * (floor + HALF - radius)
    y = floor - height * np.abs(np.sin(np.pi * (2.5 * _TIME + rng.uniform(0, 0.3))))
    x = rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 0.9) * floor * (2 * _TIME - 1)
    return _single(_path(x, y), radius, np.zeros((1, FRAMES)))


def _draw_place(rng: np.random.Generator) -> Path:
    return _path(*rng.uniform(-7.0, 7.0, 2))


ACTIONS: dict[str, Callable[[float, np.random.Generator], Tracks]] = {
    "move": _move,
    "spin": _spin,
    "grow": _grow,
    "shrink": _shrink,
    "bounce": _bounce,
}
RELATIONSHIPS: dict[str, Callable[[float, float, np.random.Generator], tuple[Path, Path]]] = {
    "push": _push,
    "follow": _follow,
    "orbit": _orbit,
    "pass_behind": _pass,
    "pass_in_front": _pass,
    "move_away": _move_away,
    "move_toward": _move_toward,
}
RESIZING = ("grow", "shrink")
TOP_SHAPE = {"pass_behind": 1, "pass_in_front": 0}
"""Where the action decides which shape is drawn over the other, this is its index."""

_ALSO_TRUE = {
    "push": {"follow", "move_toward"},
    "follow": {"move_toward"},
    "pass_behind": {"move_toward", "move_away"},
    "pass_in_front": {"move_toward", "move_away"},
    "bounce": {"move"},
}


def exclude_each_other(action: str, other: str) -> bool:
    """Returns whether nobody could say that both happen, in a clip of either."""
    also_true = other in _ALSO_TRUE.get(action, ()) or action in _ALSO_TRUE.get(other, ())
    return action != other and not also_true
