"""How well models recognise frequent, medium and rare attributes of videos, over their seeds."""

from collections.abc import Sequence

from benchmarks.run_tables import mean_and_deviation
from benchmarks.trained_runs import ModelRuns
from data_pipeline.levels import NODE_LEVELS
from mcsan_jax.evaluation.attribute_precision import FREQUENCIES
from mcsan_jax.evaluation.tables import aligned

Precisions = dict[str, dict[str, list[float]]]
"""For each level and third of the vocabulary, the average precision in percent of every seed."""


def precisions(model: ModelRuns, figure: str = "mAP") -> Precisions:
    """What the evaluations say; levels and thirds that a model or the split lacks are left out.

    Args:
        model: with its runs.
        figure: ``mAP``, or ``chance``: the share of videos that have an attribute.
    """
    found: Precisions = {}
    for level in NODE_LEVELS:
        records = [run.record.attributes.get(level, {}) for run in model.runs]
        thirds: dict[str, list[float]] = {
            third: [getattr(record[third], figure) for record in records if third in record]
            for third in FREQUENCIES
        }
        kept = {third: values for third, values in thirds.items() if values}
        if kept:
            found[level] = kept
    return found


def attribute_table(models: Sequence[ModelRuns]) -> list[str]:
    """A Markdown table with a row per model, and at its end what chance reaches; empty without attributes."""
    known = [(model.name, precisions(model)) for model in models]
    columns = [
        (level, third)
        for level in NODE_LEVELS
        for third in FREQUENCIES
        if any(third in found.get(level, {}) for _, found in known)
    ]
    if not columns:
        return []
    # The model with the most levels knows what chance is at all of them.
    widest = max(models, key=lambda model: len(precisions(model)))
    known.append(("chance", {level: _first(by) for level, by in precisions(widest, "chance").items()}))
    rows = [
        [name, *(mean_and_deviation(found.get(level, {}).get(third, [])) for level, third in columns)]
        for name, found in known
    ]
    return aligned([["average precision, %", *(f"{level}, {third}" for level, third in columns)], *rows])


def _first(by_third: dict[str, list[float]]) -> dict[str, list[float]]:
    """Chance is the same with every seed."""
    return {third: values[:1] for third, values in by_third.items()}
