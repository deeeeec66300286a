"""This module reads the evaluations of two runs and tells whether they can be compared: same data, queries, rules."""

import dataclasses
import operator
import pathlib
import re
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.foil_table import FoilTable, read_foil_table
from mcsan_jax.evaluation.query_table import DIRECTIONS, QueryTable, read_query_table
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord

_SAME_IN_BOTH = ("duplicate_captions",)
"""Two runs answer the same queries only if these fields of their protocols are the same, whatever its name is."""
_EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class Side:
    """A side is one of two evaluations.

    Attributes:
        run: the folder of the run.
        record: the evaluation record.
        queries: the table of queries, in the same order for both sides.
        foils: the answers to questions about foils; None where there were none.
    """

    run: pathlib.Path
    record: EvaluationRecord
    queries: QueryTable
    foils: FoilTable | None


def read_sides(run_a: pathlib.Path, run_b: pathlib.Path, split: str, merged: bool) -> tuple[Side, Side]:
    """Reads the evaluations of two runs, with the same queries in the same order.

    Raises:
        InputError: a run was not evaluated on the split, its files are damaged, or the runs answered different queries.
    """
    a, b = _read_side(run_a, split, merged), _read_side(run_b, split, merged)
    _require_same_records(a, b)
    for direction in DIRECTIONS:
        _require_same_queries(a, b, direction)
    return a, b


def _read_side(folder: pathlib.Path, split: str, merged: bool) -> Side:
    run = RunFolder(folder)
    record = run.read_record(split, merged)
    queries = read_query_table(run.queries_file(split, merged), answers=False)
    path = run.foils_file(split, merged)
    # Evaluations of earlier versions wrote no such file.
    foils = read_foil_table(path, run.evaluate_command(split, merged)).in_order() if path.is_file() else None
    return Side(folder, record, _in_order(queries), foils)


def require_same_rsum(side: Side, rsum: float) -> None:
    """Refuses an evaluation whose ranks give another Rsum than its record states.

    Raises:
        InputError: they do.
    """
    record, run = side.record, RunFolder(side.run)
    if abs(record.rsum - rsum) > 0.01:
        split, merged = record.split, record.merged_duplicates
        raise InputError(
            f"{run.record_file(split, merged)} states an Rsum of {record.rsum}, the ranks in "
            f"{side.queries.path.name} give {rsum:.3f}; they are of different evaluations, write both again with: "
            f"{run.evaluate_command(split, merged)}"
        )


def warnings_of(side_a: Side, side_b: Side) -> list[str]:
    """Returns statements of what differs between two evaluations although they can be compared."""
    a, b = side_a.record, side_b.record
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
    if (a.foil_tests or b.foil_tests) and not same_foils(side_a, side_b):
        warnings.append(
            "foils are not compared: the runs were asked different questions, or an earlier version of the program "
            "evaluated one; evaluate both in the same way with `mcsan eval`"
        )
    return warnings


def same_foils(a: Side, b: Side) -> bool:
    """Returns whether both runs were asked the same questions about foils."""
    return a.foils is not None and b.foils is not None and a.foils.same_questions(b.foils)


def _require_same_records(a: Side, b: Side) -> None:
    keys = ("videos", "captions", *(f"protocol.{key}" for key in _SAME_IN_BOTH))
    pairs = [(key, *(operator.attrgetter(key)(side.record) for side in (a, b))) for key in keys]
    if differing := [f"{key}: {of_a!r} in A, {of_b!r} in B" for key, of_a, of_b in pairs if of_a != of_b]:
        raise InputError(
            f"{a.run} (A) and {b.run} (B) cannot be compared, because they were evaluated on other data or by "
            f"other rules: {'; '.join(differing)}"
        )


def _in_order(queries: QueryTable) -> QueryTable:
    return queries.take(np.lexsort((queries["query"].astype(str), queries["direction"].astype(str))))


def _require_same_queries(a: Side, b: Side, direction: str) -> None:
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


def _without_step(value: Any) -> Any:
    return re.sub(r"step [\d,]+", "step", value) if isinstance(value, str) else value
