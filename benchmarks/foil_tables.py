"""How often models prefer a true caption to one made false, by kind of the false one, over their seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.run_tables import difference_table, mean_and_deviation
from benchmarks.seed_statistics import PERMUTATIONS, RESAMPLES, PairedTest, corrected
from benchmarks.trained_runs import ModelRuns
from data_pipeline.errors import InputError
from mcsan_jax.evaluation.foil_figures import PREPARED
from mcsan_jax.evaluation.foil_table import FoilTable, read_foil_table
from mcsan_jax.evaluation.mean_significance import paired_means
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.runs.folder import RunFolder

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


def foil_tests(models: Sequence[ModelRuns], other: ModelRuns) -> dict[str, list[PairedTest]]:
    """For each kind of foil, tests of the fused score's accuracy of each model against another one's, in percent.

    All seeds of a video are resampled and swapped together; Holm's correction is over the tests of a kind. Empty where
    the split has no foils.

    Raises:
        InputError: an evaluation has no table of foils, or the models were asked different questions.
    """
    kinds = sorted(other.runs[0].record.foils)
    if not kinds or not models:
        return {}
    known = {model.name: _mean_answers(model) for model in (other, *models)}
    of_other = known[other.name]
    _, videos = np.unique(of_other.video.astype(str), return_inverse=True)
    for model in models:
        if not known[model.name].same_questions(of_other) or len(model.runs) != len(other.runs):
            raise InputError(
                f"{model.name} and {other.name} were asked different questions about foils, or have different numbers "
                "of seeds; evaluate both on the same data with the same seeds"
            )
    tests: dict[str, list[PairedTest]] = {}
    for kind in kinds:
        rows = of_other.kind == kind
        found = []
        for model in models:
            answers = of_other.fused[rows], known[model.name].fused[rows]
            test = paired_means(videos[rows], *answers, RESAMPLES, PERMUTATIONS)
            found.append(
                PairedTest(model.name, other.name, test.difference, test.low, test.high, test.p, test.p)
            )
        tests[kind] = corrected(found)
    return tests


def plain_tests(tests: Mapping[str, Sequence[PairedTest]]) -> dict[str, list[dict[str, Any]]]:
    """The tests of `foil_tests`, for the JSON file."""
    return {kind: [dataclasses.asdict(test) for test in of_kind] for kind, of_kind in tests.items()}


def foil_tables(models: Sequence[ModelRuns], tests: dict[str, list[PairedTest]]) -> list[str]:
    """A Markdown table per kind of foil, with a row per model, and one of its tests; empty without foils."""
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
        if tests.get(kind):
            lines += [*difference_table(tests[kind], f"accuracy on {kind} foils"), ""]
    return lines


def _mean_answers(model: ModelRuns) -> FoilTable:
    """The questions of the prepared data in order, with the percentage of right answers over the seeds."""
    tables = []
    for run in model.runs:
        folder, key = RunFolder(run.folder), (run.record.split, run.record.merged_duplicates)
        table = read_foil_table(folder.foils_file(*key), folder.evaluate_command(*key))
        tables.append(table.take(table.source == PREPARED).in_order())
    if not all(table.same_questions(tables[0]) for table in tables):
        raise InputError(
            f"the seeds of {model.name} were asked different questions; evaluate all on the same data"
        )
    return dataclasses.replace(tables[0], fused=100.0 * np.mean([table.fused for table in tables], axis=0))
