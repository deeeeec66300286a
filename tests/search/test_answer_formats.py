"""The forms of a result with odd names and values."""

import csv
import dataclasses
import datetime
import io
import json
import math
from typing import Any

import opentimelineio as otio
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.search.answer_formats import as_csv, as_edl, as_json
from mcsan_jax.search.answering.answer_table import as_table, clock
from mcsan_jax.search.answers import FoundMoment, QueryGraph, SearchAnswer, SearchResult

ODD = '[red]<b>,"\n= é'
METADATA = {
    "score": 3,
    "weight": math.nan,
    "day": datetime.date(2026, 1, 2),
    "tags": ["a", "b"],
    "title": ODD,
    "nothing": None,
}


def result(**changes: Any) -> SearchResult:
    moments = (FoundMoment("a ball", 1.0, 2.5, 1, 2), FoundMoment("a box", 61.0, 61.0, 60, 60))
    answers = (
        SearchAnswer(
            1,
            ODD,
            0.75,
            0.5,
            {"global": 0.5, "order": 0.25},
            {"global": 0.9},
            moments,
            (0.1, 0.2),
            (0.0, 1.0),
            METADATA,
            "a folder/a clip.mp4",
            ("other",),
        ),
        SearchAnswer(2, "plain", 0.5, None, {"global": 0.5}, {"global": 0.9}, (), (), (0.0, 4.0), {}, None),
    )
    graph = QueryGraph("a ball", {"entity": ("a ball",), "action": ()}, ())
    whole = SearchResult(ODD, answers, False, 0.25, ("a note",), (graph,), (), 2, 2, {})
    return dataclasses.replace(whole, **changes)


def test_json_holds_odd_values() -> None:
    found = json.loads(as_json(result()))
    metadata = found["answers"][0]["metadata"]
    assert metadata == {**METADATA, "weight": None, "day": "2026-01-02"}
    assert found["query"] == found["answers"][0]["video"] == ODD


def test_csv_keeps_lines_and_names_apart() -> None:
    first, second = csv.DictReader(io.StringIO(as_csv(result())))
    assert (first["video"], first["score"], first["metadata.score"]) == (ODD, "0.75", "3")
    assert (first["start"], first["end"], first["duplicates"]) == ("1", "61", "other")
    assert (first["tags"], first["day"], first["title"]) == ('["a", "b"]', "2026-01-02", ODD)
    assert (second["start"], second["probability"], second["order"], second["title"]) == ("", "", "", "")


def test_an_edl_is_read_again_as_the_moments() -> None:
    text = as_edl(result(), 25)
    assert text.splitlines()[0] == "TITLE: " + " ".join(ODD.split())
    [track] = otio.adapters.read_from_string(text, "cmx_3600", rate=25).tracks
    ranges = [
        (clip.source_range.start_time.value, clip.source_range.duration.value) for clip in track.find_clips()
    ]
    # A point in time becomes one frame, and an answer without a moment is there as a whole.
    assert ranges == [(25, 37), (1525, 1), (0, 100)]
    assert [clip.name for clip in track.find_clips()] == ["a clip.mp4", "a clip.mp4", "plain"]
    assert as_edl(result(answers=()), 25) == "TITLE: " + " ".join(ODD.split()) + "\n"


def test_an_edl_needs_times_and_a_rate_of_time_codes() -> None:
    timeless = tuple(
        SearchAnswer(1, name, 0.5, None, {}, {}, (), (), (), {}, None) for name in ("one", "two")
    )
    with pytest.raises(InputError, match="the times of frames are unknown of one, two, so that an EDL"):
        as_edl(result(answers=timeless), 25)
    with pytest.raises(InputError, match=r"expected one that time codes have, .* found 26"):
        as_edl(result(), 26)


def test_the_table_shows_names_as_they_are() -> None:
    lines = as_table(result(), "title").splitlines()
    assert any('[red]<b>,"' in line for line in lines)
    assert "0:01.00–0:02.50" in "\n".join(lines) and "1:01.00–1:01.00" in "\n".join(lines)
    assert "1: nearly the same: other" in lines and lines[-1] == "note: a note"
    refused = as_table(result(answers=(), no_good_match=True, presence=0.125))
    assert "the probability that one is there is 0.12, and 0.25 is the least" in refused


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.004, "0:00.00"),
        (0.125, "0:00.13"),
        (0.375, "0:00.38"),
        (59.996, "1:00.00"),
        (3599.999, "1:00:00.00"),
        (3725.25, "1:02:05.25"),
    ],
)
def test_times_are_minutes_and_seconds(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
