"""This module tells whether two runs differ, from the ranks that their evaluations saved, without model or data."""

import dataclasses
import operator
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.query_table import DIRECTIONS, QueryTable, read_query_table
from mcsan_jax.evaluation.significance import (
    RSUM,
    Directions,
    Key,
    holm,
    metrics_of,
    paired_intervals,
    query_values,
    randomisation_test,
)
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord

COMPARED = ("R@1", "R@5", "R@10", "MedR", "MnR", "mAP", "nDCG@10")
_SAME_IN_BOTH = ("duplicate_captions",)
"""Two runs answer the same queries only if these fields of their protocols are the same, whatever its name is."""
_EXAMPLES = 3
_ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Row:
    """A row compares one metric of two runs.

    Attributes:
        metric: the name of the metric, such as ``T2V R@1``.
        a, b: the metric of each run.
        low, high: 95 % interval of ``b − a``.
        p, p_holm: p-value of the randomisation test, without and with Holm's correction over all rows.
    """

    metric: str
    a: float
    b: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def difference(self) -> float:
        """Returns ``b − a``."""
        return self.b - self.a


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A comparison holds two runs on the same queries.

    Attributes:
        a, b: the runs, with the step of the evaluated checkpoint.
        split: the split on which they were evaluated.
        captions, videos: number of queries in each direction.
        protocol: sentences of the protocol; those of run B follow where they differ.
        warnings: statements of what else differs between the evaluations.
        rows: the metrics.
        resamples, permutations: how many were drawn.
    """

    a: str
    b: str
    split: str
    captions: int
    videos: int
    protocol: list[str]
    warnings: list[str]
    rows: list[Row]
    resamples: int
    permutations: int


@dataclasses.dataclass(frozen=True)
class _Side:
    run: pathlib.Path
    record: EvaluationRecord
    queries: QueryTable


def compare_runs(
    run_a: pathlib.Path,
    run_b: pathlib.Path,
    split: str,
    metrics: tuple[str, ...] = COMPARED,
    resamples: int = 2000,
    permutations: int = 10_000,
    seed: int = 0,
    merged: bool = False,
) -> Comparison:
    """Compares two evaluated runs: differences, their intervals and tests, all by whole videos.

    Args:
        run_a, run_b: folders of the runs.
        split: the split whose evaluation records and tables of queries are compared.
        metrics: to compare in both directions; Rsum is always compared. Holm's correction is for all of them.
        resamples, permutations, seed: the draws of the paired bootstrap and of the randomisation test, and their seed.
        merged: whether it compares evaluations with captions of the same text as one query.

    Raises:
        InputError: a run was not evaluated on the split, its files are damaged or belong to different evaluations, or
            the runs answered different queries.
    """
    a, b = _read_side(run_a, split, merged), _read_side(run_b, split, merged)
    _require_same_records(a, b)
    a, b = (dataclasses.replace(side, queries=_in_order(side.queries)) for side in (a, b))
    for direction in DIRECTIONS:
        _require_same_queries(a, b, direction)
    values = _values(a), _values(b)
    found = [metrics_of(directions) for directions in values]
    for side, of_side in zip((a, b), found, strict=True):
        _require_same_rsum(side, of_side[RSUM])
    keys = _compared_keys(metrics, found[0])
    intervals = paired_intervals(*values, resamples=resamples, seed=seed)
    p = randomisation_test(*values, permutations=permutations, seed=seed)
    p_holm = holm({key: p[key] for key in keys})
    rows = [
        Row(_name(key), found[0][key], found[1][key], *intervals[key], p[key], p_holm[key]) for key in keys
    ]
    protocol = list(a.record.protocol.lines)
    protocol += [f"B: {line}" for line in b.record.protocol.lines if line not in protocol]
    return Comparison(
        a=f"{a.run}, step {a.record.step}",
        b=f"{b.run}, step {b.record.step}",
        split=split,
        captions=int(np.sum(a.queries["direction"] == "t2v")),
        videos=int(np.sum(a.queries["direction"] == "v2t")),
        protocol=protocol,
        warnings=_warnings(a.record, b.record),
        rows=rows,
        resamples=resamples,
        permutations=permutations,
    )


def render_comparison(comparison: Comparison) -> str:
    """Renders the comparison as Markdown: the protocol, what else differs, and a row per metric."""
    head = ["metric", "A", "B", "B − A", "95 % interval", "p", "p (Holm)"]
    body = [
        [
            row.metric,
            f"{row.a:.2f}",
            f"{row.b:.2f}",
            f"{row.difference:+.2f}",
            f"{row.low:+.2f} to {row.high:+.2f}",
            f"{row.p:.4f}",
            f"{row.p_holm:.4f}",
        ]
        for row in comparison.rows
    ]
    certain = [row.metric for row in comparison.rows if row.p_holm < _ALPHA]
    verdict = (
        f"Below {_ALPHA} after Holm's correction: {', '.join(certain)}."
        if certain
        else f"No difference is below {_ALPHA} after Holm's correction."
    )
    return "\n".join(
        [
            f"A: {comparison.a}",
            f"B: {comparison.b}",
            f"Split {comparison.split}, the same {comparison.captions:,} captions and {comparison.videos:,} videos as "
            "queries.",
            *comparison.protocol,
            *(f"WARNING: {warning}" for warning in comparison.warnings),
            "",
            *aligned([head, *body]),
            "",
            verdict,
            f"Intervals: paired bootstrap over videos, {comparison.resamples:,} resamples. p: Fisher's randomisation "
            f"test over videos, two-sided, {comparison.permutations:,} permutations; Holm's correction is for the "
            f"{len(comparison.rows)} rows. MedR and MnR are better when lower.",
        ]
    )


def _read_side(folder: pathlib.Path, split: str, merged: bool) -> _Side:
    run = RunFolder(folder)
    record = run.read_record(split, merged)
    return _Side(folder, record, read_query_table(run.queries_file(split, merged), answers=False))


def _require_same_records(a: _Side, b: _Side) -> None:
    keys = ("videos", "captions", *(f"protocol.{key}" for key in _SAME_IN_BOTH))
    pairs = [(key, *(operator.attrgetter(key)(side.record) for side in (a, b))) for key in keys]
    if differing := [f"{key}: {of_a!r} in A, {of_b!r} in B" for key, of_a, of_b in pairs if of_a != of_b]:
        raise InputError(
            f"{a.run} (A) and {b.run} (B) cannot be compared, because they were evaluated on other data or by "
            f"other rules: {'; '.join(differing)}"
        )


def _in_order(queries: QueryTable) -> QueryTable:
    return queries.take(np.lexsort((queries["query"].astype(str), queries["direction"].astype(str))))


def _require_same_queries(a: _Side, b: _Side, direction: str) -> None:
    of_a, of_b = (side.queries.of_direction(direction) for side in (a, b))
    runs = f"{a.run} (A) and {b.run} (B)"
    if not len(of_a) and not len(of_b):
        raise InputError(f"{runs} hold no query of direction {direction}; evaluate both on this split again")
    ids_a, ids_b = set(of_a["query"]), set(of_b["query"])
    if ids_a != ids_b:
        only = "; ".join(
            f"{len(ids)} only in {name}{_examples(ids)}"
            for name, ids in (("A", ids_a - ids_b), ("B", ids_b - ids_a))
        )
        raise InputError(
            f"{runs} answered different queries of {direction}: {only}; compare runs that were evaluated on the same "
            "videos and captions"
        )
    for column in ("video", "text", "relevant_items"):
        pairs = zip(of_a[column], of_b[column], strict=True)
        differing = [i for i, (x, y) in enumerate(pairs) if _unordered(x) != _unordered(y)]
        if differing:
            first = differing[0]
            raise InputError(
                f"{runs} were evaluated on other data: {column!r} differs in {len(differing)} queries of {direction} "
                f"with the same id, first {of_a['query'][first]!r}: {_shown(of_a[column][first])} in A, "
                f"{_shown(of_b[column][first])} in B"
            )


def _unordered(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _examples(ids: set[str]) -> str:
    if not ids:
        return ""
    return f" ({', '.join(sorted(ids)[:_EXAMPLES])}{', …' if len(ids) > _EXAMPLES else ''})"


def _shown(value: Any) -> str:
    return text if len(text := repr(value)) <= 100 else f"{text[:99]}…"


def _values(side: _Side) -> Directions:
    _, videos = np.unique(side.queries["video"].astype(str), return_inverse=True)
    values = {}
    for direction in DIRECTIONS:
        rows = side.queries["direction"] == direction
        table = side.queries.take(rows)
        values[direction] = query_values(table.ranks(), videos[rows], table["ap"], table["ndcg10"])
    return values


def _require_same_rsum(side: _Side, rsum: float) -> None:
    record, run = side.record, RunFolder(side.run)
    if abs(record.rsum - rsum) > 0.01:
        split, merged = record.split, record.merged_duplicates
        raise InputError(
            f"{run.record_file(split, merged)} states an Rsum of {record.rsum}, the ranks in "
            f"{side.queries.path.name} give {rsum:.3f}; they are of different evaluations, write both again with: "
            f"{run.evaluate_command(split, merged)}"
        )


def _compared_keys(metrics: tuple[str, ...], known: Mapping[Key, float]) -> list[Key]:
    unknown = [metric for metric in metrics if (DIRECTIONS[0], metric) not in known]
    if unknown:
        names = [metric for direction, metric in known if direction == DIRECTIONS[0]]
        raise InputError(f"unknown metrics {', '.join(unknown)}; choose from {', '.join(names)}")
    return [*((direction, metric) for direction in DIRECTIONS for metric in metrics), RSUM]


def _name(key: Key) -> str:
    return "Rsum" if key == RSUM else f"{key[0].upper()} {key[1]}"


def _warnings(a: EvaluationRecord, b: EvaluationRecord) -> list[str]:
    of_a, of_b = a.protocol.model_dump(), b.protocol.model_dump()
    # Sentences are printed as they are, and two runs rarely stop at the same step.
    keys = sorted(set(of_a) - {"lines", *_SAME_IN_BOTH})
    warnings = [
        f"protocol.{key} differs: {of_a[key]!r} in A, {of_b[key]!r} in B"
        for key in keys
        if _without_step(of_a[key]) != _without_step(of_b[key])
    ]
    if a.data_fingerprint != b.data_fingerprint:
        warnings.append(
            "data_fingerprint differs: the runs were evaluated on data that were prepared differently (from other "
            f"features or files, for example), {a.data_fingerprint!r} in A, {b.data_fingerprint!r} in B"
        )
    return warnings


def _without_step(value: Any) -> Any:
    return re.sub(r"step [\d,]+", "step", value) if isinstance(value, str) else value
