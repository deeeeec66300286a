"""These sections are tables of figures: the results with their intervals, levels, ablation, hubness."""

from collections.abc import Mapping, Sequence

from mcsan_jax.report.contents import DIRECTIONS, NOTHING, Section, Table, difference, in_order, number
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.report.wording import missing_notes, protocol_note, protocol_notes
from mcsan_jax.runs.record_fields import BothDirections, HubCorrection

_METRICS = ("R@1", "R@5", "R@10", "R@50", "gmean", "MedR", "MnR", "mAP", "nDCG@10")
_IN_TABLES = ("R@1", "R@5", "R@10", "MedR")
_SIDE_BY_SIDE = ("R@1", "R@10")
"""Reports of several runs show these metrics, so that all columns fit in view."""
_MANY_TIES = 0.01


def results_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows the protocol, and the figures of the fused score with their intervals."""
    notes = [*protocol_notes(runs), *missing_notes(runs, "intervals", "No intervals were computed.")]
    for run in runs:
        if lead := run.record.over_linear:
            low, high = (difference(end, 0.0) for end in lead.interval)
            notes.append(
                f"{run.name}: Rsum of the fused score is {difference(lead.rsum, 0.0)} from that of the linear branch "
                f"alone; 95 % of resamples of the videos, the same for both, give {low} to {high}."
            )
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
        " In brackets: 95 % intervals, from resampled videos."
        if any(run.record.intervals for run in runs)
        else ""
    )
    notes.append(
        "Recalls (R@K), their geometric mean (gmean, of 1, 5 and 10), mAP and nDCG are in percent; MedR and MnR are "
        f"the median and the mean rank.{brackets}"
    )
    return Section("Results", tuple(notes), (sums, *ways))


def level_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows what each level retrieves alone, and its weight."""
    scores = in_order(list(dict.fromkeys(score for run in runs for score in run.record.directions)))
    chosen, rows = _chosen(runs), []
    for score in scores:
        cells: list[str] = []
        for run in runs:
            weight = run.record.level_weights.get(score)
            cells += [number(weight, 3), *_figures(run.record.directions.get(score), chosen)]
        rows.append((score, *cells))
    header = ("weight", *_figure_names(chosen))
    table = Table("", ("score", *header * len(runs)), tuple(rows), _groups(runs, len(header)))
    notes = [
        protocol_note(runs),
        "Each row ranks by one score alone; fused is what the system returns. The weight is a level's "
        "share in the fused score.",
        *missing_notes(runs, "level_weights", "No weights of levels were stored."),
    ]
    return Section("Levels", tuple(notes), (table,))


def ablation_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows the results when the levels are fused in other ways."""
    notes = missing_notes(
        runs, "ablation", "No other ways to fuse were tried; mcsan eval with --ablate adds them."
    )
    names = list(dict.fromkeys(row.name for run in runs for row in run.record.ablation))
    if not names:
        return Section("Ablation", notes)
    chosen, rows = _chosen(runs), []
    for name in names:
        cells: list[str] = []
        for run in runs:
            found = next((row for row in run.record.ablation if row.name == name), None)
            cells += [*_figures(found, chosen), _change(run, found)]
        rows.append((name, *cells))
    header = (*_figure_names(chosen), "difference")
    table = Table("", ("score", *header * len(runs)), tuple(rows), _groups(runs, len(header)))
    notes = (protocol_note(runs), "The difference is that of Rsum to the fused score as trained.", *notes)
    return Section("Ablation", notes, (table,))


def hubness_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows results and hubs when scores are normalised."""
    notes = missing_notes(
        runs, "hubness", "No normalisation against hubs was tried; mcsan eval with --hubness adds it."
    )
    names = list(dict.fromkeys(row.name for run in runs for row in run.record.hubness))
    if not names:
        return Section("Hubness", notes)
    chosen, rows = _chosen(runs), []
    for name in names:
        found = [next((row for row in run.record.hubness if row.name == name), None) for run in runs]
        label = f"{name} (transductive)" if any(row and row.transductive for row in found) else name
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
        "test queries, which a search system does not have.",
        *notes,
    )
    return Section("Hubness", notes, (table,))


def _of(run: EvaluatedRun, direction: str) -> Mapping[str, float]:
    return run.record.fused.of(direction)


def _metric_rows(runs: Sequence[EvaluatedRun], direction: str) -> tuple[tuple[str, ...], ...]:
    known = [metric for metric in _METRICS if any(metric in _of(run, direction) for run in runs)]
    ties = [_percent(_of(run, direction).get("tied_fraction")) for run in runs]
    return (
        *((metric, *(_with_interval(run, direction, metric) for run in runs)) for metric in known),
        ("tied queries", *ties),
    )


def _with_interval(run: EvaluatedRun, direction: str, metric: str) -> str:
    intervals = run.record.intervals
    interval = None if intervals is None else intervals.of(direction).get(metric)
    return _bracketed(_of(run, direction).get(metric), interval)


def _rsum(run: EvaluatedRun) -> str:
    intervals = run.record.intervals
    return _bracketed(run.record.fused.rsum, None if intervals is None else intervals.rsum)


def _bracketed(value: float | None, interval: Sequence[float] | None) -> str:
    if interval is None:
        return number(value)
    return f"{number(value)} [{number(interval[0])}, {number(interval[1])}]"


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.2%}"


def _chosen(runs: Sequence[EvaluatedRun]) -> tuple[str, ...]:
    """Returns the metrics that fit the width of the page."""
    return _IN_TABLES if len(runs) == 1 else _SIDE_BY_SIDE


def _figure_names(chosen: Sequence[str]) -> tuple[str, ...]:
    return ("Rsum", *(f"{way.upper()} {metric}" for way in DIRECTIONS for metric in chosen))


def _figures(both: BothDirections | None, chosen: Sequence[str]) -> list[str]:
    if both is None:
        return [NOTHING] * len(_figure_names(chosen))
    metrics = (both.of(way).get(metric) for way in DIRECTIONS for metric in chosen)
    return [number(both.rsum), *map(number, metrics)]


def _change(run: EvaluatedRun, both: BothDirections | None) -> str:
    return difference(None if both is None else both.rsum, run.record.fused.rsum)


def _groups(runs: Sequence[EvaluatedRun], columns: int) -> tuple[tuple[str, int], ...]:
    return (("", 1), *((run.name, columns) for run in runs)) if len(runs) > 1 else ()


def _hubness_cells(run: EvaluatedRun, row: HubCorrection | None, chosen: Sequence[str]) -> list[str]:
    skewness = [number(row.hubs.of(way).skewness if row else None, 2) for way in DIRECTIONS]
    temperature = number(row.temperature if row else None, 4)
    return [temperature, *_figures(row, chosen), _change(run, row), *skewness]
