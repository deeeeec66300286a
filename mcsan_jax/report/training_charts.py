"""The section of the training: losses, their terms, and the validation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcsan_jax.report.charts import Series, Words, line_chart
from mcsan_jax.report.contents import Chart, Section, in_order, number
from mcsan_jax.report.results import Run
from mcsan_jax.report.wording import missing_notes

_TERMS = {
    "loss": "Loss",
    "ranking": "Ranking loss",
    "fbce": "Focal binary cross-entropy",
    "kl": "KL divergence",
}
_PART_COLOURS = {
    "global": "#a06bc9",
    "entity": "#3b82c4",
    "action": "#d9772b",
    "relationship": "#4da06a",
    "attributes": "#8c8f3a",
}
_FUSED_COLOUR = "#cf3f5c"


def training_section(runs: Sequence[Run]) -> Section:
    """Curves of the training."""
    lacking = missing_notes(
        runs, "", "No training curves: the folder has no metrics.jsonl.", has=lambda run: run.history
    )
    unvalidated = missing_notes(
        [run for run in runs if run.history],
        "",
        "No validation history: the training did not evaluate.",
        has=lambda run: _entries(run, "val"),
    )
    charts = [
        _chart(
            runs, "train", term, title, "summed over the levels, before it is weighed" if place > 1 else ""
        )
        for place, (term, title) in enumerate(_TERMS.items())
        if any(_curve(run, "train", term) for run in runs)
    ]
    if any(_entries(run, "val") for run in runs):
        charts.append(_validation_chart(runs))
        if len(runs) == 1:
            charts.append(_part_chart(runs[0]))
    return Section("Training", (*lacking, *unvalidated), charts=tuple(charts))


def _entries(run: Run, kind: str) -> list[Mapping[str, Any]]:
    return [entry for entry in run.history if entry["kind"] == kind]


def _curve(run: Run, kind: str, term: str) -> list[tuple[float, float]]:
    """Steps and values of a term, summed over the levels."""
    points = []
    for entry in _entries(run, kind):
        values = [
            value
            for name, value in entry.items()
            if (name == term or name.startswith(f"{term}/")) and isinstance(value, int | float)
        ]
        if values:
            points.append((entry["step"], sum(values)))
    return points


def _chart(
    runs: Sequence[Run],
    kind: str,
    term: str,
    title: str,
    note: str = "",
    marks: Sequence[tuple[float, str]] = (),
) -> Chart:
    series, told = [], []
    for run in runs:
        curve = _curve(run, kind, term)
        if curve:
            steps, values = np.array(curve, float).T
            # A validation is rare: its points are shown.
            series.append(
                Series(run.name, run.colour, values, steps, marked=kind == "val" or len(curve) == 1)
            )
            told.append(f"{run.name}: from {number(values[0], 2)} to {number(values[-1], 2)}")
    words = Words(
        f"training-{kind}-{term.replace('/', '-')}", title, f"{'; '.join(told)}.", "step", title, note
    )
    return line_chart(words, series, from_zero=kind == "train", marks=marks)


def _validation_chart(runs: Sequence[Run]) -> Chart:
    marks = [(run.evaluation["step"], run.colour) for run in runs if run.get("step") is not None]
    note = "dotted: the step that is evaluated here" if marks else ""
    return _chart(runs, "val", "rsum/fused", "Validation Rsum", note, marks)


def _part_chart(run: Run) -> Chart:
    names = dict.fromkeys(
        name for entry in _entries(run, "val") for name in entry if name.startswith("rsum/")
    )
    series, told = [], []
    for part in in_order([name.removeprefix("rsum/") for name in names]):
        steps, values = np.array(_curve(run, "val", f"rsum/{part}"), float).T
        colour = _PART_COLOURS.get(part, _FUSED_COLOUR)
        series.append(Series(part, colour, values, steps, marked=True))
        told.append(f"{part} {number(values[-1])}")
    words = Words(
        "training-parts", "Validation Rsum by part", f"At the end: {', '.join(told)}.", "step", "Rsum"
    )
    return line_chart(words, series)
