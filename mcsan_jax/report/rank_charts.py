"""These sections are about the ranks of queries: recall against K, histogram, slices by length and number of nodes."""

from collections.abc import Sequence

import numpy as np

from mcsan_jax.evaluation.query_table import QueryTable
from mcsan_jax.ranking.ranks import Ranks
from mcsan_jax.report.charts import GREY, Series, Words, line_chart, stair_chart
from mcsan_jax.report.contents import DIRECTIONS, Chart, Section, Table, number
from mcsan_jax.report.results import EvaluatedRun

_LARGEST_K = 100
_SLICES = 7
_IN_SLICES = (1, 10)
_SLICED_BY = {
    "words": "words",
    "nodes": "nodes of all levels",
    "nodes_entity": "entities",
    "nodes_action": "actions",
    "nodes_relationship": "relationships",
}


def recall_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Draws the recall against K."""
    charts = tuple(_recall_chart(runs, direction) for direction in DIRECTIONS)
    note = "The share of queries with a relevant answer among the first K. Grey and dashed: a random order."
    return Section("Recall at K", (note,), charts=charts)


def rank_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Draws how the ranks are distributed."""
    charts = tuple(_rank_chart(runs, direction) for direction in DIRECTIONS)
    note = (
        "The share of queries by the rank of their first relevant answer. Steps grow with the rank, about √2 each; a "
        "tie counts at its expected rank."
    )
    return Section("Ranks", (note,), charts=charts)


def slice_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Draws the text-to-video recall by properties of the caption."""
    charts, tables = [], []
    for column, title in _SLICED_BY.items():
        chart, table = _slices(runs, column, title)
        charts.append(chart)
        tables.append(table)
    note = "Text-to-video recall of captions of one kind; below each kind, its number of queries."
    if len(runs) > 1:
        note += f" The numbers of queries are those of {runs[0].name}; the tables have all."
    return Section("Slices", (note,), charts=tuple(charts), folded=tuple(tables))


def recall_curve(ranks: Ranks, largest: int) -> np.ndarray:
    """Returns the recall in percent at K = 1 … `largest`, float64 [largest]."""
    # Few triples differ, and the recall of a query depends on nothing else.
    triples, counts = np.unique(
        np.stack([ranks.greater, ranks.tied, ranks.relevant]), axis=1, return_counts=True
    )
    distinct = Ranks(*triples)
    return np.array(
        [100 * np.average(distinct.hit_probability(k), weights=counts) for k in range(1, largest + 1)]
    )


def integer_groups(values: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Divides whole numbers [n] into up to `most` ranges (first, last) of about as many values each."""
    distinct = np.unique(values)
    if len(distinct) <= most:
        return [(int(value), int(value)) for value in distinct]
    cuts = np.quantile(values, np.linspace(0, 1, most + 1)[1:-1], method="lower")
    lasts = sorted({int(cut) for cut in cuts} | {int(distinct[-1])})
    firsts = [int(distinct[0]), *(last + 1 for last in lasts[:-1])]
    return list(zip(firsts, lasts, strict=True))


def _recall_chart(runs: Sequence[EvaluatedRun], direction: str) -> Chart:
    items = _items(runs[0], direction)
    largest = min(_LARGEST_K, items)
    places = np.arange(1, largest + 1)
    series, described = [], []
    for run in runs:
        curve = recall_curve(run.queries[direction].ranks(), largest)
        series.append(Series(run.name, run.colour, curve, places))
        shown = ", ".join(f"{curve[k - 1]:.1f} at {k}" for k in (1, 5, 10, 50, 100) if k <= largest)
        described.append(f"{run.name}: {shown}")
    chance = recall_curve(_random_order(runs[0].queries[direction], items), largest)
    series.append(Series("random order", GREY, chance, places, dashed=True))
    words = Words(
        f"recall-{direction}",
        f"Recall at K, {DIRECTIONS[direction]}",
        f"Percent of the queries. {'; '.join(described)}.",
        f"K, of {items:,}",
        "recall, %",
    )
    return line_chart(words, series, logarithmic=True)


def _items(run: EvaluatedRun, direction: str) -> int:
    """Returns the number of items that are ranked."""
    queries = len(run.queries["v2t" if direction == "t2v" else "t2v"])
    # A video without captions is no query, but an item like any other.
    return max(queries, run.record.videos) if direction == "t2v" else queries


