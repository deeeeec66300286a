"""What happens in a scene is what its action says, and can be seen."""

import collections
import dataclasses

import numpy as np
import pytest

from data_pipeline.moving_shapes.motion import ACTIONS, RELATIONSHIPS
from data_pipeline.moving_shapes.objects import object_features
from data_pipeline.moving_shapes.scene import RGB, Scene, coverage, frame_features, render


def by_action(scenes: list[Scene], action: str, count: int = 40) -> list[Scene]:
    return [scene for scene in scenes if scene.action == action][:count]


def test_actions_are_equally_frequent(scenes: list[Scene]) -> None:
    counts = collections.Counter(scene.action for scene in scenes)
    assert set(counts) == {*RELATIONSHIPS, *ACTIONS}
    related = sum(counts[action] for action in RELATIONSHIPS)
    assert 0.78 < related / len(scenes) < 0.82
    for action in RELATIONSHIPS:
        assert abs(counts[action] * len(RELATIONSHIPS) / related - 1) < 0.2


def test_looks_say_nothing_about_roles(scenes: list[Scene]) -> None:
    pairs = [scene.looks for scene in scenes if len(scene.looks) == 2]
    for field in ("shape", "colour", "size"):
        first, second = (collections.Counter(getattr(pair[role], field) for pair in pairs) for role in (0, 1))
        assert first.keys() == second.keys()
        for value, count in first.items():
            total = count + second[value]
            assert abs(count - second[value]) < 4 * np.sqrt(total), value


def test_colours_of_a_pair_differ(scenes: list[Scene]) -> None:
    assert all(len({look.colour for look in scene.looks}) == len(scene.looks) for scene in scenes)


def visible(scene: Scene, index: int) -> np.ndarray:
    colour = np.round(np.multiply(RGB[scene.looks[index].colour], 255 * scene.brightness[index]))
    return (render(scene) == colour.astype(np.uint8)).all(axis=-1)


def centres(mask: np.ndarray) -> np.ndarray:
    grid = np.indices(mask.shape[1:]) + 0.5
    return (mask[:, None] * grid).sum(axis=(2, 3)) / mask.sum(axis=(1, 2))[:, None]


def is_still(mask: np.ndarray) -> bool:
    return bool((mask == mask[0]).all())


def test_pusher_moves_first_and_the_pushed_goes_along(scenes: list[Scene]) -> None:
    for scene in by_action(scenes, "push"):
        pusher, pushed = visible(scene, 0), visible(scene, 1)
        assert is_still(pushed[:3])
        assert not is_still(pusher[:3])
        moved = centres(pushed)[8] - centres(pushed)[0]
        towards = centres(pushed)[0] - centres(pusher)[0]
        assert np.linalg.norm(moved) > 1.5
        assert moved @ towards > 0.9 * np.linalg.norm(moved) * np.linalg.norm(towards)


def test_follower_takes_the_leaders_path(scenes: list[Scene]) -> None:
    for scene in by_action(scenes, "follow"):
        follower, leader = scene.tracks.centre
        assert not is_still(visible(scene, 0)[:3])
        assert not is_still(visible(scene, 1)[:3])
        assert (leader[-1] - leader[0]) @ (leader[0] - follower[0]) > 0
        nearest = np.linalg.norm(follower[-1] - leader, axis=1).min()
        assert nearest < 2.5


@pytest.mark.parametrize("action", ["follow", "orbit", "move_away", "move_toward"])
def test_shapes_that_do_not_pass_each_other_do_not_overlap(scenes: list[Scene], action: str) -> None:
    for scene in by_action(scenes, action, 200):
        assert not (coverage(scene, 0) & coverage(scene, 1)).any()


def test_orbiter_goes_around_a_still_shape(scenes: list[Scene]) -> None:
    for scene in by_action(scenes, "orbit"):
        assert is_still(visible(scene, 1))
        around = centres(visible(scene, 0)) - centres(visible(scene, 1))
        angle = np.unwrap(np.arctan2(around[:, 0], around[:, 1]))
        assert abs(angle[-1] - angle[0]) > 1.5 * np.pi


@pytest.mark.parametrize(("action", "covered"), [("pass_behind", 0), ("pass_in_front", 1)])
def test_the_right_shape_is_covered(scenes: list[Scene], action: str, covered: int) -> None:
    for scene in by_action(scenes, action):
        hidden, seen = visible(scene, covered), visible(scene, 1 - covered)
        whole = coverage(scene, covered)
        lost = (whole & ~hidden).sum(axis=(1, 2))
        smaller = min(whole.sum(axis=(1, 2)).max(), seen.sum(axis=(1, 2)).max())
        assert lost.max() >= 0.4 * smaller
        np.testing.assert_array_equal(seen, coverage(scene, 1 - covered))
        assert is_still(coverage(scene, 1))
        assert not is_still(coverage(scene, 0))


@pytest.mark.parametrize(("action", "sign"), [("move_away", 1), ("move_toward", -1)])
def test_distance_to_a_still_shape_changes(scenes: list[Scene], action: str, sign: int) -> None:
    for scene in by_action(scenes, action):
        assert is_still(visible(scene, 1))
        distance = np.linalg.norm(centres(visible(scene, 0)) - centres(visible(scene, 1)), axis=1)
        assert sign * (distance[-1] - distance[0]) > 4


def test_single_shapes_do_what_is_said(scenes: list[Scene]) -> None:
    for action, sign in (("grow", 1), ("shrink", -1)):
        for scene in by_action(scenes, action):
            area = visible(scene, 0).sum(axis=(1, 2))
            assert sign * np.log(area[-1] / area[0]) > 1
    for scene in by_action(scenes, "spin"):
        assert scene.looks[0].shape != "circle"
        masks = visible(scene, 0)
        assert np.linalg.norm(centres(masks) - centres(masks)[0], axis=1).max() < 1.5
        assert sum(not is_still(masks[frame : frame + 2]) for frame in range(11)) >= 8
    for scene in by_action(scenes, "bounce"):
        turns = np.diff(np.sign(np.diff(scene.tracks.centre[0, :, 1])))
        assert np.count_nonzero(turns) >= 3


def test_exchanged_looks_can_be_seen_in_the_features(scenes: list[Scene]) -> None:
    for action in RELATIONSHIPS:
        for scene in by_action(scenes, action, 5):
            swapped = dataclasses.replace(scene, looks=scene.looks[::-1])
            for features in (frame_features, object_features):
                difference = np.abs(features(render(scene)) - features(render(swapped)))
                assert difference.max(axis=-1).mean() > 0.02
