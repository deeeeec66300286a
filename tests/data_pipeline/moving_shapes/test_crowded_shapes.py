"""Crowded clips show what their captions say, and no foil could be called true or be told from its text alone."""

import collections
import re

import numpy as np
import pytest

from data_pipeline.annotations.caption import Foil
from data_pipeline.levels import MODIFIER, ORDER, POLARITY, ROLE
from data_pipeline.moving_shapes.captions import ACTION, ENTITY
from data_pipeline.moving_shapes.crowded_captions import MANNER, PLACE
from data_pipeline.moving_shapes.crowded_scene import (
    AFTER,
    AGENT,
    BEFORE,
    CLIP_FRAMES,
    PATIENT,
    QUICKLY,
    STILL,
    THIRD,
    TIMINGS,
    WHILE,
    CrowdedScene,
    visible_alone,
)
from data_pipeline.moving_shapes.dataset import Clip, crowded_clip
from tests.data_pipeline.moving_shapes.sentence_reading import (
    ACTION_OF_VERB,
    MAY_BE_SAID_OF,
    PHRASE,
    fits,
)

CROWDED_KINDS = (ENTITY, ACTION, ROLE, MODIFIER, MANNER, ORDER, POLARITY, PLACE)
_CLAUSES = re.compile(r" (before|after|and then|while|and(?! down)) ")


@pytest.fixture(scope="module")
def crowded() -> list[Clip[CrowdedScene]]:
    return [crowded_clip("train", index, seed=0) for index in range(300)]


def action_of(words: str) -> str:
    found, *others = [name for name, verbs in ACTION_OF_VERB.items() if re.fullmatch(verbs, words)]
    assert not others, (words, found, others)
    return found


def is_true(text: str, scene: CrowdedScene) -> bool:
    """Whether somebody could call a caption true; read by its words, without the grammar that wrote it."""
    pieces = _CLAUSES.split(text)
    clauses = [pieces[0], *pieces[2::2]]
    relation = [clause for clause in clauses if _is_relation(clause)]
    assert len(relation) == 1, text
    if not _relation_is_true(relation[0], scene):
        return False
    if len(clauses) == 1:
        return True
    [other] = [clause for clause in clauses if clause is not relation[0]]
    joined, first = pieces[1], pieces[0] is relation[0]
    if joined == "and":
        return _statement_is_true(other, scene)
    timing = {"before": BEFORE, "after": AFTER, "and then": BEFORE, "while": WHILE}[joined]
    if not first and timing != WHILE:
        timing = BEFORE if timing == AFTER else AFTER
    return _statement_is_true(other, scene) and timing == scene.timing


def _is_relation(clause: str) -> bool:
    skeleton = PHRASE.sub("X", clause)
    return skeleton.count("X") == 2 and not re.search("left of|right of|is above|is below", skeleton)


def _relation_is_true(clause: str, scene: CrowdedScene) -> bool:
    words = re.fullmatch(r"X (?:is )?(being )?(.*?)( by)? X( slowly| quickly)?", PHRASE.sub("X", clause))
    assert words, clause
    action, passive = action_of(words[2]), words[2].endswith("ed")
    phrases = [match.groups("") for match in PHRASE.finditer(clause)]
    agent, patient = phrases[::-1] if passive else phrases
    return (
        scene.action in {action} | MAY_BE_SAID_OF.get(action, set())
        and fits(agent, scene.looks[AGENT])
        and fits(patient, scene.looks[PATIENT])
        and words[4] in (None, f" {scene.speed}")
    )


def _statement_is_true(clause: str, scene: CrowdedScene) -> bool:
    phrases = [match.groups("") for match in PHRASE.finditer(clause)]
    side = re.search(r"is (?:to the )?(left|right|above|below)", clause)
    if side:
        x, y = scene.tracks.centre[STILL, 0] - scene.tracks.centre[THIRD, 0]
        there = {"left": x < 0, "right": x > 0, "above": y < 0, "below": y > 0}[side[1]]
        return there and fits(phrases[0], scene.looks[STILL]) and fits(phrases[1], scene.looks[THIRD])
    words = re.fullmatch(r"X (?:is )?(not )?(.*)", PHRASE.sub("X", clause))
    assert words, clause
    assert fits(phrases[0], scene.looks[THIRD]), clause
    return (action_of(words[2]) == scene.alone) != bool(words[1])