def _random_order(queries: QueryTable, items: int) -> Ranks:
    """Returns the ranks that the queries have if all items tie."""
    relevant = np.array([len(own) for own in queries["relevant_items"]], np.int64)
    return Ranks(np.zeros_like(relevant), np.maximum(items, relevant), relevant)


def _rank_chart(runs: Sequence[EvaluatedRun], direction: str) -> Chart:
    ranks = [run.queries[direction]["rank"] for run in runs]
    worst = max(float(own.max()) for own in ranks)
    edges = np.unique(np.round(2 ** np.arange(0, np.log2(worst) + 2, 0.5)))
    # The last step ends beyond the worst rank.
    edges = edges[: int(np.searchsorted(edges, worst, side="right")) + 1]
    series = [
        Series(run.name, run.colour, 100 * np.histogram(own, edges)[0] / len(own), edges)
        for run, own in zip(runs, ranks, strict=True)
    ]
    described = [
        f"{run.name}: median {np.median(own):,.1f}, worst {own.max():,.1f}"
        for run, own in zip(runs, ranks, strict=True)
    ]
    words = Words(
        f"ranks-{direction}",
        f"Ranks, {DIRECTIONS[direction]}",
        f"Histogram. {'; '.join(described)}.",
        "rank of the first relevant answer",
        "queries, %",
    )
    return stair_chart(words, series, logarithmic=True)


def _slices(runs: Sequence[EvaluatedRun], column: str, title: str) -> tuple[Chart, Table]:
    values = [_values(run.queries["t2v"], column) for run in runs]
    groups = integer_groups(np.concatenate(values), _SLICES)
    names = [str(first) if first == last else f"{first}–{last}" for first, last in groups]
    counts = np.zeros((len(runs), len(groups)), np.int64)
    recalls = np.full((len(runs), len(_IN_SLICES), len(groups)), np.nan)
    for index, (run, own) in enumerate(zip(runs, values, strict=True)):
        hits = [100 * run.queries["t2v"].ranks().hit_probability(k) for k in _IN_SLICES]
        for group, (first, last) in enumerate(groups):
            inside = (own >= first) & (own <= last)
            counts[index, group] = inside.sum()
            if inside.any():
                recalls[index, :, group] = [hit[inside].mean() for hit in hits]
    words = Words(
        f"slices-{column.replace('_', '-')}",
        f"By number of {title}",
        " ".join(
            f"{name}: "
            + ", ".join(
                f"{run.name} R@1 {number(recall[0])}, R@10 {number(recall[1])}"
                for run, recall in zip(runs, recalls[:, :, group], strict=True)
            )
            + f" ({counts[0, group]:,} queries)."
            for group, name in enumerate(names)
        ),
        f"{title} in the caption",
        "recall, %",
        "solid R@1, dashed R@10",
    )
    places = np.arange(len(groups))
    series = [
        Series(run.name, run.colour, recall, places, dashed=k != _IN_SLICES[0], marked=True)
        for run, of_run in zip(runs, recalls, strict=True)
        for k, recall in zip(_IN_SLICES, of_run, strict=True)
    ]
    ticks = [f"{name}\n({_in_short(count)})" for name, count in zip(names, counts[0], strict=True)]
    return line_chart(words, series, ticks), _slice_table(runs, title, names, counts, recalls)


def _slice_table(
    runs: Sequence[EvaluatedRun], title: str, names: Sequence[str], counts: np.ndarray, recalls: np.ndarray
) -> Table:
    header = ("queries", *(f"R@{k}" for k in _IN_SLICES))
    rows = []
    for group, name in enumerate(names):
        cells: list[str] = []
        for count, recall in zip(counts[:, group], recalls[:, :, group], strict=True):
            cells += [f"{count:,}", *(number(value) for value in recall)]
        rows.append((name, *cells))
    groups = (("", 1), *((run.name, len(header)) for run in runs)) if len(runs) > 1 else ()
    return Table(f"By number of {title}", (title, *header * len(runs)), tuple(rows), groups)


def _in_short(count: int) -> str:
    return f"{count:,}" if count < 10_000 else f"{count / 1000:.0f}k"


def _values(queries: QueryTable, column: str) -> np.ndarray:
    if column != "nodes":
        return queries[column]
    levels = [name for name in _SLICED_BY if name.startswith("nodes_")]
    return np.sum([np.maximum(queries[level], 0) for level in levels], axis=0)
