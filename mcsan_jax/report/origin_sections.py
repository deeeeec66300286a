"""What was evaluated and how: the head of the page, configuration, versions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcsan_jax.report.contents import NOTHING, Section, Table, number
from mcsan_jax.report.results import Run
from mcsan_jax.report.wording import missing_notes

_OFFICIAL: dict[bool | None, str] = {
    True: "the official counts",
    False: "NOT the official counts: does not compare with published numbers",
}


def describe_runs(runs: Sequence[Run]) -> Table:
    """What was evaluated."""
    protocols = [run.get("protocol") or {} for run in runs]
    rows: dict[str, Sequence[str | None]] = {
        "split": [run.split for run in runs],
        "videos": [_count(run, "videos") for run in runs],
        "captions": [_count(run, "captions") for run in runs],
        "protocol": [protocol.get("name") for protocol in protocols],
        "counts": [_OFFICIAL.get(protocol.get("official")) for protocol in protocols],
        "features": [protocol.get("features") for protocol in protocols],
        "checkpoint": [
            protocol.get("selection") or (f"step {_count(run, 'step')}" if run.get("step") else None)
            for run, protocol in zip(runs, protocols, strict=True)
        ],
        "prepared data": [(run.get("data_fingerprint") or "")[:16] for run in runs],
    }
    kept = [(name, *(value or NOTHING for value in values)) for name, values in rows.items() if any(values)]
    header = ("", *(run.name for run in runs)) if len(runs) > 1 else ()
    return Table("", header, tuple(kept), wraps=True)


def config_section(runs: Sequence[Run]) -> Section:
    """The configuration, what differs first, and the versions of packages."""
    missing = missing_notes(runs, "", "The configuration was not stored.", has=lambda run: run.config)
    unknown = missing_notes(runs, "versions", "The versions of packages were not stored.")
    names = tuple(run.name for run in runs)
    configs = _side_by_side([run.config for run in runs])
    tables, folded, notes = [], [], []
    if len(runs) > 1 and configs:
        differing = tuple(row for row in configs if len(set(row[1:])) > 1)
        if differing:
            tables.append(Table("What differs", ("field", *names), differing, wraps=True))
        else:
            notes.append("The runs have the same configuration.")
    if configs:
        folded.append(Table("All fields", ("field", *names), configs, wraps=True))
    versions = _side_by_side([run.get("versions") or {} for run in runs])
    if versions:
        tables.append(Table("Versions", ("package", *names), versions))
    return Section(
        "Configuration and versions", (*notes, *missing, *unknown), tuple(tables), folded=tuple(folded)
    )


def _side_by_side(values: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    keys = dict.fromkeys(key for own in values for key in own)
    return tuple((key, *(_written(own[key]) if key in own else NOTHING for own in values)) for key in keys)


def _written(value: Any) -> str:
    """A value as it is in JSON, but texts and lists without their signs."""
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list):
        return ", ".join(map(_written, value)) or "[]"
    return json.dumps(value, ensure_ascii=False)


def _count(run: Run, key: str) -> str | None:
    value = run.evaluation.get(key)
    return None if value is None else number(value, 0)
