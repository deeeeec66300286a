import collections
import dataclasses
import re

import numpy as np
import pytest

from data_pipeline.captions.parser import CaptionParser
from data_pipeline.moving_shapes.dataset import SPLITS, Clip, clip, clips, pixels
from data_pipeline.moving_shapes.motion import ACTIONS, RELATIONSHIPS
from data_pipeline.moving_shapes.rendering import RGB, coverage, frame_features, region_features, render
from data_pipeline.moving_shapes.scene import Look, Scene, draw_scene
from mcsan_jax.errors import InputError

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


@pytest.fixture(scope="module")
def made() -> list[Clip]:
    return list(clips("train", 600, seed=0))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(np.random.default_rng([7, index])) for index in range(6000)]


def by_action(scenes: list[Scene], action: str, count: int = 40) -> list[Scene]:
    return [scene for scene in scenes if scene.action == action][:count]


def assert_same(one: Clip, other: Clip) -> None:
    assert (one.video_id, one.captions, one.foils) == (other.video_id, other.captions, other.foils)
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.regions, other.regions)


def test_clip_depends_on_seed_split_and_index_only() -> None:
    for index, made_in_order in enumerate(clips("val", 4, seed=3)):
        assert_same(made_in_order, clip("val", index, seed=3))
    assert clip("val", 12, seed=3).video_id == "val_00012"


def test_seeds_splits_and_indices_give_different_clips() -> None:
    made = [clip(split, index, seed) for split in SPLITS for index in range(20) for seed in (0, 1)]
    assert len({one.frames.tobytes() for one in made}) == len(made)


@pytest.mark.parametrize(
    ("split", "count", "seed", "message"),
    [
        ("training", 1, 0, "no split 'training'"),
        ("train", -1, 0, "count must be"),
        ("train", 1, -5, "seed -5"),
    ],
)
def test_bad_request_is_refused_at_once(split: str, count: int, seed: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clips(split, count, seed)


def test_features_are_pooled_pixels(made: list[Clip]) -> None:
    for index, one in enumerate(made[:20]):
        images = pixels("train", index, seed=0)
        assert images.shape == (12, 32, 32, 3)
        assert images.dtype == np.uint8
        assert one.frames.shape == (12, 192)
        assert one.regions.shape == (12, 16, 50)
        assert one.frames.dtype == one.regions.dtype == np.float16
        assert one.regions.min() >= 0
        assert one.regions.max() <= 1
        cell = images[5, 4 * 2 : 4 * 3, 4 * 6 : 4 * 7].mean(axis=(0, 1)) / 255
        np.testing.assert_allclose(one.frames[5].reshape(8, 8, 3)[2, 6], cell, atol=1e-3)
        region = images[5, 8:16, 16:24].reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)) / 255
        np.testing.assert_allclose(one.regions[5, 6, :48].reshape(4, 4, 3), region, atol=1e-3)
        np.testing.assert_allclose(one.regions[5, 6, 48:], [1 / 3, 2 / 3], atol=1e-3)


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
            for features in (frame_features, region_features):
                difference = np.abs(features(render(scene)) - features(render(swapped)))
                assert difference.max(axis=-1).mean() > 0.02


def test_captions_are_true_and_different(made: list[Clip]) -> None:
    for one in made:
        assert len(set(one.captions)) == 5
        assert [text for text in one.captions if not is_true(text, one.scene)] == []


def test_mentioned_shapes_can_be_told_apart(made: list[Clip]) -> None:
    for one in made:
        for text in one.captions:
            for phrase in read(text).phrases:
                assert sum(fits(phrase, look) for look in one.scene.looks) == 1, text


def test_captions_vary(made: list[Clip]) -> None:
    readings = [read(text) for one in made for text in one.captions]
    assert {reading.action for reading in readings} == set(ACTION_OF_VERB)
    assert sum(reading.passive for reading in readings) > 200
    alone = {reading.skeleton for reading in readings if reading.skeleton.count("X") == 1}
    assert {"X is pushed", "X is moving away", "X orbits something"} <= alone
    nouns = {phrase[3] for reading in readings for phrase in reading.phrases}
    assert nouns == set(SHAPE_OF_NOUN)


def test_no_foil_could_be_called_true(made: list[Clip]) -> None:
    assert [foil for one in made for foil in one.foils if might_be_granted(foil.text, one.scene)] == []


def test_foils_differ_in_one_point(made: list[Clip]) -> None:
    for one in made:
        for foil in one.foils:
            true, false = read(one.captions[foil.caption_index]), read(foil.text)
            if foil.kind == "entity":
                assert true.skeleton == false.skeleton
                changed = np.array(true.phrases) != np.array(false.phrases)
                assert changed.sum() == 1
                assert changed[:, 2:].any()
            elif foil.kind == "action":
                assert true.phrases == false.phrases
                assert true.action != false.action
            else:
                assert foil.kind == "role"
                assert true.skeleton == false.skeleton
                assert true.phrases == false.phrases[::-1]


def test_every_caption_has_the_foils_it_allows(made: list[Clip]) -> None:
    for one in made:
        foils = collections.Counter((foil.kind, foil.caption_index) for foil in one.foils)
        assert set(foils.values()) == {1}
        for index, text in enumerate(one.captions):
            reading = read(text)
            assert ("entity", index) in foils
            assert (("role", index) in foils) == (len(reading.phrases) == 2)
            alone = len(one.scene.looks) == 2 and not reading.skeleton.endswith(("X", "something"))
            assert (("action", index) in foils) == (not reading.passive and not alone)


def test_verbs_alone_do_not_give_a_foil_away(made: list[Clip]) -> None:
    true: collections.Counter[str] = collections.Counter()
    false: collections.Counter[str] = collections.Counter()
    for one in made:
        for foil in one.foils:
            if foil.kind == "action":
                true[read(one.captions[foil.caption_index]).action] += 1
                false[read(foil.text).action] += 1
    for action in RELATIONSHIPS:
        assert abs(true[action] / false[action] - 1) < 0.35, action


def test_parser_finds_who_does_what(made: list[Clip]) -> None:
    texts = sorted({text for one in made[:150] for text in one.captions})
    for text, graph in zip(texts, CaptionParser().parse(texts), strict=True):
        reading = read(text)
        [verb] = [index for index, node in enumerate(graph.nodes) if node.level == "action"]
        heads = [phrase[3] for phrase in reading.phrases]
        found = [node.head for node in graph.nodes if node.level == "entity" and node.head != "something"]
        assert found == heads, text
        first_role = "patient" if reading.passive else "agent"
        roles = [(edge.source, edge.role, graph.nodes[edge.target].head) for edge in graph.relationships]
        assert (verb, first_role, heads[0]) in roles, text
        if reading.passive and len(heads) == 2:
            assert (verb, "agent", heads[1]) in roles, text
