"""Tables of several models in Markdown, what stands around them, and the files they are written to.

Beside the recalls, evaluations say how well models recognise frequent, medium and rare attributes of videos, and how
often they prefer a true caption to one made false, by kind of the false one.
"""

import dataclasses
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.figures import write_figures
from benchmarks.machine import describe_machine
from benchmarks.quality.seed_statistics import (
    PERMUTATIONS,
    RESAMPLES,
    PairedTest,
    Summary,
    corrected,
    paired_tests,
    summarize,
)
from benchmarks.quality.trained_runs import ModelRuns
from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import Manifest
from mcsan_jax.evaluation.attribute_precision import FREQUENCIES
from mcsan_jax.evaluation.foil_figures import PREPARED
from mcsan_jax.evaluation.foil_table import FoilTable, read_foil_table
from mcsan_jax.evaluation.mean_significance import paired_means
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.runs.folder import RunFolder

NOTHING = "–"

Precisions = dict[str, dict[str, list[float]]]
"""For each level and third of the vocabulary, the average precision in percent of every seed."""

Accuracies = dict[str, dict[str, list[float]]]
"""For each kind of foil and score (``fused`` or a level), the accuracy in percent of every seed; chance is 50."""


def head_lines(run: EvaluatedRun, manifest: Manifest, split: str) -> list[str]:
    """The data, the protocol of the evaluations, and the machine.

    Args:
        run: any of the trained ones.
        manifest: of the data.
        split: that was evaluated.
    """
    record, train = run.record, manifest.splits[run.record.config["data.train_split"]]
    # The checkpoint differs from run to run.
    lines = [line for line in record.protocol.lines if not line.startswith(("Selection:", "OPTIMISTIC:"))]
    return [
        f"Split {split}: {record.videos:,} videos, {record.captions:,} captions; trained on {train.videos:,} "
        f"videos with {train.captions:,} captions. Data fingerprint {manifest.fingerprint}.",
        *lines,
        *describe_machine().splitlines(),
    ]


def tail_lines(split: str, validation_split: str) -> list[str]:
    """What the columns are."""
    optimism = ""
    if split == validation_split:
        optimism = "; OPTIMISTIC for what was trained: the split that is reported chose its checkpoints"
    return [
        f"Checkpoints: of each run the one with the best Rsum on split {validation_split}{optimism}.",
        "sd: standard deviation over the seeds. Intervals: 95 % of "
        f"{RESAMPLES:,} resamples of whole videos, of the mean over the seeds. p: Fisher's randomisation test over "
        f"videos, two-sided, all seeds of a video swapped together, {PERMUTATIONS:,} permutations; Holm's correction "
        "is for the rows. Minutes: in training steps, mean over the seeds, without evaluations; on the machine that "
        "trained.",
    ]


def compared(title: str, models: Sequence[ModelRuns]) -> tuple[dict[str, Any], list[str]]:
    """Figures of models and tests of each against the first one, for the JSON file and as Markdown."""
    summaries, first = [summarize(model) for model in models], models[0]
    tests = paired_tests([(model, first) for model in models[1:]])
    of_foils = foil_tests(models[1:], first)
    content = {
        "models": [dataclasses.asdict(one) for one in summaries],
        "tests": [dataclasses.asdict(test) for test in tests],
        "foil_tests": {
            kind: [dataclasses.asdict(test) for test in found] for kind, found in of_foils.items()
        },
    }
    tables = [*summary_table(summaries), "", *difference_table(tests), "", *foil_tables(models, of_foils)]
    return content, [f"## {title}", "", *tables]


def of_all(models: Sequence[ModelRuns]) -> dict[str, Any]:
    """Figures of models on attributes and foils, and what they were measured on, for the JSON file."""
    record = models[0].runs[0].record
    return {
        "attributes": {model.name: precisions(model) for model in models},
        "chance": chance_precisions(models),
        "foils": {model.name: accuracies(model) for model in models},
        "questions": record.foils,
        "data_fingerprint": record.data_fingerprint,
        "versions": record.versions,
    }


def summary_table(
    summaries: Sequence[Summary], extra: Mapping[str, Sequence[str]] | None = None
) -> list[str]:
    """A row per model; `extra` has the texts of further columns."""
    further = extra or {}
    recalls = list(summaries[0].recalls)
    head = ["model", "seeds", *recalls, "Rsum", "sd", "95 % interval", "minutes", *further]
    rows = [
        [
            one.name,
            str(len(one.rsums)),
            *(f"{one.recalls[name]:.1f}" for name in recalls),
            f"{one.rsum:.1f}",
            _number(one.deviation),
            f"{one.interval[0]:.1f} to {one.interval[1]:.1f}",
            _number(one.minutes),
            *(column[i] for column in further.values()),
        ]
        for i, one in enumerate(summaries)
    ]
    return aligned([head, *rows])


def difference_table(tests: Sequence[PairedTest], figure: str = "Rsum") -> list[str]:
    """A row per test; `figure` is what was compared."""
    rows = [
        [
            f"{test.model} − {test.other}",
            f"{test.difference:+.1f}",
            f"{test.low:+.1f} to {test.high:+.1f}",
            f"{test.p:.4f}",
            f"{test.p_holm:.4f}",
        ]
        for test in tests
    ]
    return aligned([[f"difference of {figure}", "mean", "95 % interval", "p", "p (Holm)"], *rows])


def mean_and_deviation(values: Sequence[float], sign: str = "") -> str:
    """``12.3 ± 0.4``: the mean over the seeds and their standard deviation, where there are several."""
    if not values:
        return NOTHING
    mean = f"{statistics.fmean(values):{sign}.1f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.1f}"


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


def chance_precisions(models: Sequence[ModelRuns]) -> Precisions:
    """What chance reaches, the same with every seed, by the model with the most levels."""
    by_level = precisions(max(models, key=lambda model: len(precisions(model))), "chance")
    return {level: {third: values[:1] for third, values in by.items()} for level, by in by_level.items()}


def attribute_table(models: Sequence[ModelRuns]) -> list[str]:
    """A Markdown table with a row per model, and at its end what chance reaches; empty without attributes."""
    known = [*((model.name, precisions(model)) for model in models), ("chance", chance_precisions(models))]
    columns = [
        (level, third)
        for level in NODE_LEVELS
        for third in FREQUENCIES
        if any(third in found.get(level, {}) for _, found in known)
    ]
    if not columns:
        return []
    rows = [
        [name, *(mean_and_deviation(found.get(level, {}).get(third, [])) for level, third in columns)]
        for name, found in known
    ]
    return aligned([["average precision, %", *(f"{level}, {third}" for level, third in columns)], *rows])


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


def command_lines(models: Sequence[ModelRuns]) -> list[str]:
    """The commands that trained the first run of each model."""
    return ["Commands, of the first seed:", "", *(f"    {model.command}" for model in models)]


def write_results(
    out: pathlib.Path, name: str, arguments: Mapping[str, Any], content: Mapping[str, Any], markdown: str
) -> None:
    """Writes ``<name>.json`` and ``<name>.md``; each appears under its name when it is complete.

    Args:
        out: folder of the runs.
        name: of the comparison.
        arguments: that decide what is compared.
        content: its figures.
        markdown: the same as it is printed.
    """
    write_figures(out / f"{name}.json", name, arguments, content)
    write_text(out / f"{name}.md", markdown + "\n")


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


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
