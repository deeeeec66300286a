import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from data_pipeline.annotations.sources import read_annotations
from data_pipeline.errors import InputError
from mcsan_jax.config import Config, EvaluationConfig
from mcsan_jax.evaluation.foil_table import write_foil_table
from mcsan_jax.evaluation.protocols import find_protocol
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.evaluation.significance import holm
from mcsan_jax.runs.comparison import (
    COMPARED,
    Comparison,
    Row,
    compare_runs,
    render_comparison,
)
from tests.support.fake_evaluation import SMALL, answers_to_foils, query_columns
from tests.support.fake_run import write_run


@pytest.fixture
def runs(tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    return (
        write_run(tmp_path / "base"),
        write_run(tmp_path / "new", better=2),
    )


def run_with(folder: pathlib.Path, columns: dict[str, Any]) -> pathlib.Path:
    """A run with these columns in its table of queries."""
    write_query_table(write_run(folder) / "eval" / "test_queries.parquet", columns)
    return folder


def quick(a: pathlib.Path, b: pathlib.Path, **options: Any) -> Comparison:
    return compare_runs(a, b, "test", resamples=300, permutations=199, **options)


def changed_record(run: pathlib.Path, **changes: Any) -> None:
    path = run / "eval" / "test.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["protocol"] |= changes.pop("protocol", {})
    path.write_text(json.dumps(record | changes), encoding="utf-8")


def test_a_better_run(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    comparison = quick(*runs)
    names = [f"{direction} {metric}" for direction in ("T2V", "V2T") for metric in COMPARED]
    assert [row.metric for row in comparison.rows] == [*names, "Rsum", "action foils", "entity foils"]
    rows = {row.metric: row for row in comparison.rows}
    of_both = np.asarray(query_columns()["greater"])
    greater, better = of_both[:36], np.asarray(query_columns(better=2)["greater"][:36])
    assert greater.mean() > better.mean()
    assert rows["T2V R@1"].a == pytest.approx(100 * np.mean(greater < 1))
    assert rows["T2V R@1"].b == pytest.approx(100 * np.mean(better < 1))
    assert rows["T2V MnR"].difference == pytest.approx(np.mean(better - greater))
    assert rows["T2V MedR"].a == np.median(greater + 1)
    assert rows["T2V mAP"].b == pytest.approx(100 * np.mean(1 / (better + 1)))
    for row in comparison.rows:
        assert row.low <= row.difference <= row.high
        assert row.p_holm >= row.p >= 1 / 200
    assert rows["Rsum"].p < 0.02
    corrected = holm({("", row.metric): row.p for row in comparison.rows})
    assert [row.p_holm for row in comparison.rows] == list(corrected.values())
    assert rows["Rsum"].low > 0
    worse, right = (
        answers_to_foils(SMALL, {"action": 200}, better=better).answers.right for better in (0, 2)
    )
    assert rows["action foils"].a == 100 * worse["fused"].mean()
    assert rows["action foils"].difference == 100 * (right["fused"] - worse["fused"]).mean() > 10
    assert rows["action foils"].p < 0.02 and rows["action foils"].low > 0
    assert rows["Rsum"].a == pytest.approx(
        sum(100 * np.mean(side < k) for side in (greater, of_both[36:]) for k in (1, 5, 10))
    )
    assert (comparison.captions, comparison.videos) == (36, 12)
    assert comparison.a == f"{runs[0]}, step 60"
    assert comparison.protocol == ["Protocol: demo, split test.", "Features: moments."]
    assert comparison.warnings == []


def test_the_same_run(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    for row in quick(runs[0], runs[0]).rows:
        assert (row.difference, row.low, row.high, row.p, row.p_holm) == (0.0, 0.0, 0.0, 1.0, 1.0)


def test_the_order_of_the_queries_does_not_matter(
    runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    order = np.random.default_rng(1).permutation(48)
    shuffled = {name: [values[i] for i in order] for name, values in query_columns(better=2).items()}
    shuffled["relevant_items"] = [items[::-1] for items in shuffled["relevant_items"]]
    other = write_run(tmp_path / "shuffled", better=2)
    write_query_table(other / "eval" / "test_queries.parquet", shuffled)
    for found, expected in zip(quick(runs[0], other).rows, quick(*runs).rows, strict=True):
        for name in ("a", "b", "low", "high", "p", "p_holm"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name)), (found.metric, name)


def test_fewer_metrics_are_corrected_for_fewer(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    comparison = quick(*runs, metrics=("R@50", "gmean"))
    assert [row.metric for row in comparison.rows] == [
        "T2V R@50",
        "T2V gmean",
        "V2T R@50",
        "V2T gmean",
        "Rsum",
        "action foils",
        "entity foils",
    ]
    smallest = min(comparison.rows, key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(7 * smallest.p)
    with pytest.raises(InputError, match=r"unknown metrics R@2; choose from R@1, R@5, .*MedR, gmean"):
        quick(*runs, metrics=("R@1", "R@2"))


def test_foils_of_other_questions_are_not_compared(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    other = answers_to_foils(SMALL, {"role": 9})
    write_foil_table(runs[1] / "eval" / "test_foils.parquet", [other], SMALL.videos)
    for _ in range(2):
        comparison = quick(*runs)
        assert comparison.rows[-1].metric == "Rsum"
        [warning] = comparison.warnings
        assert warning.startswith(
            "foils are not compared: the runs were asked different questions, or an earlier"
        )
        (runs[1] / "eval" / "test_foils.parquet").unlink(missing_ok=True)


def test_foils_of_files_bring_their_name(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    for run in runs:
        asked = answers_to_foils(SMALL, {"role": 9})
        table = [asked, dataclasses.replace(asked, source="own.jsonl")]
        write_foil_table(run / "eval" / "test_foils.parquet", table, SMALL.videos)
    assert [row.metric for row in quick(*runs).rows[-2:]] == ["role foils of own.jsonl", "role foils"]


GOLDEN = """\
A: runs/base, step 1200
B: runs/new, step 900
Split test, the same 59,800 captions and 2,990 videos as queries.
Protocol: MSR-VTT full.
B: Features: other.
WARNING: protocol.features differs.

| metric   | A      | B      | B − A | 95 % interval  | p      | p (Holm) |
|----------|--------|--------|-------|----------------|--------|----------|
| T2V R@1  | 9.21   | 10.30  | +1.09 | +0.62 to +1.57 | 0.0001 | 0.0003   |
| T2V MedR | 38.00  | 37.50  | -0.50 | -1.50 to +0.50 | 0.4321 | 0.4321   |
| Rsum     | 172.40 | 175.00 | +2.60 | -0.10 to +5.20 | 0.0600 | 0.1200   |

Below 0.05 after Holm's correction: T2V R@1.
Intervals: paired bootstrap over videos, 2,000 resamples. p: Fisher's randomisation test over videos, two-sided, \
10,000 permutations; Holm's correction is for the 3 rows. MedR and MnR are better when lower."""


def test_golden_table() -> None:
    comparison = Comparison(
        a="runs/base, step 1200",
        b="runs/new, step 900",
        split="test",
        captions=59_800,
        videos=2990,
        protocol=["Protocol: MSR-VTT full.", "B: Features: other."],
        warnings=["protocol.features differs."],
        rows=[
            Row("T2V R@1", 9.21, 10.3, 0.62, 1.57, 0.0001, 0.0003),
            Row("T2V MedR", 38.0, 37.5, -1.5, 0.5, 0.43211, 0.43211),
            Row("Rsum", 172.4, 175.0, -0.1, 5.2, 0.06, 0.12),
        ],
        resamples=2000,
        permutations=10_000,
    )
    assert render_comparison(comparison) == GOLDEN


def test_nothing_certain(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    assert "No difference is below 0.05 after Holm's correction." in render_comparison(
        quick(runs[0], runs[0])
    )


def test_other_features_and_data_are_warned_of(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    changed_record(
        runs[1],
        step=2400,
        data_fingerprint="f2",
        protocol={
            "features": "CLIP",
            "selection": "step 2,400 has the best Rsum on split val",
            "lines": ["Protocol: demo, split test.", "Features: CLIP."],
        },
    )
    comparison = quick(*runs)
    assert len(comparison.warnings) == 2
    assert comparison.warnings[0] == "protocol.features differs: 'moments' in A, 'CLIP' in B"
    assert comparison.warnings[1].startswith("data_fingerprint differs: ")
    text = render_comparison(comparison)
    head, _ = text.split("| metric")
    assert "B: Features: CLIP." in head
    assert "WARNING: data_fingerprint differs" in head
    changed_record(runs[1], protocol={"selection": "step 2,400, which no split chose"})
    assert any(warning.startswith("protocol.selection differs") for warning in quick(*runs).warnings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos": 11}, r"cannot be compared.*videos: 12 in A, 11 in B"),
        (
            {"protocol": {"duplicate_captions": "merged"}},
            r"other data or by other rules: protocol\.duplicate_captions: 'every",
        ),
        ({"split": "val"}, "should hold split 'test', found 'val'"),
        ({"rsum": 12.5}, r"test.json states an Rsum of 12.5, the ranks in test_queries.parquet give"),
    ],
)
def test_records_that_do_not_fit(
    runs: tuple[pathlib.Path, pathlib.Path], changes: dict[str, Any], message: str
) -> None:
    changed_record(runs[1], **changes)
    with pytest.raises(InputError, match=message):
        quick(*runs)


def test_the_same_captions_in_files_of_another_form_are_compared(
    runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """What the readers of both forms give, and what the protocols of such data say of them."""
    rows = [("a", "a dog runs", "test"), ("b", "a cat sleeps", "test"), ("a", "the dog is fast", "test")]
    fields = ("video_id", "caption", "split")
    (tmp_path / "own.jsonl").write_text(
        "".join(json.dumps(dict(zip(fields, row, strict=True))) + "\n" for row in rows)
    )
    (tmp_path / "own.csv").write_text("\n".join(",".join(row) for row in (fields, *rows)) + "\n")
    read = [read_annotations(kind, [tmp_path / f"own.{kind}"]) for kind in ("jsonl", "csv")]
    assert read[0].captions == read[1].captions and read[0].name != read[1].name
    for run, annotations in zip(runs, read, strict=True):
        name = find_protocol(annotations.name, annotations.protocol).name
        changed_record(run, protocol={"name": name}, data_fingerprint=annotations.name)
    comparison = quick(*runs)
    assert [warning.partition(":")[0] for warning in comparison.warnings] == [
        "protocol.name differs",
        "data_fingerprint differs",
    ]
    assert comparison.rows[-1].difference > 0


def without(columns: dict[str, Any], *queries: str) -> dict[str, Any]:
    kept = [i for i, query in enumerate(columns["query"]) if query not in queries]
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def test_other_queries_are_named(runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path) -> None:
    fewer = without(query_columns(), "clip00#0", "clip02#1", "clip03#0", "clip05#2", "clip11#1")
    fewer["query"][3] = "strange#0"
    other = run_with(tmp_path / "other", fewer)
    with pytest.raises(InputError) as error:
        quick(runs[0], other)
    assert "answered different queries of t2v: 6 only in A (clip00#0, " in str(error.value)
    assert ", …); 1 only in B (strange#0); compare runs" in str(error.value)


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        (
            "text",
            4,
            "something else",
            "'text' differs in 1 queries of t2v with the same id, first 'clip01#1': 'what happens in clip01#1' in A, "
            "'something else' in B",
        ),
        ("video", 0, "clip05", "'video' differs in 1 queries of t2v"),
        (
            "relevant_items",
            40,
            ["clip04#0"],
            "'relevant_items' differs in 1 queries of v2t .* first 'clip04'",
        ),
    ],
)
def test_other_data_under_the_same_ids(
    runs: tuple[pathlib.Path, pathlib.Path],
    tmp_path: pathlib.Path,
    column: str,
    row: int,
    value: object,
    message: str,
) -> None:
    columns = query_columns()
    columns[column] = list(columns[column])
    columns[column][row] = value
    other = run_with(tmp_path / "other", columns)
    with pytest.raises(InputError, match=message):
        quick(runs[0], other)


def test_runs_that_were_not_evaluated(runs: tuple[pathlib.Path, pathlib.Path]) -> None:
    with pytest.raises(
        InputError, match=r"val.json: no such file, split 'val' was never evaluated \(.*: test"
    ):
        compare_runs(*runs, "val")
    (runs[1] / "eval" / "test_queries.parquet").unlink()
    with pytest.raises(InputError, match=r"new/eval/test_queries.parquet: no such file"):
        quick(*runs)


def test_merged_evaluations_are_compared_on_demand(
    runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    merging = Config(evaluation=EvaluationConfig(merge_duplicates=True))
    for run in runs:
        write_run(run, config=merging, better=3)
    assert [row.a for row in quick(*runs, merged=True).rows] == [
        row.b for row in quick(*runs, merged=True).rows
    ]
    assert quick(*runs).rows[-1].a != quick(*runs).rows[-1].b
    with pytest.raises(
        InputError, match=r"test\.merged\.json: no such file.*--split=test --merge-duplicates"
    ):
        quick(runs[0], write_run(tmp_path / "plain"), merged=True)


def test_no_queries_of_a_direction(runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path) -> None:
    clips = [f"clip{i:02}" for i in range(12)]
    captions_only = without(query_columns(), *clips)
    other = run_with(tmp_path / "both", captions_only)
    with pytest.raises(InputError, match="hold no query of direction v2t"):
        quick(other, other)
