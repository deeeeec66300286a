"""`mcsan search`: what it prints, in every form, and what it refuses."""

import csv
import io
import json
import pathlib

import pytest

from mcsan_jax.search.index_searcher import IndexSearcher
from tests.support.command_line import Ended, run_mcsan

PUSH = "a red ball pushes the blue box"
ALL = "--min-probability=0"


def search(index: pathlib.Path, *words: object) -> Ended:
    return run_mcsan("search", index, *words)


def test_the_table_has_moments_probabilities_and_what_adds_up_to_the_score(demo_index: pathlib.Path) -> None:
    ended = search(demo_index, PUSH, "-k", 3, ALL)
    assert (ended.status, ended.stderr) == (0, "")
    head, _, *lines = ended.stdout.splitlines()
    names = "rank video moment probability score global entity action relationship linear"
    assert head.split() == names.split()
    assert len(lines) == 3
    for number, line in enumerate(lines, start=1):
        rank, video, moment, probability, score, *added = line.split()
        assert (rank, video[:7]) == (str(number), "test_00")
        start, end = (float(one.removeprefix("0:")) for one in moment.split("–"))
        assert 0 <= start < end <= 2.0
        assert 0 < float(probability) < 1
        assert sum(map(float, added)) == pytest.approx(float(score), abs=0.004)


def test_a_query_may_be_several_words_and_begin_with_a_minus(demo_index: pathlib.Path) -> None:
    whole = search(demo_index, "-star a red ball moves", ALL, "-k2", "--json")
    for words in (
        ["-star", "a", "red", "ball", "moves", ALL, "-k", "2", "--json"],
        ["-k", "2", "--json", ALL, "--", "-star", "a red ball moves"],
        ["--json", "-star a red", ALL, "ball moves", "-k2"],
    ):
        ended = search(demo_index, *words)
        found = json.loads(ended.stdout)
        assert found["query"] == "-star a red ball moves"
        expected = json.loads(whole.stdout)
        assert [one["video"] for one in found["answers"]] == [one["video"] for one in expected["answers"]]
        assert all(one["contributions"]["without star"] <= 0 for one in found["answers"])
    assert "note: read as 'a red ball moves', without 'star'" in whole.stderr


def test_the_forms_say_the_same(demo_index: pathlib.Path) -> None:
    request = (PUSH, "-k", 4, ALL, "--filter", 'camera = "north"')
    found = json.loads(search(demo_index, *request, "--json").stdout)["answers"]
    assert len(found) == 4 and {one["metadata"]["camera"] for one in found} == {"north"}
    rows = list(csv.DictReader(io.StringIO(search(demo_index, *request, "--csv").stdout)))
    assert [row["video"] for row in rows] == [one["video"] for one in found]
    for row, one in zip(rows, found, strict=True):
        assert float(row["score"]) == pytest.approx(one["score"], abs=1e-6)
        assert float(row["end"]) == pytest.approx(one["moments"][0]["end"], abs=1e-5)
        assert (row["camera"], row["caption"]) == ("north", one["metadata"]["caption"])
    edl = search(demo_index, *request, "--edl", "--frame-rate", 24).stdout.splitlines()
    assert edl[0] == f"TITLE: {PUSH}"
    files = [line.rpartition("/")[2] for line in edl if line.startswith("* FROM CLIP:")]
    assert files == [f"{one['video']}.mp4" for one in found]
    for line, one in zip([line for line in edl if line[:3].isdigit()], found, strict=True):
        first, last = (24 * int(part[6:8]) + int(part[9:11]) for part in line.split()[4:6])
        assert first == round(24 * one["moments"][0]["start"])
        assert last == max(round(24 * one["moments"][0]["end"]), first + 1)


def test_answers_are_explained_with_bars(demo_index: pathlib.Path, demo_searcher: IndexSearcher) -> None:
    ended = search(demo_index, PUSH, "-k", 1, ALL, "--explain")
    lines = ended.stdout.splitlines()
    [bar] = [line for line in lines if line.split()[:3] == ["entity", "red", "ball"]]
    assert len(bar.split()[4]) == 12 and set(bar.split()[4]) <= set("▁▂▃▄▅▆▇█")
    assert any(line.split()[:2] == ["relationship", "pushes"] for line in lines)
    found = json.loads(search(demo_index, PUSH, "-k", 1, ALL, "--explain", "--json").stdout)
    [answer] = found["answers"]
    explanation = demo_searcher.explain(PUSH, answer["video"])
    [explained] = answer["explanations"]
    assert explained["levels"]["entity"]["phrases"] == ["red ball", "blue box"]
    assert explained["scores"]["fused"] == pytest.approx(explanation.scores["fused"], abs=1e-6)


def test_no_good_match_is_said(demo_index: pathlib.Path) -> None:
    ended = search(demo_index, "a man plays the piano")
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout.startswith("no good match for 'a man plays the piano' among 61 videos")
    for form in ("--csv", "--edl", "--json"):
        ended = search(demo_index, "a man plays the piano", form)
        assert ended.status == 0 and ended.stderr.startswith("no good match for 'a man plays the piano'")
    assert json.loads(ended.stdout)["answers"] == []


