"""Do two runs differ? From the ranks that their evaluations saved, without model or data."""

import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mcsan_jax.errors import InputError
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

COMPARED = ("R@1", "R@5", "R@10", "MedR", "MnR", "mAP", "nDCG@10")
_RECORD_KEYS = ("split", "step", "rsum", "videos", "captions", "protocol", "data_fingerprint")
_PROTOCOL_KEYS = ("name", "lines", "duplicate_captions")
_SAME_IN_BOTH = ("name", "duplicate_captions")
"""Of a protocol: what must be the same for two runs to answer the same queries."""
_EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of two runs.

    Attributes:
        metric: such as ``T2V R@1``.
        a, b: the metric of each run.
        low, high: 95 % interval of ``b − a``.
        p: of the randomisation test; p_holm: after Holm's correction over all rows.
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
        """``b − a``."""
        return self.b - self.a


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two runs on the same queries.

    Attributes:
        a, b: the runs, with the step of the evaluated checkpoint.
        split: where they were evaluated.
        captions, videos: number of queries in each direction.
        protocol: sentences of the protocol; those of run B follow where they differ.
        warnings: in what else the evaluations differ.
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
    record: Mapping[str, Any]
    queries: QueryTable


def compare_runs(
    run_a: pathlib.Path,
    run_b: pathlib.Path,
    split: str,
    metrics: tuple[str, ...] = COMPARED,
    resamples: int = 2000,
    permutations: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compares two evaluated runs: differences, their intervals and tests, all by whole videos.

    Args:
        run_a, run_b: folders of the runs.
        split: of which ``eval/<split>.json`` and ``eval/<split>_queries.parquet`` are read.
        metrics: to compare in both directions; Rsum is always compared. Holm's correction is for all of them.
        resamples: of the paired bootstrap.
        permutations: of the randomisation test.
        seed: of both.

    Raises:
        InputError: a run was not evaluated on the split, its files are damaged or belong to different evaluations, or
            the runs answered different queries.
    """
    a, b = _read_side(run_a, split), _read_side(run_b, split)
    _require_same_records(a, b)
    a, b = (dataclasses.replace(side, queries=_in_order(side.queries)) for side in (a, b))
    for direction in DIRECTIONS:
        _require_same_queries(a, b, direction)
    values = _values(a), _values(b)
    found = [metrics_of(directions) for directions in values]
    for side, of_side in zip((a, b), found, strict=True):
        _require_same_rsum(side, split, of_side[RSUM])
    keys = _compared_keys(metrics, found[0])
    intervals = paired_intervals(*values, resamples=resamples, seed=seed)
    p = randomisation_test(*values, permutations=permutations, seed=seed)
    p_holm = holm({key: p[key] for key in keys})
    rows = [
        Row(_name(key), found[0][key], found[1][key], *intervals[key], p[key], p_holm[key]) for key in keys
    ]
    protocol = list(a.record["protocol"]["lines"])
    protocol += [f"B: {line}" for line in b.record["protocol"]["lines"] if line not in protocol]
    return Comparison(
        a=f"{a.run}, step {a.record['step']}",
        b=f"{b.run}, step {b.record['step']}",
        split=split,
        captions=int(np.sum(a.queries["direction"] == "t2v")),
        videos=int(np.sum(a.queries["direction"] == "v2t")),
        protocol=protocol,
        warnings=_warnings(a.record, b.record),
        rows=rows,
        resamples=resamples,
        permutations=permutations,
    )


def _read_side(run: pathlib.Path, split: str) -> _Side:
    path = run / "eval" / f"{split}.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; evaluate the run on split {split!r} first")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); evaluate the run on this split again") from error
    missing = [key for key in _RECORD_KEYS if not isinstance(record, dict) or key not in record]
    if not missing:
        protocol = record["protocol"]
        missing = [
            f"protocol.{key}"
            for key in _PROTOCOL_KEYS
            if not isinstance(protocol, dict) or key not in protocol
        ]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; evaluate the run on this split again")
    if record["split"] != split:
        raise InputError(f"{path} should hold split {split!r}, found {record['split']!r}")
    return _Side(run, record, read_query_table(run / "eval" / f"{split}_queries.parquet", answers=False))


def _require_same_records(a: _Side, b: _Side) -> None:
    pairs = [(key, a.record[key], b.record[key]) for key in ("videos", "captions")]
    pairs += [
        (f"protocol.{key}", a.record["protocol"][key], b.record["protocol"][key]) for key in _SAME_IN_BOTH
    ]
    differing = [f"{key}: {of_a!r} in A, {of_b!r} in B" for key, of_a, of_b in pairs if of_a != of_b]
    if differing:
        raise InputError(
            f"{a.run} (A) and {b.run} (B) cannot be compared, they were evaluated on other data or by other rules: "
            + "; ".join(differing)
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
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _values(side: _Side) -> Directions:
    _, videos = np.unique(side.queries["video"].astype(str), return_inverse=True)
    values = {}
    for direction in DIRECTIONS:
        rows = side.queries["direction"] == direction
        table = side.queries.take(rows)
        values[direction] = query_values(table.ranks(), videos[rows], table["ap"], table["ndcg10"])
    return values


def _require_same_rsum(side: _Side, split: str, rsum: float) -> None:
    stated = side.record["rsum"]
    if not isinstance(stated, int | float) or abs(stated - rsum) > 0.01:
        raise InputError(
            f"{side.run}/eval: {split}.json states an Rsum of {stated}, the ranks in {split}_queries.parquet give "
            f"{rsum:.3f}; they are of different evaluations, evaluate the run on this split again"
        )


def _compared_keys(metrics: tuple[str, ...], known: Mapping[Key, float]) -> list[Key]:
    unknown = [metric for metric in metrics if (DIRECTIONS[0], metric) not in known]
    if unknown:
        names = [metric for direction, metric in known if direction == DIRECTIONS[0]]
        raise InputError(f"unknown metrics {', '.join(unknown)}; choose from {', '.join(names)}")
    return [*((direction, metric) for direction in DIRECTIONS for metric in metrics), RSUM]


def _name(key: Key) -> str:
    return "Rsum" if key == RSUM else f"{key[0].upper()} {key[1]}"


def _warnings(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    of_a, of_b = a["protocol"], b["protocol"]
    # Sentences are printed as they are, and two runs rarely stop at the same step.
    keys = sorted((set(of_a) | set(of_b)) - {"lines", *_SAME_IN_BOTH})
    warnings = [
        f"protocol.{key} differs: {of_a.get(key)!r} in A, {of_b.get(key)!r} in B"
        for key in keys
        if _without_step(of_a.get(key)) != _without_step(of_b.get(key))
    ]
    if a["data_fingerprint"] != b["data_fingerprint"]:
        warnings.append(
            "data_fingerprint differs: the runs were evaluated on data that were prepared differently (other "
            f"features, for example), {a['data_fingerprint']!r} in A, {b['data_fingerprint']!r} in B"
        )
    return warnings


def _without_step(value: Any) -> Any:
    return re.sub(r"step [\d,]+", "step", value) if isinstance(value, str) else value
