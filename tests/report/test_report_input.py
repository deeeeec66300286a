import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.levels import LEVELS
from mcsan_jax.config import EvaluationConfig
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.ranking.metrics import retrieval_metrics
from mcsan_jax.ranking.ranks import Ranks
from mcsan_jax.report.contents import SCORES, difference, number
from mcsan_jax.report.page import write_report
from mcsan_jax.runs.folder import RunFolder, choose_split
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR
from tests.report.report_page import ReportPage
from tests.report.reported_run import CLIPS, change_evaluation, reported_run
from tests.support.fake_evaluation import query_columns
from tests.support.fake_run import write_run

ABSENT = {
    "intervals": ("results", "No intervals were computed"),
    "level_weights": ("levels", "No weights of levels were stored"),
    "ablation": ("ablation", "No other ways to fuse were tried; mcsan eval with --ablate adds them"),
    "hubness": ("hubness", "No normalisation against hubs was tried"),
    "attributes": ("attributes", "No attributes were judged"),
    "densities": ("scores", "No densities were stored"),
    "hubs": ("hubs", "No hubs were counted"),
    "foil_tests": ("compositional-test", "No foils were scored"),
    "failure_cases": ("failure-cases", "No failure cases"),
    "false_negatives": ("shared-captions", "were not counted"),
}
"""Parts that an evaluation may lack, the section that says so, and what it says."""