def test_similar_videos_and_captions_are_printed(demo_index: pathlib.Path, tmp_path: pathlib.Path) -> None:
    similar = json.loads(search(demo_index, "--like", "test_00059", "-k", 2, "--json").stdout)
    assert similar["answers"][0]["video"] == "again"
    assert similar["query"] == "like test_00059"
    texts = tmp_path / "texts.txt"
    texts.write_text("a red ball\n\nthe yellow star hops\n", encoding="utf-8")
    ended = search(demo_index, "--captions-for=test_00003", "--texts", texts, "--csv")
    rows = list(csv.DictReader(io.StringIO(ended.stdout)))
    probabilities = {row["caption"]: row["probability"] for row in rows}
    assert probabilities.keys() == {"a red ball", "the yellow star hops"}
    assert probabilities["a red ball"] == "" and 0 <= float(probabilities["the yellow star hops"]) <= 1
    assert "note: 1 of these texts have no probability" in ended.stderr
    own = search(demo_index, "--captions-for=test_00003", "-k1").stdout.splitlines()
    assert own[0].split() == ["rank", "probability", "score", "caption"] and len(own) == 3


def test_answers_are_written_to_a_file(demo_index: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "answers.csv"
    first = search(demo_index, PUSH, ALL, "--csv", "--out", out)
    assert (first.status, first.stdout) == (0, f"written to {out}\n")
    assert out.read_text().startswith("rank,video,start,end,probability,score,global,")
    again = search(demo_index, PUSH, ALL, "--csv", "--out", out)
    assert again.status == 2 and "this file exists already" in again.stderr
    assert search(demo_index, PUSH, ALL, "--out", out, "--overwrite").status == 0
    assert out.read_text().split()[0] == "rank"


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ([], ["there is nothing to search for; give a sentence, --like=VIDEO or --captions-for=VIDEO"]),
        ([" "], ["there is nothing to search for"]),
        (["a ball", "-k", "0"], ["k, the number of answers: expected from 1 to 1,000, found 0"]),
        (["a ball", "-k", "-5"], ["found -5"]),
        (["a ball", "-k", "1000000"], ["found 1000000"]),
        (["a ball", "--filter", "camera = "], ["the filter, line 1, column 8"]),
        (["a ball", "--filter", "camra = 1"], ["did you mean 'camera'"]),
        (
            ["a ball", "--group-by", "yeer"],
            ["group_by: no column 'yeer' in the index; did you mean 'year'?"],
        ),
        (["a ball", "--sort", "date"], ["sort: expected score or time, found 'date'"]),
        (["a ball", "--min-probability", "2"], ["min_probability: expected a number from 0 to 1, found 2.0"]),
        (["a ball", "--like", "test_00001"], ["a query and --like are given; choose one of them"]),
        (["--like", "test_0001"], ["no video 'test_0001'", "did you mean 'test_000"]),
        (
            ["a ball", "--like", "test_00001", "--filter", "year = ", "-k0"],
            ["3 faults:", "k, the number", "choose one of them", "the filter, line 1"],
        ),
        (["a ball", "-k=3"], ["Invalid value for '-k'"]),
        (["--captions-for", "x", "--filter", "year = 1"], ["no video 'x'", "--filter chooses among videos"]),
        (
            ["a ball", "--texts", "none.txt"],
            ["--texts are those for", "none.txt: cannot be read (No such file"],
        ),
        (["a ball", "--csv", "--edl"], ["--csv and --edl are given; choose one of them"]),
        (["a ball", "--csv", "--explain"], ["--csv has no place for --explain"]),
        (["a ball", "--edl", "--frame-rate", "17"], ["expected one that time codes have", "found 17"]),
        (["a ball", "--frame-rate", "24"], ["--frame-rate is for --edl"]),
        (
            ["--like=test_00001", "--explain", "--sort=time"],
            ["--explain is for queries", "--sort is for queries"],
        ),
        (
            ["a ball", "--k", "3"],
            ["No such option: --k"],
        ),
        (["a ball", "--fliter", "x"], ["No such option: --fliter", "--filter"]),
        (["-ball"], ["only says what a video should not have"]),
        (
            ["a ball", "-k0", "--sort=x", "--group-by=y", "--filter=z", "--csv", "--explain"],
            ["5 faults:", "k, the number", "sort:", "group_by:", "the filter", "--explain"],
        ),
    ],
)
def test_wrong_flags_are_refused(demo_index: pathlib.Path, words: list[str], messages: list[str]) -> None:
    ended = search(demo_index, *words)
    assert ended.status == 2 and ended.stdout == ""
    for message in messages:
        assert message in ended.stderr


def test_an_index_that_is_none_is_refused_with_what_else_is_wrong(tmp_path: pathlib.Path) -> None:
    ended = search(tmp_path / "nothing", "a ball", "-k", 0)
    assert ended.status == 2
    assert str(tmp_path / "nothing") in ended.stderr and "k, the number of answers" in ended.stderr
    file = tmp_path / "videos.csv"
    file.touch()
    ended = search(file, "a ball")
    assert ended.status == 2 and f"{file} is no index" in ended.stderr and "Errno" not in ended.stderr


def test_answers_are_written_into_a_new_folder_and_not_below_a_file(
    demo_index: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "new" / "answers.csv"
    words = ("a ball", "--min-probability=0", "-k1", "--csv")
    assert search(demo_index, *words, f"--out={out}").status == 0 and out.is_file()
    ended = search(demo_index, *words, f"--out={out / 'below.csv'}")
    assert (
        ended.status == 2 and "nothing can be written there (Not a directory); name another" in ended.stderr
    )
