"""Means over seeds with their intervals, and tests between models, when every seed answers the same queries.

The queries of all seeds of a model stand side by side, and a video brings those of all seeds with it: a mean over
them is the mean over the seeds, a resampled video is resampled in every seed, and a test swaps it in every seed.
"""

import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np

from benchmarks.quality.trained_runs import ModelRuns
from data_pipeline.errors import InputError
from mcsan_jax.evaluation.query_table import DIRECTIONS, QueryTable
from mcsan_jax.evaluation.significance import (
    RSUM,
    Directions,
    QueryValues,
    bootstrap_intervals,
    holm,
    metrics_of,
    paired_intervals,
    query_values,
    randomisation_test,
)
from mcsan_jax.ranking.metrics import CUTOFFS
from mcsan_jax.report.results import EvaluatedRun

RESAMPLES, PERMUTATIONS = 2000, 10_000


@dataclasses.dataclass(frozen=True)
class Summary:
    """A model over its seeds.

    Attributes:
        name, command: as of `ModelRuns`.
        rsums: of every seed.
        recalls: means over the seeds, such as ``T2V R@1``, in percent.
        rsum: mean over the seeds.
        deviation: standard deviation of Rsum over the seeds; None of a single one.
        interval: 95 % of the resamples of the videos, of the mean over the seeds.
        minutes: as of `ModelRuns`.
    """

    name: str
    command: str
    rsums: list[float]
    recalls: dict[str, float]
    rsum: float
    deviation: float | None
    interval: tuple[float, float]
    minutes: float | None


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """How far a figure of a model, such as Rsum, is from that of another, both the mean over their seeds.

    Attributes:
        model, other: their names.
        difference: ``model − other``.
        low, high: 95 % interval of it.
        p: of Fisher's randomisation test, two-sided; p_holm: after Holm's correction over all tests of a table.
    """

    model: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


def summarize(model: ModelRuns) -> Summary:
    """Means, spread and interval of a model."""
    values = pooled_queries(model.runs)
    means = metrics_of(values)
    low, high = bootstrap_intervals(values, RESAMPLES)["rsum"]
    return Summary(
        model.name,
        model.command,
        model.rsums,
        {f"{way.upper()} R@{k}": means[way, f"R@{k}"] for way in DIRECTIONS for k in CUTOFFS},
        means[RSUM],
        statistics.stdev(model.rsums) if len(model.runs) > 1 else None,
        (low, high),
        model.minutes,
    )


def paired_tests(pairs: Sequence[tuple[ModelRuns, ModelRuns]]) -> list[PairedTest]:
    """Tests of each pair's first model against its second, corrected for their number.

    Raises:
        InputError: the models of a pair answered different queries, or have different numbers of seeds, both several.
    """
    found = []
    for model, other in pairs:
        _require_same_queries(model.runs[0], other.runs[0])
        seeds = max(len(model.runs), len(other.runs))
        values, of_other = (pooled_queries(_repeated(one, seeds)) for one in (model, other))
        low, high = paired_intervals(of_other, values, RESAMPLES)[RSUM]
        difference = metrics_of(values)[RSUM] - metrics_of(of_other)[RSUM]
        p = randomisation_test(of_other, values, PERMUTATIONS)[RSUM]
        found.append(PairedTest(model.name, other.name, difference, low, high, p, p))
    return corrected(found)


def corrected(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The tests with Holm's correction over all of them."""
    p_holm = holm({(test.model, test.other): test.p for test in tests})
    return [dataclasses.replace(test, p_holm=p_holm[test.model, test.other]) for test in tests]


def pooled_queries(runs: Sequence[EvaluatedRun]) -> Directions:
    """The queries of all runs side by side.

    Raises:
        InputError: the runs answered different queries.
    """
    for run in runs[1:]:
        _require_same_queries(runs[0], run)
    videos = np.unique(np.concatenate([runs[0].queries[way]["video"].astype(str) for way in DIRECTIONS]))
    return {way: _pooled([_in_order(run.queries[way]) for run in runs], videos) for way in DIRECTIONS}


def _repeated(model: ModelRuns, seeds: int) -> list[EvaluatedRun]:
    """A model without seeds has the same result with each."""
    if len(model.runs) not in (1, seeds):
        raise InputError(
            f"{model.name} has {len(model.runs)} seeds, another model has {seeds}; train as many of both"
        )
    return model.runs * (seeds // len(model.runs))


def _in_order(queries: QueryTable) -> QueryTable:
    return queries.take(np.argsort(queries["query"].astype(str), kind="stable"))


def _pooled(tables: Sequence[QueryTable], videos: np.ndarray) -> QueryValues:
    parts = [
        query_values(table.ranks(), np.searchsorted(videos, table["video"].astype(str))) for table in tables
    ]
    return QueryValues(
        np.concatenate([part.videos for part in parts]),
        {name: np.concatenate([part.means[name] for part in parts]) for name in parts[0].means},
        np.concatenate([part.ranks for part in parts]),
    )


def _require_same_queries(first: EvaluatedRun, second: EvaluatedRun) -> None:
    facts = [run.record.protocol.duplicate_captions for run in (first, second)]
    if facts[0] != facts[1]:
        raise InputError(
            f"{first.folder} and {second.folder} cannot be compared: {facts[0]} in one, {facts[1]} in the other; "
            "evaluate both in the same way"
        )
    for way in DIRECTIONS:
        one, other = (_in_order(run.queries[way]) for run in (first, second))
        for column in ("query", "video"):
            if not np.array_equal(one[column], other[column]):
                raise InputError(
                    f"{first.folder} and {second.folder} answered different queries of {way}; evaluate both on the "
                    "same videos and captions"
                )
