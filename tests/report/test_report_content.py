import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_pipeline.levels import LEVELS
from mcsan_jax.ranking.metrics import retrieval_metrics
from mcsan_jax.ranking.ranks import Ranks, text_to_video_ranks, video_to_text_ranks
from mcsan_jax.report.page import write_report
from mcsan_jax.report.rank_charts import integer_groups, recall_curve
from mcsan_jax.report.score_charts import occurrence_groups
from mcsan_jax.runs.record import package_versions
from tests.report.report_page import ReportPage
from tests.report.reported_run import CLIPS, HOSTILE, change_evaluation, reported_run
from tests.support.fake_evaluation import Ranked

SECTIONS = {
    "results": 0,
    "recall-at-k": 2,
    "ranks": 2,
    "levels": 0,
    "ablation": 0,
    "hubness": 0,
    "attributes": 3,
    "scores": 1,
    "calibration": 1,
    "hubs": 2,
    "slices": 5,
    "compositional-test": 2,
    "failure-cases": 0,
    "shared-captions": 0,
    "training": 6,
    "configuration-and-versions": 0,
}
"""Number of pictures of each section for one run."""


@pytest.fixture(scope="module")
def page(one_report: Path) -> ReportPage:
    return ReportPage(one_report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pair(two_reports: Path) -> ReportPage:
    return ReportPage(two_reports.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def evaluation(runs: tuple[Path, Path]) -> dict[str, Any]:
    return read_evaluation(runs[0])


def read_evaluation(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "eval" / "test.json").read_text(encoding="utf-8")))


def test_a_report_lies_beside_its_evaluation(one_report: Path, runs: tuple[Path, Path]) -> None:
    assert one_report == runs[0] / "eval" / "test_report.html"
    assert not list(one_report.parent.glob(".*"))
    assert one_report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_complete_run_has_every_section(page: ReportPage, section: str) -> None:
    assert len(page.pictures[section]) == SECTIONS[section]
    assert page.pictures[section] or page.tables[section]


def test_results_have_the_protocol_and_intervals(page: ReportPage, evaluation: dict[str, Any]) -> None:
    for line in evaluation["protocol"]["lines"]:
        assert line in page.text["results"]
    low, high = evaluation["intervals"]["rsum"]
    assert page.cells("results", "Rsum")[1] == f"{evaluation['rsum']:.1f} [{low:.1f}, {high:.1f}]"
    for table, direction in ((1, "t2v"), (2, "v2t")):
        figures = evaluation["directions"]["fused"][direction]
        for metric in ("R@1", "R@5", "R@10", "R@50", "MnR", "mAP", "nDCG@10"):
            low, high = evaluation["intervals"][direction][metric]
            expected = f"{figures[metric]:.1f} [{low:.1f}, {high:.1f}]"
            assert page.cells("results", metric, table)[1] == expected
    for section in ("levels", "ablation", "hubness", "attributes", "compositional-test"):
        assert "Protocol: demo, split test, 60 videos, 240 captions" in page.text[section]


def test_recall_curves_are_those_of_the_scores(page: ReportPage) -> None:
    fused = Ranked(CLIPS, seed=0).scores["fused"]
    ranks = text_to_video_ranks(fused, CLIPS.owners), video_to_text_ranks(fused, CLIPS.owners)
    for own, description in zip(ranks, page.pictures["recall-at-k"], strict=True):
        for k in (1, 5, 10, 50):
            assert f"{100 * own.hit_probability(k).mean():.1f} at {k}" in description


def test_a_recall_curve_counts_ties_by_expectation() -> None:
    random = np.random.default_rng(0)
    relevant = random.integers(1, 4, 200)
    ranks = Ranks(random.integers(0, 5, 200), relevant + random.integers(0, 4, 200), relevant)
    curve = recall_curve(ranks, 10)
    figures = retrieval_metrics(ranks)
    assert curve[[0, 4, 9]] == pytest.approx([figures[f"R@{k}"] for k in (1, 5, 10)])
    assert np.all(np.diff(curve) >= -1e-9)


def test_levels_ablation_and_hubness_are_those_of_the_file(
    page: ReportPage, evaluation: dict[str, Any]
) -> None:
    directions = evaluation["directions"]
    for level in LEVELS:
        found = page.cells("levels", level)
        assert found[1:4] == ["0.250", *(f"{value:.1f}" for value in _beginning(directions[level]))]
        lead = directions[level]["rsum"] - evaluation["rsum"]
        assert page.cells("ablation", f"only {level}")[-1] == f"{lead:+.1f}"
    assert page.cells("ablation", "as trained")[-1] == "+0.0"
    skewness = [f"{evaluation['hubs'][way]['skewness']:.2f}" for way in ("t2v", "v2t")]
    assert page.cells("hubness", "no correction")[-2:] == skewness
    assert page.cells("hubness", "DSL (transductive)")[1] == "0.0100"
    assert page.cells("hubness", "CSLS")[1] == "–"


def _beginning(both: dict[str, Any]) -> tuple[float, float]:
    return both["rsum"], both["t2v"]["R@1"]


