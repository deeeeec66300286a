"""This module makes the section of the training: losses, their terms, and the validation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcsan_jax.report.charts import Series, Words, line_chart
from mcsan_jax.report.contents import Chart, Section, in_order, number
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.report.wording import missing_notes

_TITLES = {
    "loss": "Loss",
    "loss/ranking": "Ranking loss",
    "loss/fbce": "Focal binary cross-entropy",
    "loss/kl": "KL divergence",
    "loss/foils": "Loss on foils",
}
"""These losses have a title, in the order of their charts; others follow under the names in the log."""
_SCORE_COLOURS = {
    "global": "#a06bc9",
    "entity": "#3b82c4",
    "action": "#d9772b",
    "relationship": "#4da06a",
    "attributes": "#8c8f3a",
}
_FUSED_COLOUR = "#cf3f5c"


def training_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Draws the curves of the training."""
    lacking = missing_notes(
        runs, "", "No training curves: the folder has no metrics.jsonl.", has=lambda run: run.history
    )
    unvalidated = missing_notes(
        [run for run in runs if run.history],
        "",
        "No validation history: the training did not evaluate.",
        has=lambda run: _entries(run, "val"),
    )
    charts = [_loss_chart(runs, term) for term in _terms(runs)]
    if any(_entries(run, "val") for run in runs):
        charts.append(_validation_chart(runs))
        if len(runs) == 1:
            charts.append(_score_chart(runs[0]))
    return Section("Training", (*lacking, *unvalidated), charts=tuple(charts))


def _entries(run: EvaluatedRun, kind: str) -> list[Mapping[str, Any]]:
    return [entry for entry in run.history if entry["kind"] == kind]


def _logged(run: EvaluatedRun) -> list[str]:
    """Returns the names of the scalars of training, in the order in which they were logged."""
    return list(dict.fromkeys(name for entry in _entries(run, "train") for name in entry))


def _terms(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Returns which losses were logged in training: the total, and each loss once for all its levels."""
    parts = [name.split("/") for run in runs for name in _logged(run)]
    found = dict.fromkeys("/".join(part[:2]) for part in parts if part[0] == "loss")
    return [*(term for term in _TITLES if term in found), *(term for term in found if term not in _TITLES)]


def _curve(run: EvaluatedRun, kind: str, term: str) -> list[tuple[float, float]]:
    """Returns the steps and values of a term; a term that is stored by level is summed over the levels."""
    points = []
    for entry in _entries(run, kind):
        levels = [name for name in entry if name.startswith(f"{term}/")]
        names = [term] if term in entry else levels
        values = [entry[name] for name in names if isinstance(entry[name], int | float)]
        if values:
            points.append((entry["step"], sum(values)))
    return points


def _loss_chart(runs: Sequence[EvaluatedRun], term: str) -> Chart:
    """Draws a term in training and, where it was computed, in validation."""
    series, described = [], []
    for run in runs:
        for kind, title in (("train", run.name), ("val", f"{run.name}, validation")):
            curve = _curve(run, kind, term)
            if curve:
                series.append(_series(run, curve, marked=kind == "val", dashed=kind == "val"))
                described.append(_in_words(title, series[-1]))
    by_level = any(name.startswith(f"{term}/") for run in runs for name in _logged(run)) and term != "loss"
    notes = ["summed over the levels, before it is weighed"] if by_level else []
    if any(one.dashed for one in series):
        notes.append("dashed: on the validation split")
    title = _TITLES.get(term, term.removeprefix("loss/"))
    place = f"training-train-{term.removeprefix('loss/')}"
    words = Words(place, title, f"{'; '.join(described)}.", "step", title, "; ".join(notes))
    return line_chart(words, series)


def _validation_chart(runs: Sequence[EvaluatedRun]) -> Chart:
    series, described = [], []
    for run in runs:
        curve = _curve(run, "val", "rsum/fused")
        if curve:
            series.append(_series(run, curve, marked=True))
            described.append(_in_words(run.name, series[-1]))
    marks = [(run.record.step, run.colour) for run in runs]
    note = "dotted: the step that is evaluated here"
    title = "Validation Rsum"
    words = Words("training-val-rsum-fused", title, f"{'; '.join(described)}.", "step", title, note)
    return line_chart(words, series, from_zero=False, marks=marks)


def _series(
    run: EvaluatedRun, curve: Sequence[tuple[float, float]], marked: bool, dashed: bool = False
) -> Series:
    """Makes a curve in the colour of its run; points are marked where they are few, or only one."""
    steps, values = np.array(curve, float).T
    return Series(run.name, run.colour, values, steps, dashed=dashed, marked=marked or len(curve) == 1)


def _in_words(title: str, series: Series) -> str:
    return f"{title}: from {number(series.y[0], 2)} to {number(series.y[-1], 2)}"


def _score_chart(run: EvaluatedRun) -> Chart:
    names = dict.fromkeys(
        name for entry in _entries(run, "val") for name in entry if name.startswith("rsum/")
    )
    series, described = [], []
    for score in in_order([name.removeprefix("rsum/") for name in names]):
        steps, values = np.array(_curve(run, "val", f"rsum/{score}"), float).T
        colour = _SCORE_COLOURS.get(score, _FUSED_COLOUR)
        series.append(Series(score, colour, values, steps, marked=True))
        described.append(f"{score} {number(values[-1])}")
    words = Words(
        "training-scores", "Validation Rsum by score", f"At the end: {', '.join(described)}.", "step", "Rsum"
    )
    return line_chart(words, series)
