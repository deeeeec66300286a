"""How often models prefer a true caption to one made false, by kind of the false one, over their seeds."""

from collections.abc import Sequence

from benchmarks.run_tables import mean_and_deviation
from benchmarks.trained_runs import ModelRuns
from mcsan_jax.evaluation.tables import aligned

Accuracies = dict[str, dict[str, list[float]]]
"""For each kind of foil and score (``fused`` or a level), the accuracy in percent of every seed; chance is 50."""


def accuracies(model: ModelRuns) -> Accuracies:
    """What the evaluations say; empty where the split has no foils."""
    found: Accuracies = {}
    for run in model.runs:
        for score, by_kind in run.record.compositional.items():
            for kind, accuracy in by_kind.items():
                found.setdefault(kind, {}).setdefault(score, []).append(accuracy)
    return found


def foil_tables(models: Sequence[ModelRuns]) -> list[str]:
    """A Markdown table per kind of foil, with a row per model; empty without foils."""
    known = {model.name: accuracies(model) for model in models}
    lines: list[str] = []
    for kind, count in sorted(models[0].runs[0].record.foils.items()):
        scores = dict.fromkeys(score for found in known.values() for score in found.get(kind, {}))
        rows = [
            [name, *(mean_and_deviation(found.get(kind, {}).get(score, [])) for score in scores)]
            for name, found in known.items()
        ]
        head = [f"{kind} foils ({count:,}), accuracy in %", *scores]
        lines += [*aligned([head, *rows]), ""]
    return lines
