"""The sections of provenance say what was evaluated and how: head of the page, configuration, versions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcsan_jax.report.contents import NOTHING, Section, Table, number
from mcsan_jax.report.results import EvaluatedRun

_OFFICIAL: dict[bool | None, str] = {
    True: "the official counts",
    False: "NOT the official counts: cannot be compared with published numbers",
}


def describe_runs(runs: Sequence[EvaluatedRun]) -> Table:
    """Makes the table at the head of the page: what was evaluated."""
    records = [run.record for run in runs]
    protocols = [record.protocol for record in records]
    rows: dict[str, Sequence[str | None]] = {
        "split": [record.split for record in records],
        "videos": [number(record.videos, 0) for record in records],
        "captions": [number(record.captions, 0) for record in records],
        "protocol": [protocol.name for protocol in protocols],
        "counts": [_OFFICIAL.get(protocol.official) for protocol in protocols],
        "features": [protocol.features for protocol in protocols],
        "checkpoint": [protocol.selection for protocol in protocols],
        "prepared data": [record.data_fingerprint[:16] for record in records],
    }
    kept = [(name, *(value or NOTHING for value in values)) for name, values in rows.items() if any(values)]
    header = ("", *(run.name for run in runs)) if len(runs) > 1 else ()
    return Table("", header, tuple(kept), wraps=True)


def config_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows the configuration, what differs between runs first, and the versions of packages."""
    names = tuple(run.name for run in runs)
    configs = _side_by_side([run.record.config for run in runs])
    tables, notes = [], []
    if len(runs) > 1:
        differing = tuple(row for row in configs if len(set(row[1:])) > 1)
        if differing:
            tables.append(Table("What differs", ("field", *names), differing, wraps=True))
        else:
            notes.append("The runs have the same configuration.")
    folded = (Table("All fields", ("field", *names), configs, wraps=True),)
    versions = _side_by_side([run.record.versions for run in runs])
    tables.append(Table("Versions", ("package", *names), versions))
    return Section("Configuration and versions", tuple(notes), tuple(tables), folded=folded)


def _side_by_side(values: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    keys = dict.fromkeys(key for own in values for key in own)
    return tuple((key, *(_written(own[key]) if key in own else NOTHING for own in values)) for key in keys)


def _written(value: Any) -> str:
    """Writes a value as JSON does, but texts without quotation marks and lists without brackets."""
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list):
        return ", ".join(map(_written, value)) or "[]"
    return json.dumps(value, ensure_ascii=False)
