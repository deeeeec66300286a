"""Tables of several models in Markdown, what stands around them, and the files they are written to."""

import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figures import write_figures
from benchmarks.machine import describe_machine
from benchmarks.seed_statistics import PERMUTATIONS, RESAMPLES, PairedTest, Summary
from benchmarks.trained_runs import ModelRuns
from data_pipeline.host.files import write_text
from data_pipeline.manifest import Manifest
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.report.results import EvaluatedRun

NOTHING = "–"


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


def command_lines(models: Sequence[ModelRuns]) -> list[str]:
    """The commands that trained the first run of each model."""
    return ["Commands, of the first seed:", "", *(f"    {model.command}" for model in models)]


def write_results(out: pathlib.Path, name: str, content: Mapping[str, Any], markdown: str) -> None:
    """Writes ``<name>.json`` and ``<name>.md``; each appears under its name when it is complete."""
    write_figures(out / f"{name}.json", content)
    write_text(out / f"{name}.md", markdown + "\n")


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"