def test_attributes_hubs_and_foils_are_those_of_the_file(
    page: ReportPage, evaluation: dict[str, Any]
) -> None:
    rows = {tuple(row[:2]): row[2:] for row in page.tables["attributes"][0]}
    for level, thirds in evaluation["attributes"].items():
        for third, figures in thirds.items():
            assert rows[level, third] == ["33", f"{figures['mAP']:.1f}", f"{figures['chance']:.1f}"]
    for table, direction in enumerate(("t2v", "v2t")):
        hubs = evaluation["hubs"][direction]
        expected = [[hub["id"], str(hub["occurrences"])] for hub in hubs["top"]]
        assert page.tables["hubs"][table][1:] == expected
        never = hubs["histogram"][0]
        told = f"skewness {hubs['skewness']:.2f}, {never} items never"
        assert told in page.pictures["hubs"][table]
    row = ["action", "200", "50.0", "51.5", "91.5 [89.5, 93.5]", *["91.5"] * 4]
    assert page.cells("compositional-test", "action") == row
    drawn = page.pictures["compositional-test"]
    assert len(drawn) == 2 and "relationship 91.5" in drawn[0] and "words alone 51.5" in drawn[0]


def test_slices_are_counted_from_the_queries(page: ReportPage) -> None:
    fused = Ranked(CLIPS, seed=0).scores["fused"]
    hits = 100 * text_to_video_ranks(fused, CLIPS.owners).hit_probability(1)
    words = np.array([len(text.split()) for text in CLIPS.texts])
    by_words = page.tables["slices"][0][1:]
    assert sum(int(row[1]) for row in by_words) == len(CLIPS.captions)
    for name, queries, recall, _ in by_words:
        first, _, last = name.partition("–")
        inside = (int(first) <= words) & (int(last or first) >= words)
        assert (queries, recall) == (str(inside.sum()), f"{hits[inside].mean():.1f}")
    titles = [table[0][0] for table in page.tables["slices"]]
    assert titles == ["words", "nodes of all levels", "entities", "actions", "relationships"]


def test_groups_of_numbers_cover_all_of_them_once() -> None:
    assert integer_groups(np.array([3, 1, 3]), 7) == [(1, 1), (3, 3)]
    values = np.random.default_rng(0).geometric(0.1, 1000)
    groups = integer_groups(values, 7)
    assert 2 < len(groups) <= 7
    assert [groups[0][0], groups[-1][1]] == [values.min(), values.max()]
    assert all(last + 1 == first for (_, last), (first, _) in itertools.pairwise(groups))
    assert all(np.any((values >= first) & (values <= last)) for first, last in groups)


def test_groups_of_occurrences_are_few_and_grow() -> None:
    assert occurrence_groups(1) == occurrence_groups(2) == [0, 1]
    assert occurrence_groups(10) == [0, 1, 2, 3, 5, 9]
    assert occurrence_groups(9) == [0, 1, 2, 3, 5]
    for longest in (100, 200, 5000, 59_800, 10**7):
        groups = np.array(occurrence_groups(longest))
        assert 5 < len(groups) <= 10 and np.all(np.diff(groups) >= 1)
        assert longest / 33 < groups[-1] < longest


def test_failure_cases_name_what_came_instead_and_the_level(
    page: ReportPage, evaluation: dict[str, Any]
) -> None:
    text, tables = page.text["failure-cases"], page.tables["failure-cases"]
    assert len(tables) == len(evaluation["failure_cases"]) == 20
    for entry, table in zip(evaluation["failure_cases"], tables, strict=True):
        assert f"{entry['query']}: {entry['video']} at rank {entry['rank']:g}" in text
        assert entry["text"] in text
        blamed = [row for row in table if row[0] == f"{entry['blame']} ← to blame"]
        scores = entry["components"][entry["blame"]]
        lead = round(scores["returned"] - scores["relevant"], 3)
        assert blamed[0][1:] == [f"{scores['relevant']:.3f}", f"{scores['returned']:.3f}", f"{lead:+.3f}"]
        for answer in entry["returned"]:
            assert f"{answer['video']} ({answer['score']:.3f})" in text


def test_probabilities_are_compared_with_what_is_right(page: ReportPage, evaluation: dict[str, Any]) -> None:
    own = evaluation["calibration"]
    [_, row] = page.tables["calibration"][0]
    assert row[1:] == [
        "val",
        "240",
        *(f"{own[name]['ece']:.3f}" for name in ("first", "first_ten")),
        f"{own['threshold']:.2f}",
        *(f"{100 * own[name]:.1f}" for name in ("refused", "answered_absent")),
    ]
    first = own["first"]
    said, right = 100 * first["probabilities"][-1], 100 * first["relevant"][-1]
    [description] = page.pictures["calibration"]
    assert f"Of first answers, {right:.1f} % are right where {said:.1f} % are said to be." in description


def test_a_run_without_calibration_says_how_to_get_one(tmp_path: Path) -> None:
    run = reported_run(tmp_path / "run")
    change_evaluation(run, calibration=None)
    told = ReportPage(write_report([run]).read_text(encoding="utf-8")).text["calibration"]
    assert "No calibration was fitted" in told and "mcsan eval fits one" in told


