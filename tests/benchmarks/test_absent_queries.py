"""The measurement of queries for what is absent: its ground truth, and the program on few clips."""

import pathlib

import numpy as np
import pytest

from benchmarks.quality.absent_queries import Found
from benchmarks.quality.shape_queries import make_clips, might_be_said, things
from data_pipeline.moving_shapes import dataset
from mcsan_jax.retrieval.model import Mcsan
from tests.benchmarks.programs import figures_of, refusal_of
from tests.data_pipeline.moving_shapes.sentence_reading import might_be_granted


def test_clips_are_those_of_the_data_set() -> None:
    made = make_clips("test", 3, seed=0)
    for clip, queries in zip(dataset.clips("test", 3, seed=0), made.queries, strict=True):
        assert tuple(query.text for query in queries) == clip.captions
        np.testing.assert_array_equal(made.features["objects"][clip.video_id], clip.regions)


def test_what_might_be_said_is_what_a_reader_of_the_sentences_would_grant() -> None:
    made = make_clips("test", 120, seed=3)
    granted = said = 0
    for queries in made.queries[:60]:
        for scene, own in zip(made.scenes, made.queries, strict=True):
            ours = might_be_said(queries[0], scene)
            said += ours
            granted += might_be_granted(queries[0].text, scene)
            # It is at least as generous.
            assert ours or not might_be_granted(queries[0].text, scene) or own is queries
    assert said >= granted > 60


def test_every_caption_might_be_said_of_its_own_clip() -> None:
    made = make_clips("val", 80, seed=0)
    assert all(
        might_be_said(query, scene)
        for scene, queries in zip(made.scenes, made.queries, strict=True)
        for query in queries
    )


def test_things_are_shown_and_asked_for() -> None:
    made = make_clips("test", 60, seed=0)
    kinds = {
        kind: [thing for thing in things() if thing.kind == kind] for kind in ("shape", "colour", "pair")
    }
    assert {kind: len(found) for kind, found in kinds.items()} == {"shape": 4, "colour": 6, "pair": 24}
    for scene, queries in zip(made.scenes, made.queries, strict=True):
        shown = {thing.name for thing in kinds["pair"] if thing.shown(scene)}
        assert shown == {f"{look.colour} {look.shape}" for look in scene.looks}
        for query in queries:
            # A caption asks for nothing that its own clip lacks.
            assert all(thing.shown(scene) for thing in things() if thing.asked(query))
            colours = {phrase.colour for phrase in query.sentence.phrases if str(phrase) in query.text}
            assert {t.name for t in kinds["colour"] if t.asked(query)} == colours - {None}


def test_shares_at_a_threshold() -> None:
    found = Found(np.linspace(0.01, 1, 100), np.linspace(0.005, 0.5, 100), np.ones(100, bool))
    assert found.answered_where_refused(0.1) == pytest.approx(0.79, abs=0.02)
    assert found.refused_where_answered(0.05) == pytest.approx(0.47, abs=0.02)


@pytest.mark.slow
def test_few_clips_are_measured(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("demo", "--clips=25", "--sizes=5,20", "--queries=12")
    figures = figures_of("absent_queries", tmp_path, *words)
    assert set(figures["absent"]) == {"shape", "colour", "action", "pair"}
    for own in figures["absent"].values():
        shares = list(own["answered_where_refused"].values())
        assert shares == sorted(shares, reverse=True) and 0 <= own["refused"] <= 1
    assert set(figures["sizes"]) == {"5", "20"}
    said = capsys.readouterr().out
    assert "| colour " in said and "| 20 " in said


def test_a_model_without_calibration_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Mcsan.from_pretrained("demo")
    model.calibration = None
    model.save_pretrained(tmp_path / "model")
    assert "`mcsan eval RUN` fits one" in refusal_of("absent_queries", [str(tmp_path / "model")], capsys)
