"""The benchmarks of parsing and preparing, run with small data."""

import importlib.util
import pathlib

import pytest

from benchmarks.speed import parse_captions, preparation
from tests.benchmarks.programs import figures_of, refusal_of, started_figures
from tests.support.small_sources import write_source


def test_all_captions_of_a_source_are_parsed_and_described(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_source(tmp_path, "msrvtt")
    words = ("--dataset=msrvtt", f"--annotations={source}", "--processes=1")
    found = figures_of("parse_captions", tmp_path, *words)
    assert (found["captions"], found["distinct"]) == (640, 640) and found["seconds"] > 0
    one = {"mean": 1.0, "median": 1, "quantile_99": 1, "most": 1, "without": 0.0}
    none = {"mean": 0.0, "median": 0, "quantile_99": 0, "most": 0, "without": 1.0}
    assert found["nodes"] == {"entities": one, "actions": none, "relationships": none}
    nothing = {"attributes": 0, "kept": {}}
    frequent = {"positives": 1.0, "most": 320, "median": 320, "least": 320}
    assert found["attributes"] == {
        # Each caption has a number of its own, which is a modifier: "12" and "12 caption".
        "entity": {"attributes": 1 + 2 * 640, "kept": {"caption": 1.0}, **frequent},
        "action": nothing,
        "relationship": nothing,
    }
    assert "| entity | 1,281 | 1 | 100.00 % | 320 : 320 : 320 | caption 100 |" in capsys.readouterr().out


def test_captions_that_are_not_there_are_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--dataset=msrvtt", f"--annotations={write_source(tmp_path, 'msrvtt')}", "--split=tests"]
    assert refusal_of("parse_captions", words, capsys) == "error: no caption is in split 'tests'\n"
    message = refusal_of("parse_captions", ["--dataset=coco", f"--annotations={tmp_path}"], capsys)
    assert message.startswith("error: no annotation source 'coco'; expected one of msrvtt, vatex")


def test_numbers_of_nodes_are_described() -> None:
    counts = [0, 0, 1, 2, 2, 12]
    found = parse_captions.caption_statistics({"actions": counts})
    assert found["actions"] == {
        "mean": pytest.approx(17 / 6),
        "median": 1,
        "quantile_99": 11,
        "most": 12,
        "without": pytest.approx(1 / 3),
    }
    *_, row = parse_captions.count_table({"actions": counts}).splitlines()
    assert row == "| actions | 2 | 1 | 2 | 0 | 0 | 0 | 0 | 0 | 1 |"


def test_attributes_are_described_by_how_uneven_they_are() -> None:
    counts = {("action", "run"): 10, ("action", "sit"): 6, ("action", "lie"): 5, ("action", "fly"): 4}
    found = parse_captions.attribute_statistics(counts, videos=20)
    assert found["action"] == {
        "attributes": 4,
        "kept": {"run": 0.5, "sit": 0.3, "lie": 0.25},
        "positives": pytest.approx(0.35),
        "most": 10,
        "median": 6,
        "least": 5,
    }
    assert list(found["action"]["kept"]) == ["run", "sit", "lie"]


def test_made_captions_are_different_and_enough() -> None:
    captions = preparation.make_captions(4, 5).captions
    assert len(captions) == 20 and len({caption.text for caption in captions}) > 15
    assert {caption.video_id for caption in captions} == {f"v{video}" for video in range(4)}


@pytest.mark.slow
def test_all_runs_write_the_same_records(tmp_path: pathlib.Path) -> None:
    sizes = ("--videos=8", "--captions=3", "--frames=4", "--dim=6", "--workers=2")
    found = started_figures("preparation", tmp_path, *sizes)
    assert (found["videos"], found["captions"], found["bytes"]) == (8, 24, 8 * 4 * 6 * 2)
    beam = ["Beam, 1 worker", "Beam, 2 workers"] if importlib.util.find_spec("apache_beam") else []
    assert [run["run"] for run in found["runs"]] == ["this process", "2 processes", *beam]
    assert all(run["parsing_seconds"] > 0 and run["writing_seconds"] > 0 for run in found["runs"])
    first, many = found["runs"][0], found["many"]
    seconds = (first["parsing_seconds"] + first["writing_seconds"]) / 8
    assert many["core_hours"] == pytest.approx(many["videos"] * seconds / 3600)
    assert many["terabytes"] == pytest.approx(many["videos"] * 4 * 6 * 2 / 1e12)