def test_the_linear_branch_is_shown_where_there_is_one(page: ReportPage, tmp_path: Path) -> None:
    assert "linear" not in page.text["results"] + page.text["levels"]
    run = reported_run(tmp_path / "run")
    directions = read_evaluation(run)["directions"]
    lead = {"rsum": 12.34, "interval": [-1.26, 25.0]}
    change_evaluation(run, over_linear=lead, directions={**directions, "linear": directions["entity"]})
    shown = ReportPage(write_report([run]).read_text(encoding="utf-8"))
    assert (
        "run: Rsum of the fused score is +12.3 from that of the linear branch alone" in shown.text["results"]
    )
    assert "give -1.3 to +25.0" in shown.text["results"]
    assert shown.cells("levels", "linear")[2] == f"{directions['entity']['rsum']:.1f}"


def test_captions_that_videos_share_count_as_the_evaluation_says(tmp_path: Path) -> None:
    run = reported_run(tmp_path / "run")
    shared = read_evaluation(run)["false_negatives"]
    change_evaluation(run, same_text="relevant", false_negatives={**shared, "rsum_apart": 123.45})
    told = ReportPage(write_report([run]).read_text(encoding="utf-8")).text["shared-captions"]
    assert "which counts as relevant. If every such video counted as wrong, Rsum would be 123.5" in told


def test_false_negatives_training_and_provenance_are_told(
    page: ReportPage, evaluation: dict[str, Any]
) -> None:
    found = page.text["shared-captions"]
    assert "3 captions (1.2 %)" in found
    assert f"Rsum would be {evaluation['rsum'] + 1:.1f} instead of {evaluation['rsum']:.1f}" in found
    example = [HOSTILE, "clip00#0", "clip00", "clip59", "5.5"]
    assert page.tables["shared-captions"][0][1] == example
    assert "from 20.00 to 1.67" in page.pictures["training"][0]
    assert f"from {evaluation['rsum'] / 3:.2f} to {evaluation['rsum']:,.2f}" in page.pictures["training"][4]
    versions, fields = page.tables["configuration-and-versions"]
    assert ["jax", package_versions()["jax"]] in versions
    assert ["loss.focal_gamma", "2.0"] in fields
    assert ["model.levels", ", ".join(LEVELS)] in fields
    assert [int(row[1]) for row in page.tables[""][0][1:3]] == [60, 240]


def test_two_runs_stand_side_by_side(pair: ReportPage, runs: tuple[Path, Path]) -> None:
    evaluations = [read_evaluation(run) for run in runs]
    names = [run.name for run in runs]
    assert pair.tables["results"][0][0] == ["", *names]
    for direction, table in (("t2v", 1), ("v2t", 2)):
        cells = pair.cells("results", "R@1", table)[1:]
        expected = [f"{one['directions']['fused'][direction]['R@1']:.1f}" for one in evaluations]
        assert [cell.split()[0] for cell in cells] == expected
    assert pair.tables["levels"][0][0] == ["", *names]
    assert len(pair.pictures["recall-at-k"]) == 2
    assert all(name in description for name in names for description in pair.pictures["recall-at-k"])
    assert len(pair.pictures["scores"]) == 2
    assert len(pair.tables["failure-cases"]) == 40
    differing = pair.tables["configuration-and-versions"][0]
    assert differing == [
        ["field", *names],
        ["name", *names],
        ["loss.focal_gamma", "2.0", "0.0"],
        ["train.seed", "0", "1"],
    ]


@pytest.mark.parametrize("report", ["one_report", "two_reports"])
def test_text_is_escaped_and_nothing_comes_from_outside(report: str, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(report).read_text(encoding="utf-8")
    page = ReportPage(content)
    assert not {"script", "link", "img", "image", "iframe", "object", "b"} & set(page.tags)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in content
    assert "focal <b>" in page.text[""]
    assert f"https://example.org/{'x' * 200}" in page.text["configuration-and-versions"]
    outside = [
        (name, value)
        for name, value in page.attributes
        if re.search(r"https?:|//", value) and not name.startswith("xmlns")
    ]
    assert not outside
    targets = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action")]
    assert targets and all(target.startswith("#") for target in targets)
    assert not re.search(r"url\((?!#)|@import", content)
    ids = [value for name, value in page.attributes if name == "id"]
    used = {target[1:] for target in targets} | set(re.findall(r"url\(#([^)]+)\)", content))
    assert all(ids.count(one) == 1 for one in used)


@pytest.mark.parametrize("report", ["one_report", "two_reports"])
def test_every_picture_is_described(report: str, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(report).read_text(encoding="utf-8")
    descriptions = [text for texts in ReportPage(content).pictures.values() for text in texts]
    assert len(descriptions) == content.count("<svg") == len(re.findall(r"<svg[^>]+><title>", content))
    assert all(len(text.split()) > 5 for text in descriptions)
    assert len(set(descriptions)) == len(descriptions)


def test_the_same_files_give_the_same_report(
    one_report: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    again = write_report(runs[:1], "test", tmp_path / "again.html")
    assert again.read_bytes() == one_report.read_bytes()
