"""Objects are found in the pictures alone, and described as the scene says they are."""

import itertools

import numpy as np

from data_pipeline.moving_shapes.objects import LOOK_CELLS, OBJECT_DIM, PLACE_BINS, object_features
from data_pipeline.moving_shapes.scene import BACKGROUND, RGB, Scene, coverage, render

LOOK, COLOUR, BOX = slice(0, 64), slice(64, 67), slice(67, 71)
THERE, BINS, STEP = 71, slice(72, 88), slice(88, 90)


def pictures(*rectangles: tuple[tuple[int, int, int], list[tuple[int, int, int, int] | None]]) -> np.ndarray:
    """Frames of 16 by 16 pixels with rectangles (left, top, width, height), each given by colour and frames."""
    pixels = np.full((len(rectangles[0][1]), 16, 16, 3), BACKGROUND, np.uint8)
    for colour, frames in rectangles:
        for frame, place in enumerate(frames):
            if place:
                left, top, width, height = place
                pixels[frame, top : top + height, left : left + width] = colour
    return pixels


def test_an_object_is_its_box_its_colour_and_its_step() -> None:
    red = ((255, 0, 0), [(2, 4, 4, 2), (3, 6, 4, 2), None, (5, 6, 4, 2)])
    found = object_features(pictures(red), 2).astype(float)
    assert found.shape == (4, 2, OBJECT_DIM)
    first = found[0, 0]
    assert first[LOOK].all()
    np.testing.assert_allclose(first[COLOUR], [1, 0, 0])
    np.testing.assert_allclose(first[BOX], [4 / 16, 5 / 16, 4 / 16, 2 / 16], atol=1e-3)
    assert first[THERE] == 1
    np.testing.assert_allclose(first[STEP], 0)
    np.testing.assert_allclose(found[1, 0, STEP], [0.5, 1.0])
    # It is hidden in the third frame, so that nobody knows its step in the fourth.
    assert not found[2, 0].any()
    assert found[3, 0, THERE] == 1
    np.testing.assert_allclose(found[3, 0, STEP], 0)
    assert not found[:, 1].any()


def test_bins_are_shares_of_the_two_nearest() -> None:
    found = object_features(pictures(((0, 255, 0), [(0, 7, 3, 2)])), 1)[0, 0].astype(float)
    across, down = found[BINS].reshape(2, PLACE_BINS)
    # 1.5 of 16 pixels are 0.75 bins: a quarter of the way from the centre of the first to that of the second one.
    np.testing.assert_allclose(across, [0.75, 0.25, 0, 0, 0, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(down, [0, 0, 0, 0.5, 0.5, 0, 0, 0], atol=1e-3)


def test_objects_beyond_the_places_are_left_out_by_colour() -> None:
    shapes = [((value, 0, 0), [(4 * value % 12, 0, 2, 2)]) for value in (200, 100, 150)]
    found = object_features(pictures(*shapes), 2)[0].astype(float)
    np.testing.assert_allclose(found[:, COLOUR][:, 0] * 255, [100, 150], atol=0.1)


def test_a_look_is_what_is_seen_of_the_shape(scenes: list[Scene]) -> None:
    for scene in scenes[:40]:
        pixels = render(scene)
        found = object_features(pixels, 2).astype(float)
        assert (found[..., THERE].max(axis=0).sum()) == len(scene.looks)
        top = coverage(scene, scene.top)
        for frame, mask in enumerate(top):
            if not mask.any():
                continue
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            left, above, width, height = columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1
            box = np.array([left + width / 2, above + height / 2, width, height]) / len(mask)
            match = next(one for one in found[frame] if np.allclose(one[BOX], box, atol=1e-3))
            for row, column in itertools.product(range(LOOK_CELLS), repeat=2):
                y, x = (int((at + 0.5) * size / LOOK_CELLS) for at, size in ((row, height), (column, width)))
                assert match[LOOK][row * LOOK_CELLS + column] == mask[above + y, left + x]


def test_the_order_of_objects_does_not_say_who_acts(scenes: list[Scene]) -> None:
    agent_is_first = []
    for scene in scenes:
        if len(scene.looks) < 2:
            continue
        colours = np.array([RGB[look.colour] for look in scene.looks]) * np.array(scene.brightness)[:, None]
        shown = [tuple(np.round(colour * 255)) for colour in colours]
        agent_is_first.append(shown[0] < shown[1])
    assert abs(np.mean(agent_is_first) - 0.5) < 3 * 0.5 / np.sqrt(len(agent_is_first))
