"""Sections of tables: the results with their intervals, levels, ablation, hubness, foils."""

from collections.abc import Mapping, Sequence
from typing import Any

from mcsan_jax.report.contents import DIRECTIONS, NOTHING, Section, Table, difference, in_order, number
from mcsan_jax.report.results import Run
from mcsan_jax.report.wording import missing_notes, protocol_note, protocol_notes

_METRICS = ("R@1", "R@5", "R@10", "R@50", "gmean", "MedR", "MnR", "mAP", "nDCG@10")
_IN_TABLES = ("R@1", "R@5", "R@10", "MedR")
_SIDE_BY_SIDE = ("R@1", "R@10")
"""Of several runs, so that they are seen together."""
_MANY_TIES = 0.01


def results_section(runs: Sequence[Run]) -> Section:
    """The protocol, and the figures of the fused score with their intervals."""
    notes = [*protocol_notes(runs), *missing_notes(runs, "intervals", "No intervals were computed.")]
    for run in runs:
        ties = max(_of(run, direction).get("tied_fraction") or 0.0 for direction in DIRECTIONS)
        if ties > _MANY_TIES:
            notes.append(
                f"{run.name}: {ties:.1%} of the queries tie with a wrong answer; ties count by expectation."
            )
    if len(runs) > 1:
        notes.append(
            "mcsan compare tells whether a difference between two runs is more than chance: it looks at the same "
            "queries in both."
        )
    names = tuple(run.name for run in runs)
    ways = [
        Table(title.capitalize(), ("", *names), _metric_rows(runs, way)) for way, title in DIRECTIONS.items()
    ]
    sums = Table("Sum of the six recalls", ("", *names), (("Rsum", *map(_rsum, runs)),))
    brackets = (
        " In brackets: 95 % intervals, from resampled videos." if any(_intervals(run) for run in runs) else ""
    )
    notes.append(
        "Recalls (R@K), their geometric mean (gmean, of 1, 5 and 10), mAP and nDCG are in percent; MedR and MnR are "
        f"the median and the mean rank.{brackets}"
    )
    return Section("Results", tuple(notes), (sums, *ways))


def level_section(runs: Sequence[Run]) -> Section:
    """What each level retrieves alone, and what it weighs."""
    parts = in_order(list(dict.fromkeys(part for run in runs for part in run.evaluation["directions"])))
    chosen, rows = _chosen(runs), []
    for part in parts:
        cells: list[str] = []
        for run in runs:
            weight = (run.get("level_weights") or {}).get(part)
            cells += [number(weight, 3), *_figures(run.evaluation["directions"].get(part), chosen)]
        rows.append((part, *cells))
    header = ("weight", *_figure_names(chosen))
    table = Table("", ("score", *header * len(runs)), tuple(rows), _groups(runs, len(header)))
    notes = [
        protocol_note(runs),
        "Each row ranks by one part of the score alone; fused is what the system returns. The weight is a level's "
        "share in the fused score.",
        *missing_notes(runs, "level_weights", "No weights of levels were stored."),
    ]
    return Section("Levels", tuple(notes), (table,))


def ablation_section(runs: Sequence[Run]) -> Section:
    """What becomes of the results when the levels are fused in other ways."""
    notes = missing_notes(
        runs, "ablation", "No other ways to fuse were tried; mcsan eval with --ablate adds them."
    )
    names = _names_of_rows(runs, "ablation")
    if not names:
        return Section("Ablation", notes)
    chosen, rows = _chosen(runs), []
    for name in names:
        cells: list[str] = []
        for run in runs:
            found = _row(run, "ablation", name)
            change = difference(found.get("rsum"), run.evaluation["directions"]["fused"]["rsum"])
            cells += [*_figures(found, chosen), change]
        rows.append((name, *cells))
    header = (*_figure_names(chosen), "difference")
    table = Table("", ("score", *header * len(runs)), tuple(rows), _groups(runs, len(header)))
    notes = (protocol_note(runs), "The difference is that of Rsum to the fused score as trained.", *notes)
    return Section("Ablation", notes, (table,))


def hubness_section(runs: Sequence[Run]) -> Section:
    """What becomes of results and hubs when scores are normalised."""
    notes = missing_notes(
        runs, "hubness", "No normalisation against hubs was tried; mcsan eval with --hubness adds it."
    )
    names = _names_of_rows(runs, "hubness")
    if not names:
        return Section("Hubness", notes)
    chosen, rows = _chosen(runs), []
    for name in names:
        found = [_row(run, "hubness", name) for run in runs]
        label = f"{name} (transductive)" if any(row.get("transductive") for row in found) else name
        cells = [
            cell for run, row in zip(runs, found, strict=True) for cell in _hubness_cells(run, row, chosen)
        ]
        rows.append((label, *cells))
    header = ("temperature", *_figure_names(chosen), "difference", "skewness T2V", "skewness V2T")
    table = Table("", ("score", *header * len(runs)), tuple(rows), _groups(runs, len(header)))
    notes = (
        protocol_note(runs),
        "The difference is that of Rsum to the results above. The skewness is that of how often an item is among "
        "the first answers: hubs, which answer many queries, make it large. A transductive method looks at the other "
        "test queries and is no search system's result.",
        *notes,
    )
    return Section("Hubness", notes, (table,))