@pytest.fixture
def run(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    """A run of one's own, to be damaged."""
    return Path(shutil.copytree(runs[1], tmp_path / "a run"))


def read_page(path: Path) -> ReportPage:
    return ReportPage(path.read_text(encoding="utf-8"))


def test_parts_that_are_absent_are_left_out_with_a_sentence(run: Path) -> None:
    change_evaluation(run, **dict.fromkeys(ABSENT))
    (run / "config.json").unlink()
    (run / "metrics.jsonl").unlink()
    page = read_page(write_report([run], "test"))
    for section, sentence in ABSENT.values():
        assert sentence in page.text[section]
    for section in ("ablation", "hubness", "attributes", "scores", "hubs", "failure-cases", "training"):
        assert not page.tables[section] and not page.pictures[section]
    assert "no metrics.jsonl" in page.text["training"]
    assert page.tables["results"] and page.pictures["slices"]
    assert "In brackets" not in page.text["results"]


def test_empty_parts_are_as_good_as_absent(run: Path) -> None:
    empty: dict[str, Any] = {"attributes": {}, "failure_cases": [], "ablation": [], "hubness": []}
    change_evaluation(run, **empty)
    page = read_page(write_report([run]))
    for key in empty:
        section, sentence = ABSENT[key]
        assert sentence in page.text[section]


def test_questions_that_were_not_asked_have_no_table(run: Path) -> None:
    absent = {"questions": 3, "videos": 1, "examples": ["v9"]}
    test = {"source": "y.tsv", "form": "", "questions": 0, "videos": 0, "absent": absent, "kinds": []}
    change_evaluation(run, foil_tests=[test])
    page = read_page(write_report([run]))
    assert not page.tables["compositional-test"] and "v9" in page.text["compositional-test"]


def test_a_run_that_lacks_a_part_is_named_beside_one_that_has_it(run: Path, runs: tuple[Path, Path]) -> None:
    change_evaluation(
        run, **dict.fromkeys(["ablation", "hubness", "attributes", "hubs", "densities", "failure_cases"])
    )
    (run / "metrics.jsonl").unlink()
    page = read_page(write_report([run, runs[1]], "test", run / "both.html"))
    for key in ("ablation", "hubness", "attributes", "hubs", "densities", "failure_cases"):
        section, sentence = ABSENT[key]
        assert f"a run: {sentence}" in page.text[section]
        assert page.tables[section] or page.pictures[section]
    assert page.cells("ablation", "only action")[1:6] == ["–"] * 5
    assert "a run: No training curves" in page.text["training"]


def test_a_training_without_validation_history_has_its_losses(run: Path) -> None:
    path = run / "metrics.jsonl"
    lines = [line for line in path.read_text().splitlines(keepends=True) if '"train"' in line]
    path.write_text("".join(lines) + '{"step": 65, "ki')
    page = read_page(write_report([run]))
    assert "No validation history" in page.text["training"]
    assert len(page.pictures["training"]) == 4


def test_a_perfect_evaluation_of_few_videos_is_shown(run: Path) -> None:
    ones = np.ones(2, np.int64)
    figures = retrieval_metrics(Ranks(0 * ones, ones, ones))
    hubs = {"k": 2, "skewness": 0.0, "top": [], "histogram": [0, 2]}
    content: dict[str, Any] = {
        "videos": 2,
        "captions": 2,
        "directions": {"fused": {"t2v": figures, "v2t": figures, "rsum": 600.0}},
        "densities": {"edges": [-1, 0, 1], "matched": [0, 2], "others": [0, 0]},
        "hubs": {"t2v": hubs, "v2t": {**hubs, "skewness": float("nan"), "histogram": [1, 1]}},
    }
    change_evaluation(run, **dict.fromkeys(["intervals", "failure_cases"]), **content)
    captions = {"words": [3, 4], "nodes_entity": [1, 1], "nodes_action": [1, 0], "nodes_relationship": [0, 0]}
    ids = {"t2v": ["a#0", "b#0"], "v2t": ["a", "b"]}
    columns = {
        "direction": ["t2v", "t2v", "v2t", "v2t"],
        "query": [*ids["t2v"], *ids["v2t"]],
        "text": ["a dog runs", "a cat sits down", None, None],
        "video": ["a", "b", "a", "b"],
        **{name: [*values, None, None] for name, values in captions.items()},
        **{name: [1.0] * 4 for name in ("relevant_score", "rank", "rank_fused", "ap", "ndcg10")},
        "greater": [0] * 4,
        "tied": [1] * 4,
        "relevant": [1] * 4,
        **{name: [["a"], ["b"], ["a#0"], ["b#0"]] for name in ("relevant_items", "answers")},
        "answer_scores": [[1.0]] * 4,
    }
    write_query_table(run / "eval" / "test_queries.parquet", columns)
    page = read_page(write_report([run], "test"))
    assert page.cells("results", "R@1", 1) == ["R@1", "100.0"]
    assert page.cells("slices", "3") == ["3", "1", "100.0", "100.0"]
    assert "skewness –, 1 items never" in page.pictures["hubs"][1]


def test_the_test_split_is_shown_unless_another_is_named(tmp_path: Path) -> None:
    run = reported_run(tmp_path / "run", split="val")
    assert choose_split([run]) == "val"
    reported_run(run, split="another")
    assert choose_split([run]) == "val"
    reported_run(run, split="test")
    assert choose_split([run]) == "test"
    assert write_report([run], "val") == run / "eval" / "val_report.html"


def test_only_a_split_of_all_runs_is_chosen(run: Path, tmp_path: Path) -> None:
    other = reported_run(tmp_path / "other", split="val")
    with pytest.raises(
        InputError, match=r"no split was evaluated in all runs \(.*a run: test; .*other: val\)"
    ):
        write_report([run, other])
    reported_run(other, split="test")
    path = write_report([run, other])
    assert path == run / "eval" / "test_report_with_other.html"


def test_runs_of_the_same_name_are_told_apart(run: Path, tmp_path: Path) -> None:
    twin = Path(shutil.copytree(run, tmp_path / "elsewhere" / run.name))
    change_evaluation(twin, data_fingerprint="cd" * 32)
    page = read_page(write_report([run, twin], "test", tmp_path / "twins.html"))
    assert page.tables["results"][0][0] == ["", str(run), str(twin)]
    assert "differently prepared data" in page.text["results"]


def test_a_figure_without_an_interval_stands_alone(run: Path) -> None:
    content = json.loads((run / "eval" / "test.json").read_text())
    del content["intervals"]["t2v"]["mAP"]
    change_evaluation(run, **content)
    page = read_page(write_report([run]))
    figures = content["directions"]["fused"]["t2v"]
    assert page.cells("results", "mAP", 1)[1] == f"{figures['mAP']:.1f}"
    assert page.cells("results", "nDCG@10", 1)[1].startswith(f"{figures['nDCG@10']:.1f} [")


def test_many_ties_and_unofficial_counts_are_told(run: Path) -> None:
    content = json.loads((run / "eval" / "test.json").read_text())
    content["directions"]["fused"]["v2t"]["tied_fraction"] = 0.125
    content["protocol"]["official"] = False
    change_evaluation(run, **content)
    page = read_page(write_report([run]))
    assert "12.5% of the queries tie" in page.text["results"]
    assert "NOT the official counts" in page.text[""]
    assert "not the official counts" in page.text["levels"]


DAMAGE = {
    "an evaluation of half a file": (
        lambda run: (run / "eval" / "test.json").write_text('{"split": "te'),
        r"test\.json is damaged",
    ),
    "an evaluation that is a list": (
        lambda run: (run / "eval" / "test.json").write_text("[]"),
        r"test\.json is damaged: expected an object, found \[\]",
    ),
    "an evaluation without figures": (
        lambda run: change_evaluation(run, directions=None),
        "key directions is missing",
    ),
    "a rank that is a text": (
        lambda run: change_evaluation(
            run, failure_cases=[{"query": "q", "text": "t", "video": "v", "rank": "last", "returned": []}]
        ),
        r"failure_cases\.0\.rank is 'last': Input should be a valid number",
    ),
    "no table of queries": (
        lambda run: (run / "eval" / "test_queries.parquet").unlink(),
        r"test_queries\.parquet is missing beside test\.json",
    ),
    "a table of queries of half a file": (
        lambda run: cut(run / "eval" / "test_queries.parquet"),
        r"test_queries\.parquet is damaged",
    ),
    "files of two evaluations": (
        lambda run: write_query_table(run / "eval" / "test_queries.parquet", query_columns(CLIPS, seed=7)),
        r"are not from one evaluation: R@1 of t2v is [0-9.]+ in one and [0-9.]+ in the other",
    ),
    "an evaluation that was deleted": (
        lambda run: (run / "eval" / "test.json").unlink(),
        r"split 'test' was never evaluated \(evaluated: none\)",
    ),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_refused_with_the_command_that_makes_them(run: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(run)
    (run / "eval" / "test_report.html").unlink(missing_ok=True)
    with pytest.raises(InputError, match=message) as caught:
        write_report([run], "test")
    assert f"mcsan eval '{run}' --split=test" in str(caught.value)
    assert not list((run / "eval").glob("*.html"))


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run was given"):
        write_report([])
    with pytest.raises(InputError, match="no such folder"):
        write_report([tmp_path / "absent"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty was never evaluated; do so with: mcsan eval .*empty"):
        write_report([tmp_path / "empty"])
    with pytest.raises(InputError, match=r"'train' was never evaluated \(evaluated: test\).*--split=train"):
        write_report([run], "train")
    with pytest.raises(InputError, match="was given twice"):
        write_report([run, run / "eval" / ".."])


def test_a_damaged_line_of_the_curves_is_named(run: Path) -> None:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    for line, fault in (
        ("{]\n", "line 3 is damaged"),
        (
            '{"step": 3}\n',
            r"line 3 is damaged: expected an object with a text 'kind' .*, found {\"step\": 3}",
        ),
    ):
        path.write_text("".join([*lines[:2], line, *lines[3:]]))
        with pytest.raises(InputError, match=f"{fault}.*delete the line"):
            write_report([run])


def test_a_place_where_nothing_can_be_written_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent does not exist; .*--out"):
        write_report([run], out=tmp_path / "absent" / "report.html")
    with pytest.raises(InputError, match=r"is a folder; give the name of a file to be written with --out"):
        write_report([run], out=tmp_path)


def test_merged_duplicates_have_a_report_of_their_own(run: Path) -> None:
    stored = RunFolder(run).stored_config()
    merging = dataclasses.replace(stored, evaluation=EvaluationConfig(merge_duplicates=True))
    write_run(run, CLIPS, config=merging)
    assert write_report([run], merged=True) == run / "eval" / "test.merged_report.html"
    page = read_page(write_report([run], merged=True))
    assert page.tables[""][0][0] == ["split", "test"] and "duplicates merged" in page.text[""]
    assert write_report([run]).name == "test_report.html"


def test_numbers_are_written_for_people() -> None:
    values: list[float | None] = [None, float("nan"), 1234.56, -0.04, 3]
    assert [number(value) for value in values] == ["–", "–", "1,234.6", "0.0", "3.0"]
    assert [difference(a, 1.0) for a in (None, 0.99, 3.5)] == ["–", "+0.0", "+2.5"]


def test_components_are_those_of_the_scores_in_the_order_of_tables() -> None:
    assert (FUSED, *LEVELS, ATTRIBUTES, LINEAR) == SCORES


def test_a_report_needs_neither_jax_nor_tensorflow(run: Path) -> None:
    program = (
        "import sys, pathlib, mcsan_jax.report.page as page\n"
        "print(page.write_report([pathlib.Path(sys.argv[1])]).name)\n"
        "print(*sorted({'jax', 'tensorflow', 'flax'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(run)], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout.split()) == (0, ["test_report.html"]), done.stderr
