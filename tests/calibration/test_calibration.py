import dataclasses
import json
import pathlib

import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.calibration.calibration import Calibration, FittedOn, keep_calibration, read_calibration
from mcsan_jax.scoring.multi_level import FUSED
from tests.calibration.plain_calibration import plain_probabilities

LEVELS = [["action", "entity"], ["entity"]]
FITTED_ON = FittedOn("val", 384, 1500, 300, "wrong", 0.03, 0.01, 0.08, 0.6, LEVELS, {"numpy": "2.4"})
CALIBRATION = Calibration(0.03, 0.34, 0.9, FITTED_ON)


@pytest.mark.parametrize("searched", [None, 400])
@pytest.mark.parametrize("scores", [[0.5], [0.7, 0.69, 0.2], [0.1, 0.1, 0.1, -0.4], [3.0, -5.0]])
def test_equal_to_loops(scores: list[float], searched: int | None) -> None:
    found = CALIBRATION.probabilities({FUSED: np.array(scores, np.float32)}, searched)
    of_rounded = [float(np.float32(score)) for score in scores]
    expected = plain_probabilities(of_rounded, 0.03, 0.34, searched or len(scores))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)
    presence = CALIBRATION.presence({FUSED: np.array(scores, np.float32)}, searched)
    assert presence == pytest.approx(sum(expected)) and presence <= 1
    good = CALIBRATION.has_good_match({FUSED: np.array(scores, np.float32)}, searched)
    assert good == (presence >= 0.9)


def test_probabilities_follow_score_margin_and_size() -> None:
    def first(*scores: float, searched: int | None = None) -> float:
        return float(CALIBRATION.probabilities({FUSED: np.array(scores)}, searched)[0])

    assert first(0.6, 0.2) > first(0.5, 0.2) > first(0.5, 0.45) > first(0.5, 0.45, 0.45)
    assert first(0.5, searched=1) > first(0.5, searched=100)
    # A video alone is the answer only where its score says so.
    assert first(0.8) > 0.99 and first(0.0) < 0.01
    assert CALIBRATION.presence({FUSED: np.array([0.34])}) == pytest.approx(0.5)


def test_answers_must_be_there_and_come_from_as_many_videos() -> None:
    with pytest.raises(ValueError, match="0 answers of 0 videos"):
        CALIBRATION.probabilities({FUSED: np.zeros(0)})
    with pytest.raises(ValueError, match="3 answers of 2 videos"):
        CALIBRATION.probabilities({FUSED: np.zeros(3)}, searched=2)


def test_written_and_read_again(tmp_path: pathlib.Path) -> None:
    assert read_calibration(tmp_path) is None
    keep_calibration(CALIBRATION, tmp_path)
    assert read_calibration(tmp_path) == CALIBRATION
    assert read_calibration(tmp_path, 384) == CALIBRATION
    # A run that was trained further has another model.
    assert read_calibration(tmp_path, 385) is None
    keep_calibration(None, tmp_path)
    assert not list(tmp_path.iterdir())
    keep_calibration(None, tmp_path)


def test_a_newer_version_is_unknown(tmp_path: pathlib.Path) -> None:
    keep_calibration(dataclasses.replace(CALIBRATION, schema_version=2), tmp_path)
    assert read_calibration(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0}, r"calibration\.json: temperature is 0; expected a number in \(0, ∞\).*"),
        ({"threshold": 1.5}, r"threshold is 1\.5; expected a number in \[0, 1\]"),
        ({"threshhold": 0.5}, r"threshhold is no known key; did you mean .*threshold"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: pathlib.Path, change: dict[str, float], message: str) -> None:
    keep_calibration(CALIBRATION, tmp_path)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message) as caught:
        read_calibration(tmp_path)
    assert "or delete it: `mcsan eval RUN` fits another" in str(caught.value)


def test_a_cut_file_is_refused(tmp_path: pathlib.Path) -> None:
    keep_calibration(CALIBRATION, tmp_path)
    path = tmp_path / "calibration.json"
    path.write_text(path.read_text()[:40])
    with pytest.raises(InputError, match=r"calibration\.json is no valid JSON"):
        read_calibration(tmp_path)


def test_texts_of_another_kind_are_unknown() -> None:
    assert CALIBRATION.knows(["entity", "action"]) and CALIBRATION.knows({"entity"})
    assert not CALIBRATION.knows([]) and not CALIBRATION.knows(["entity", "action", "relationship"])
