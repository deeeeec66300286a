"""Captions are true, foils are false in one point, and the parser reads captions."""

import collections

import numpy as np

from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.moving_shapes.dataset import Clip
from data_pipeline.moving_shapes.motion import RELATIONSHIPS
from data_pipeline.moving_shapes.scene import Scene
from tests.data_pipeline.moving_shapes.sentence_reading import (
    ACTION_OF_VERB,
    SHAPE_OF_NOUN,
    fits,
    is_true,
    might_be_granted,
    read,
)


def test_captions_are_true_and_different(made: list[Clip[Scene]]) -> None:
    for one in made:
        assert len(set(one.captions)) == 5
        assert [text for text in one.captions if not is_true(text, one.scene)] == []


def test_mentioned_shapes_can_be_told_apart(made: list[Clip[Scene]]) -> None:
    for one in made:
        for text in one.captions:
            for phrase in read(text).phrases:
                assert sum(fits(phrase, look) for look in one.scene.looks) == 1, text


def test_captions_vary(made: list[Clip[Scene]]) -> None:
    readings = [read(text) for one in made for text in one.captions]
    assert {reading.action for reading in readings} == set(ACTION_OF_VERB)
    assert sum(reading.passive for reading in readings) > 200
    alone = {reading.skeleton for reading in readings if reading.skeleton.count("X") == 1}
    assert {"X is pushed", "X is moving away", "X orbits something"} <= alone
    nouns = {phrase[3] for reading in readings for phrase in reading.phrases}
    assert nouns == set(SHAPE_OF_NOUN)


def test_no_foil_could_be_called_true(made: list[Clip[Scene]]) -> None:
    assert [foil for one in made for foil in one.foils if might_be_granted(foil.text, one.scene)] == []


def test_foils_differ_in_one_point(made: list[Clip[Scene]]) -> None:
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


def test_every_caption_has_the_foils_it_allows(made: list[Clip[Scene]]) -> None:
    for one in made:
        foils = collections.Counter((foil.kind, foil.caption_index) for foil in one.foils)
        assert set(foils.values()) == {1}
        for index, text in enumerate(one.captions):
            reading = read(text)
            assert ("entity", index) in foils
            assert (("role", index) in foils) == (len(reading.phrases) == 2)
            alone = len(one.scene.looks) == 2 and not reading.skeleton.endswith(("X", "something"))
            assert (("action", index) in foils) == (not reading.passive and not alone)


def test_verbs_alone_do_not_give_a_foil_away(made: list[Clip[Scene]]) -> None:
    true: collections.Counter[str] = collections.Counter()
    false: collections.Counter[str] = collections.Counter()
    for one in made:
        for foil in one.foils:
            if foil.kind == "action":
                true[read(one.captions[foil.caption_index]).action] += 1
                false[read(foil.text).action] += 1
    for action in RELATIONSHIPS:
        assert abs(true[action] / false[action] - 1) < 0.35, action


def test_parser_finds_who_does_what(made: list[Clip[Scene]], parser: CaptionParser) -> None:
    texts = sorted({text for one in made[:150] for text in one.captions})
    for text, graph in zip(texts, parser.parse(texts), strict=True):
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
