"""The benchmarks of searches run through, and what they find is right; nothing here is timed."""

import pathlib

import numpy as np
import pytest

from benchmarks.speed.made_up_index import SEGMENT, Kind, MadeUp, bytes_of, open_search, write_videos
from benchmarks.speed.search import searches
from mcsan_jax.search.stages.two_stages import ScoredVideos
from tests.benchmarks.programs import figures_of, refusal_of


@pytest.mark.slow
def test_searches_are_compared(tmp_path: pathlib.Path) -> None:
    sizes = ("--sizes=600", "--frames=3", "--width=16", "--rounds=2", "--queries=4", f"--folder={tmp_path}")
    found = figures_of("search", tmp_path, *sizes)["indexes"]
    assert [(one["kind"], one["videos"]) for one in found] == [("trained_like", 600), ("independent", 600)]
    for one in found:
        names = {"exact", "two stages", "flat engine", "NumPy scan", "FAISS flat", "bare products"}
        assert set(one["milliseconds"]) == names
        assert all(0 < of["least"] <= of["median"] <= of["p99"] for of in one["milliseconds"].values())
        assert one["two_stage_recall"] >= one["recall"]["500"] >= one["recall"]["50"] > 0.3
        assert one["memory"] > 1e8 and one["scored"] <= 600
    assert found[0]["recall"]["50"] > found[1]["recall"]["50"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json"]


def test_the_peers_search_the_same_vectors(tmp_path: pathlib.Path) -> None:
    made_up = MadeUp(Kind.TRAINED_LIKE, SEGMENT // 100, 3, 16, 0)
    segments = write_videos(made_up, tmp_path)
    assert bytes_of(segments) == sum(path.stat().st_size - 128 for path in tmp_path.rglob("*.npy"))
    functions, text = searches(segments, open_search(segments)), made_up.texts(1)
    [(numbers, _)] = functions["flat engine"](text)
    _, [of_faiss] = functions["FAISS flat"](text)
    assert numbers.tolist() == of_faiss.tolist()
    assert set(functions["NumPy scan"](text)) == set(numbers)
    [exact] = functions["exact"](text)
    assert isinstance(exact, ScoredVideos) and len(exact.rows) == made_up.videos
    [of_pooled, *of_levels] = functions["bare products"](text)
    assert of_pooled.shape == (made_up.videos, 1)
    assert {len(of_level) for of_level in of_levels} == {3 * made_up.videos}


def test_trained_like_frames_resemble_each_other() -> None:
    for kind, least, most in ((Kind.TRAINED_LIKE, 0.5, 0.75), (Kind.INDEPENDENT, -0.1, 0.1)):
        [videos] = MadeUp(kind, 50, 4, 64, 0).segments()
        assert least < np.median(videos.frames["entity"].gram[:, 0, 1]) < most


def test_a_size_that_is_no_number_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal_of("search", ["--sizes=100,0"], capsys)
    assert "--sizes: expected different numbers from 1 on" in said and "found '100,0'" in said


@pytest.mark.slow
def test_what_people_wait_for_is_timed(tmp_path: pathlib.Path) -> None:
    found = figures_of("search_commands", tmp_path, "--videos=5", "--commands=1", "--rounds=2")
    assert found["videos"] == 5
    assert found["first_seconds"] > 0 and found["seconds"] > 0 and found["bytes"] > 1e8
    assert all(found[name] > 0 for name in ("add", "remove", "search", "explanation"))