def test_captions_are_true(crowded: list[Clip[CrowdedScene]]) -> None:
    for one in crowded:
        assert len(set(one.captions)) == 5
        assert [text for text in one.captions if not is_true(text, one.scene)] == []


def test_no_foil_is_true(crowded: list[Clip[CrowdedScene]]) -> None:
    foils = [(foil, one.scene) for one in crowded for foil in one.foils]
    assert {foil.kind for foil, _ in foils} == set(CROWDED_KINDS)
    assert [foil for foil, scene in foils if is_true(foil.text, scene)] == []


def test_each_phrase_fits_one_shape(crowded: list[Clip[CrowdedScene]]) -> None:
    for one in crowded:
        for text in one.captions:
            for match in PHRASE.finditer(text):
                assert sum(fits(match.groups(""), look) for look in one.scene.looks) == 1, text


def test_the_still_shape_shares_a_word_with_both(crowded: list[Clip[CrowdedScene]]) -> None:
    for one in crowded:
        agent, patient, third, still = one.scene.looks
        assert {(agent.shape, patient.colour), (patient.shape, agent.colour)} >= {(still.shape, still.colour)}
        assert third.colour not in (agent.colour, patient.colour)
        assert np.ptp(one.scene.tracks.centre[STILL], axis=0).max() == 0


def test_events_happen_when_the_scene_says(crowded: list[Clip[CrowdedScene]]) -> None:
    for one in crowded:
        tracks = one.scene.tracks
        agent_moves = np.flatnonzero(np.abs(np.diff(tracks.centre[:2], axis=1)).sum(axis=(0, 2)))
        others = [tracks.centre[THIRD, :, 1], tracks.radius[THIRD], tracks.angle[THIRD]]
        third_moves = np.flatnonzero(sum(np.abs(np.diff(values)) for values in others))
        if one.scene.timing == BEFORE:
            assert agent_moves.max() < third_moves.min()
        elif one.scene.timing == AFTER:
            assert third_moves.max() < agent_moves.min()
        else:
            assert set(agent_moves) & set(third_moves)
        assert (len(agent_moves) < 8) == (one.scene.speed == QUICKLY)
        assert tracks.centre.shape == (4, CLIP_FRAMES, 2)
    assert {one.scene.timing for one in crowded} == set(TIMINGS)


def test_words_alone_do_not_give_foils_away(crowded: list[Clip[CrowdedScene]]) -> None:
    """Each word is about as frequent in the foils of a kind as in the captions they were made of."""
    for kind in CROWDED_KINDS:
        pairs = [
            (one.captions[foil.caption_index], foil.text) for one in crowded for foil in _of(one.foils, kind)
        ]
        true = collections.Counter(word for text, _ in pairs for word in set(text.split()))
        false = collections.Counter(word for _, text in pairs for word in set(text.split()))
        for word in true | false:
            # The captions of a clip tell of the same events.
            of_clip = len(pairs) / len(crowded)
            spread = 4 * np.sqrt(max(of_clip, 1) * (true[word] + false[word] + 1))
            assert abs(true[word] - false[word]) <= spread, (kind, word, true[word], false[word])


def _of(foils: tuple[Foil, ...], kind: str) -> list[Foil]:
    return [foil for foil in foils if foil.kind == kind]


def test_every_caption_has_the_foils_it_allows(crowded: list[Clip[CrowdedScene]]) -> None:
    own = {1: MANNER, 2: ORDER, 3: POLARITY, 4: PLACE}
    for one in crowded:
        for index, text in enumerate(one.captions):
            kinds = collections.Counter(foil.kind for foil in one.foils if foil.caption_index == index)
            wanted = {ROLE} | ({own[index]} if index in own else set())
            wanted |= {ENTITY, MODIFIER} if index < 2 else set()
            assert set(kinds) - {ACTION} == wanted, text
            assert set(kinds.values()) == {1}


def test_what_a_shape_does_alone_can_be_seen() -> None:
    assert "spin" not in visible_alone("circle")
    assert "spin" in visible_alone("star")
