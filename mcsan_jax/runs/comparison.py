"""This module tells whether two runs differ, without model or data.

It reads what their evaluations saved: the ranks of all queries, and the answers to questions about foils.
"""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.foil_figures import PREPARED
from mcsan_jax.evaluation.mean_significance import paired_means
from mcsan_jax.evaluation.query_table import DIRECTIONS
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
from mcsan_jax.runs.same_evaluation import (
    Side,
    read_sides,
    require_same_rsum,
    same_foils,
    warnings_of,
)

COMPARED = ("R@1", "R@5", "R@10", "MedR", "MnR", "mAP", "nDCG@10")
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
        metrics: to compare in both directions; Rsum and the accuracy on foils are always compared. Holm's
            correction is for all of them.
        resamples, permutations, seed: the draws of the paired bootstrap and of the randomisation test, and their seed.
        merged: whether it compares evaluations with captions of the same text as one query.

    Raises:
        InputError: a run was not evaluated on the split, its files are damaged or belong to different evaluations, or
            the runs answered different queries.
    """
    a, b = read_sides(run_a, run_b, split, merged)
    values = _values(a), _values(b)
    found = [metrics_of(directions) for directions in values]
    for side, of_side in zip((a, b), found, strict=True):
        require_same_rsum(side, of_side[RSUM])
    keys = _compared_keys(metrics, found[0])
    intervals = paired_intervals(*values, resamples=resamples, seed=seed)
    p = randomisation_test(*values, permutations=permutations, seed=seed)
    rows = [Row(_name(key), found[0][key], found[1][key], *intervals[key], p[key], p[key]) for key in keys]
    rows = _corrected([*rows, *_foil_rows(a, b, resamples, permutations, seed)])
    protocol = list(a.record.protocol.lines)
    protocol += [f"B: {line}" for line in b.record.protocol.lines if line not in protocol]
    return Comparison(
        a=f"{a.run}, step {a.record.step}",
        b=f"{b.run}, step {b.record.step}",
        split=split,
        captions=int(np.sum(a.queries["direction"] == "t2v")),
        videos=int(np.sum(a.queries["direction"] == "v2t")),
        protocol=protocol,
        warnings=warnings_of(a, b),
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


def _foil_rows(a: Side, b: Side, resamples: int, permutations: int, seed: int) -> list[Row]:
    """Returns a row for each source and kind of foils about which both runs were asked the same questions."""
    if a.foils is None or b.foils is None or not same_foils(a, b):
        return []
    _, videos = np.unique(a.foils.video.astype(str), return_inverse=True)
    rows = []
    for source, kind in dict.fromkeys(zip(a.foils.source, a.foils.kind, strict=True)):
        own = (a.foils.source == source) & (a.foils.kind == kind)
        of_a, of_b = (100.0 * side.fused[own] for side in (a.foils, b.foils))
        test = paired_means(videos[own], of_a, of_b, resamples, permutations, seed=seed)
        name = f"{kind} foils" if source == PREPARED else f"{kind} foils of {source}"
        rows.append(Row(name, float(of_a.mean()), float(of_b.mean()), test.low, test.high, test.p, test.p))
    return rows


def _corrected(rows: list[Row]) -> list[Row]:
    p_holm = holm({row.metric: row.p for row in rows})
    return [dataclasses.replace(row, p_holm=p_holm[row.metric]) for row in rows]


def _values(side: Side) -> Directions:
    _, videos = np.unique(side.queries["video"].astype(str), return_inverse=True)
    values = {}
    for direction in DIRECTIONS:
        rows = side.queries["direction"] == direction
        table = side.queries.take(rows)
        values[direction] = query_values(table.ranks(), videos[rows], table["ap"], table["ndcg10"])
    return values


def _compared_keys(metrics: tuple[str, ...], known: Mapping[Key, float]) -> list[Key]:
    unknown = [metric for metric in metrics if (DIRECTIONS[0], metric) not in known]
    if unknown:
        names = [metric for direction, metric in known if direction == DIRECTIONS[0]]
        raise InputError(f"unknown metrics {', '.join(unknown)}; choose from {', '.join(names)}")
    return [*((direction, metric) for direction in DIRECTIONS for metric in metrics), RSUM]


def _name(key: Key) -> str:
    return "Rsum" if key == RSUM else f"{key[0].upper()} {key[1]}"
