"""How often models prefer a true caption to one made false, by kind of the false one, over their seeds."""

from collections.abc import Sequence

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
    known = {model.name: _answers(model) for model in (other, *models)}
    tests: dict[str, list[PairedTest]] = {}
    for kind in kinds:
        asked, of_other = known[other.name][kind]
        _, videos = np.unique([video for video, _ in asked], return_inverse=True)
        found = []
        for model in models:
            same, of_model = known[model.name][kind]
            if same != asked or of_model.shape != of_other.shape:
                raise InputError(
                    f"{model.name} and {other.name} were asked different questions about {kind} foils; evaluate both "
                    "on the same data with as many seeds"
                )
            test = paired_means(videos, of_other, of_model, RESAMPLES, PERMUTATIONS)
            found.append(
                PairedTest(model.name, other.name, test.difference, test.low, test.high, test.p, test.p)
            )
        tests[kind] = corrected(found)
    return tests


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


def _answers(model: ModelRuns) -> dict[str, tuple[list[tuple[str, str]], np.ndarray]]:
    """For each kind the questions (video, true caption), and the percentage of right answers over the seeds."""
    tables = [_read(model, number) for number in range(len(model.runs))]
    found = {}
    for kind in dict.fromkeys(tables[0].kind):
        of_seeds = []
        for table in tables:
            (rows,) = np.nonzero(table.kind == kind)
            order = rows[np.lexsort((table.true[rows].astype(str), table.video[rows].astype(str)))]
            of_seeds.append(
                (list(zip(table.video[order], table.true[order], strict=True)), table.fused[order])
            )
        if any(asked != of_seeds[0][0] for asked, _ in of_seeds):
            raise InputError(
                f"the seeds of {model.name} were asked different questions; evaluate all on the same data"
            )
        found[kind] = of_seeds[0][0], 100.0 * np.mean([right for _, right in of_seeds], axis=0)
    return found


def _read(model: ModelRuns, number: int) -> FoilTable:
    run = model.runs[number]
    folder, key = RunFolder(run.folder), (run.record.split, run.record.merged_duplicates)
    table = read_foil_table(folder.foils_file(*key), folder.evaluate_command(*key))
    return table.take(table.source == PREPARED)