def compositional_section(runs: Sequence[Run]) -> Section:
    """How often the true caption scores above one in which something was exchanged."""
    missing = missing_notes(
        runs, "compositional", "No foils were scored: the prepared data has none for this split."
    )
    found = {run.name: run.get("compositional") or {} for run in runs}
    kinds = list(dict.fromkeys(kind for parts in found.values() for of in parts.values() for kind in of))
    if not kinds:
        return Section("Compositional test", missing)
    parts = in_order(list(dict.fromkeys(part for of_run in found.values() for part in of_run)))
    rows = []
    for kind in kinds:
        cells: list[str] = []
        for run in runs:
            count = (run.get("foils") or {}).get(kind)
            cells += [number(count, 0), *(number(found[run.name].get(part, {}).get(kind)) for part in parts)]
        rows.append((kind, *cells))
    header = ("foils", *parts)
    table = Table("", ("exchanged", *header * len(runs)), tuple(rows), _groups(runs, len(header)))
    note = (
        "How often, in percent, a caption scores above the same caption with one thing exchanged (a foil), for its own "
        "video; chance is 50."
    )
    return Section("Compositional test", (protocol_note(runs), note, *missing), (table,))


def _of(run: Run, direction: str) -> Mapping[str, float]:
    return run.evaluation["directions"]["fused"][direction]


def _metric_rows(runs: Sequence[Run], direction: str) -> tuple[tuple[str, ...], ...]:
    known = [metric for metric in _METRICS if any(metric in _of(run, direction) for run in runs)]
    ties = [_percent(_of(run, direction).get("tied_fraction")) for run in runs]
    return (
        *((metric, *(_with_interval(run, direction, metric) for run in runs)) for metric in known),
        ("tied queries", *ties),
    )


def _intervals(run: Run) -> Mapping[str, Any]:
    return run.get("intervals") or {}


def _with_interval(run: Run, direction: str, metric: str) -> str:
    interval = (_intervals(run).get(direction) or {}).get(metric)
    return _bracketed(_of(run, direction).get(metric), interval)


def _rsum(run: Run) -> str:
    return _bracketed(run.evaluation["directions"]["fused"]["rsum"], _intervals(run).get("rsum"))


def _bracketed(value: float | None, interval: Sequence[float] | None) -> str:
    if interval is None or len(interval) != 2:
        return number(value)
    return f"{number(value)} [{number(interval[0])}, {number(interval[1])}]"


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.2%}"


def _chosen(runs: Sequence[Run]) -> tuple[str, ...]:
    """The metrics for which there is room."""
    return _IN_TABLES if len(runs) == 1 else _SIDE_BY_SIDE


def _figure_names(chosen: Sequence[str]) -> tuple[str, ...]:
    return ("Rsum", *(f"{way.upper()} {metric}" for way in DIRECTIONS for metric in chosen))


def _figures(both: Mapping[str, Any] | None, chosen: Sequence[str]) -> list[str]:
    both = both or {}
    return [
        number(both.get("rsum")),
        *(number((both.get(way) or {}).get(metric)) for way in DIRECTIONS for metric in chosen),
    ]


def _groups(runs: Sequence[Run], columns: int) -> tuple[tuple[str, int], ...]:
    return (("", 1), *((run.name, columns) for run in runs)) if len(runs) > 1 else ()


def _names_of_rows(runs: Sequence[Run], key: str) -> list[str]:
    return list(dict.fromkeys(row["name"] for run in runs for row in run.get(key) or ()))


def _row(run: Run, key: str, name: str) -> Mapping[str, Any]:
    return next((row for row in run.get(key) or () if row["name"] == name), {})


def _hubness_cells(run: Run, row: Mapping[str, Any], chosen: Sequence[str]) -> list[str]:
    hubs = row.get("hubs") or {}
    skewness = [number((hubs.get(way) or {}).get("skewness"), 2) for way in DIRECTIONS]
    change = difference(row.get("rsum"), run.evaluation["directions"]["fused"]["rsum"])
    return [number(row.get("temperature"), 4), *_figures(row, chosen), change, *skewness]
