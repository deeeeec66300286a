"""Reads the results of runs: files of an evaluation, configuration and training curves."""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.inspection.svg_figures import COLOURS
from mcsan_jax.evaluation.query_table import QueryTable, read_query_table
from mcsan_jax.report.contents import DIRECTIONS
from mcsan_jax.report.json_shape import EVALUATION, find_faults

_TOLERANCE = 0.01
"""By how many points the recall at 1 of the queries may differ from the one that was stored."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run and one evaluation of it.

    Attributes:
        name: for people, different from those of other runs in the same report.
        colour: in pictures.
        folder: of the run.
        split: that was evaluated.
        evaluation: content of ``eval/<split>.json``.
        queries: by direction, content of ``eval/<split>_queries.parquet``.
        config: all fields by their dotted names.
        history: entries of ``metrics.jsonl``; empty where there is no such file.
    """

    name: str
    colour: str
    folder: Path
    split: str
    evaluation: Mapping[str, Any]
    queries: Mapping[str, QueryTable]
    config: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]

    def get(self, key: str) -> Any:
        """A value of the evaluation, None where it is absent or empty."""
        return self.evaluation.get(key) or None


def read_runs(folders: Sequence[Path], split: str) -> list[Run]:
    """The results of runs on a split.

    Raises:
        InputError: a folder is no run, the split was not evaluated, or a file is damaged; the message names the
            command that writes it.
    """
    if not folders:
        raise InputError("no run was given; name the work folder of at least one")
    resolved = [folder.resolve() for folder in folders]
    for number, folder in enumerate(resolved):
        if folder in resolved[:number]:
            raise InputError(f"{folders[number]} was given twice; give different runs")
    names = [folder.name for folder in resolved]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    return [
        _read_run(name, COLOURS[number % len(COLOURS)], folder, split)
        for number, (name, folder) in enumerate(zip(names, folders, strict=True))
    ]


def choose_split(folders: Sequence[Path]) -> str:
    """The split to report on where none is named: one that all runs evaluated, the test split if possible.

    Raises:
        InputError: there is none.
    """
    evaluated = {folder: _evaluated_splits(folder) for folder in folders}
    for folder, splits in evaluated.items():
        if not splits:
            raise InputError(f"{folder} was never evaluated; do so with: {_command(folder)}")
    shared = [
        split
        for split in next(iter(evaluated.values()), [])
        if all(split in others for others in evaluated.values())
    ]
    if not shared:
        found = "; ".join(f"{folder}: {', '.join(splits)}" for folder, splits in evaluated.items())
        raise InputError(f"no split was evaluated in all runs ({found}); evaluate one with: mcsan eval")
    config = _read_config(folders[0])
    for key in ("data.test_split", "data.validation_split"):
        if config.get(key) in shared:
            return str(config[key])
    return shared[0]


def _read_run(name: str, colour: str, folder: Path, split: str) -> Run:
    path = folder / "eval" / f"{split}.json"
    command = _command(folder, split)
    if not path.is_file():
        others = ", ".join(_evaluated_splits(folder)) or "none"
        raise InputError(
            f"{folder}: split {split!r} was never evaluated (evaluated: {others}); do so with: {command}"
        )
    evaluation = _read_json(path, command)
    fault = next(find_faults(evaluation, EVALUATION), None)
    if fault:
        raise InputError(f"{path} is damaged: {fault}; write it again with: {command}")
    queries = _read_queries(folder / "eval" / f"{split}_queries.parquet", evaluation, path, command)
    config = evaluation.get("config") or _read_config(folder)
    history = _read_history(folder / "metrics.jsonl")
    return Run(name, colour, folder, split, evaluation, queries, config, history)


def _read_queries(
    path: Path, evaluation: Mapping[str, Any], beside: Path, command: str
) -> dict[str, QueryTable]:
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
        stored = evaluation["directions"]["fused"][direction].get("R@1")
        found = 100 * float(np.mean(rows.ranks().hit_probability(1)))
        if stored is not None and abs(found - stored) > _TOLERANCE:
            raise InputError(
                f"{beside.name} and {path.name} in {path.parent} are not of one evaluation: R@1 of {direction} is "
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
        fault = next(find_faults(entry, {"step": float, "kind": str}), None)
        if fault:
            raise InputError(f"{path}, line {number} is damaged: {fault}; delete the line")
        history.append(entry)
    return history


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        return {}
    config = _read_json(path, f"{_command(folder)} after the training that made the folder")
    fault = next(find_faults(config, {}), None)
    if fault:
        raise InputError(f"{path} is damaged: {fault}; train again in another folder")
    return {key: value for key, value in config.items() if key not in ("versions", "data_fingerprint")}


def _read_json(path: Path, command: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); write it again with: {command}") from error


def _evaluated_splits(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the work folder of a run")
    return sorted(path.stem for path in (folder / "eval").glob("*.json"))


def _command(folder: Path, split: str | None = None) -> str:
    """The command that evaluates a run."""
    chosen = f" --split={shlex.quote(split)}" if split else ""
    return f"mcsan eval {shlex.quote(str(folder))}{chosen}"
