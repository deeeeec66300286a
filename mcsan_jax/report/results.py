"""This module reads the results of runs: the evaluation record, the table of queries and the training curves."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.inspection.svg_figures import COLOURS
from mcsan_jax.evaluation.query_table import QueryTable, read_query_table
from mcsan_jax.report.contents import DIRECTIONS
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord

_TOLERANCE = 0.01
"""The recall at 1 of the queries may differ by this many points from the stored one."""


@dataclasses.dataclass(frozen=True)
class EvaluatedRun:
    """An evaluated run holds one evaluation of a run, and its training curves.

    Attributes:
        name: the name to show, which differs from those of other runs in the same report.
        colour: the colour in charts.
        folder: the folder of the run.
        record: the evaluation record.
        queries: the rows of the table of queries, by direction.
        history: entries of ``metrics.jsonl``; empty where there is no such file.
    """

    name: str
    colour: str
    folder: Path
    record: EvaluationRecord
    queries: Mapping[str, QueryTable]
    history: Sequence[Mapping[str, Any]]

    @property
    def evaluated(self) -> str:
        """Returns what was evaluated, for headings: the split, and whether captions of the same text were one query."""
        return f"{self.record.split}{', duplicates merged' if self.record.merged_duplicates else ''}"


def read_runs(folders: Sequence[Path], split: str, merged: bool = False) -> list[EvaluatedRun]:
    """Reads the results of runs on a split.

    Args:
        folders: the folders of the runs.
        split: the split, which was evaluated in all of them.
        merged: whether it reads the evaluation with captions of the same text as one query.

    Raises:
        InputError: a folder is no run, the split was not evaluated, or a file is damaged; the message names the
            command that writes it.
    """
    if not folders:
        raise InputError("no run was given; name the folder of at least one")
    resolved = [folder.resolve() for folder in folders]
    for number, folder in enumerate(resolved):
        if folder in resolved[:number]:
            raise InputError(f"{folders[number]} was given twice; give different runs")
    names = [folder.name for folder in resolved]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    return [
        _read_run(name, COLOURS[number % len(COLOURS)], RunFolder(folder), split, merged)
        for number, (name, folder) in enumerate(zip(names, folders, strict=True))
    ]


def _read_run(name: str, colour: str, run: RunFolder, split: str, merged: bool) -> EvaluatedRun:
    record = run.read_record(split, merged)
    queries = _read_queries(run, record)
    return EvaluatedRun(name, colour, run.folder, record, queries, _read_history(run.history_file))


def _read_queries(run: RunFolder, record: EvaluationRecord) -> dict[str, QueryTable]:
    key = record.split, record.merged_duplicates
    path, beside, command = run.queries_file(*key), run.record_file(*key), run.evaluate_command(*key)
    if not path.is_file():
        raise InputError(f"{path} is missing beside {beside.name}; write both again with: {command}")
    try:
        table = read_query_table(path, answers=False)
    except InputError as error:
        raise InputError(f"{error}, with: {command}") from error
    queries = {direction: table.of_direction(direction) for direction in DIRECTIONS}
    for direction, rows in queries.items():
        if not len(rows):
            raise InputError(f"{path} holds no query of {direction}; write it again with: {command}")
        stored = record.fused.of(direction).get("R@1")
        found = 100 * float(np.mean(rows.ranks().hit_probability(1)))
        if stored is not None and abs(found - stored) > _TOLERANCE:
            raise InputError(
                f"{beside.name} and {path.name} in {path.parent} are not from one evaluation: R@1 of {direction} is "
                f"{stored:.2f} in one and {found:.2f} in the other; write both again with: {command}"
            )
    return queries


def _read_history(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    history = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        # A run that is killed, or still writes, leaves half a line at the end.
        if not line.endswith("\n"):
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number} is damaged ({error}); delete the line") from error
        known = isinstance(entry, dict) and isinstance(entry.get("kind"), str)
        if not known or not isinstance(entry.get("step"), int):
            raise InputError(
                f"{path}, line {number} is damaged: expected an object with a text 'kind' and a whole number 'step', "
                f"found {line.strip():.60}; delete the line"
            )
        history.append(entry)
    return history
