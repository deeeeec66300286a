"""These sections are about scores: attributes, densities of matched and other pairs, probabilities, hubs."""

from collections.abc import Mapping, Sequence

import numpy as np

from mcsan_jax.report.charts import GREY, Series, Words, bar_chart, line_chart, stair_chart
from mcsan_jax.report.contents import DIRECTIONS, NOTHING, Chart, Section, Table, in_order, number
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.report.wording import missing_notes, protocol_note
from mcsan_jax.runs.record_fields import AttributePrecision, Densities, Hubs, SplitCalibration

_THIRDS = ("frequent", "medium", "rare")

_Attributes = Mapping[str, Mapping[str, AttributePrecision]]
"""Each level has the precision of the attributes of each third of the vocabulary."""


def attribute_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows the average precision of frequent, medium and rare attributes."""
    missing = missing_notes(
        runs, "attributes", "No attributes were judged: none were learned, or the data has none."
    )
    found = [run.record.attributes for run in runs]
    levels = in_order(list(dict.fromkeys(level for own in found for level in own if own[level])))
    if not levels:
        return Section("Attributes", missing)
    rows = []
    for level in levels:
        for third in _THIRDS:
            cells: list[str] = []
            for own in found:
                figures = own.get(level, {}).get(third)
                cells += (
                    [number(figures.count, 0), number(figures.mAP), number(figures.chance)]
                    if figures
                    else [NOTHING] * 3
                )
            rows.append((level, third, *cells))
    header = ("attributes", "mAP", "chance")
    groups = (("", 2), *((run.name, len(header)) for run in runs)) if len(runs) > 1 else ()
    table = Table("", ("level", "third", *header * len(runs)), tuple(rows), groups)
    notes = (
        protocol_note(runs),
        "How well a video's attributes are recognised: mean average precision over the videos of the split, in "
        "percent, by thirds of the vocabulary (how many training videos have an attribute). Focal "
        "binary cross-entropy is meant for the rare ones. The line across the bars is chance.",
        *missing,
    )
    charts = tuple(_attribute_chart(runs, found, level, index) for index, level in enumerate(levels))
    return Section("Attributes", notes, (table,), charts)


def density_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Draws the scores of matched and of other pairs."""
    missing = missing_notes(
        runs, "densities", "No densities were stored; mcsan eval of this version stores them."
    )
    charts = tuple(
        _density_chart(run, run.record.densities, index)
        for index, run in enumerate(runs)
        if run.record.densities
    )
    if not charts:
        return Section("Scores", missing)
    note = "Fused scores of captions with their own videos and with all others; each area is one."
    return Section("Scores", (note, *missing), charts=charts)


def calibration_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Compares the probabilities of answers with how many are right."""
    missing = missing_notes(
        runs,
        "calibration",
        "No calibration was fitted when the split was evaluated; mcsan eval fits one on the validation split.",
    )
    found = [(run, run.record.calibration) for run in runs if run.record.calibration]
    if not found:
        return Section("Calibration", missing)
    rows = tuple(
        (
            run.name,
            own.fitted_on,
            number(own.queries, 0),
            number(own.first.ece, 3),
            number(own.first_ten.ece, 3),
            number(own.threshold, 2),
            number(100 * own.refused),
            NOTHING if own.answered_absent is None else number(100 * own.answered_absent),
        )
        for run, own in found
    )
    header = ("run", "fitted on", "queries", "ECE, first answer", "ECE, first ten", "threshold", "refused, %")
    table = Table("", (*header, "answered without own, %"), rows)
    notes = (
        protocol_note(runs),
        "How well the probability of an answer says how often it is right. ECE is the mean distance of the two, over "
        "ten bins of as many answers each. A caption is refused where the probability that the collection has a right "
        "answer is below the threshold; the last column asks again after all videos with the text of the caption were "
        "left out, though others may fit it.",
        *missing,
    )
    charts = tuple(_reliability_chart(run, own, index) for index, (run, own) in enumerate(found))
    return Section("Calibration", notes, (table,), charts)


def hub_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows how often items are among the first answers."""
    missing = missing_notes(runs, "hubs", "No hubs were counted; mcsan eval of this version counts them.")
    charts, tables = [], []
    for direction, title in DIRECTIONS.items():
        found = [(run, run.record.hubs.of(direction)) for run in runs if run.record.hubs]
        if not found:
            return Section("Hubs", missing)
        charts.append(_hub_chart(found, direction))
        tables += [_top_hubs(run, own, title, len(runs) > 1) for run, own in found if own.top]
    note = (
        "How many queries have an item among their first answers. In a sound ranking items answer about as many "
        "queries as they are relevant for; hubs answer far more, and some items never appear."
    )
    return Section("Hubs", (note, *missing), charts=tuple(charts), tables=tuple(tables))


def occurrence_groups(longest: int) -> list[int]:
    """Returns where groups of the numbers 0 … `longest` − 1 begin.

    The groups are 0, 1, 2, 3–4, 5–8, …; many numbers are grouped in greater steps.
    """
    base = 2
    while base**7 < longest:
        base *= 2
    # At most eight groups with more than a zero or a one, so that the numbers below their bars do not meet.
    return [0, 1, *(base**power + 1 for power in range(8) if base**power < longest - 1)]


def _attribute_chart(
    runs: Sequence[EvaluatedRun], found: Sequence[_Attributes], level: str, index: int
) -> Chart:
    def of(own: _Attributes, key: str) -> list[float | None]:
        return [getattr(own.get(level, {}).get(third), key, None) for third in _THIRDS]

    series, described = [], []
    for run, own in zip(runs, found, strict=True):
        heights = of(own, "mAP")
        series.append(Series(run.name, run.colour, np.array(heights, float)))
        named = ", ".join(f"{third} {number(value)}" for third, value in zip(_THIRDS, heights, strict=True))
        described.append(f"{run.name}: {named}")
    chance = next((of(own, "chance") for own in found if own.get(level)), [])
    words = Words(
        f"attributes-{index}",
        f"Attributes: {level}",
        f"Mean average precision in percent. {'; '.join(described)}.",
        "thirds of the vocabulary",
        "mAP, %",
    )
    return bar_chart(words, series, _THIRDS, levels=chance)


def _density_chart(run: EvaluatedRun, stored: Densities, index: int) -> Chart:
    edges, kinds = np.array(stored.edges, float), {}
    for kind, counted in (("matched", stored.matched), ("others", stored.others)):
        counts = np.array(counted, float)
        kinds[kind] = counts / max(counts.sum(), 1) / np.diff(edges)
    used = np.nonzero(kinds["matched"] + kinds["others"])[0]
    first, last = (int(used[0]), int(used[-1])) if len(used) else (0, len(edges) - 2)
    edges = edges[first : last + 2]
    middles = (edges[1:] + edges[:-1]) / 2
    shown = {kind: density[first : last + 1] for kind, density in kinds.items()}
    means = {
        kind: np.average(middles, weights=density) if density.any() else np.nan
        for kind, density in shown.items()
    }
    words = Words(
        f"densities-{index}",
        f"Scores, {run.name}",
        f"Densities. Matched pairs have a mean of {means['matched']:.3f}, all others of {means['others']:.3f}.",
        "fused score",
        "density",
    )
    series = [
        Series("all other pairs", GREY, shown["others"], edges),
        Series("matched pairs", run.colour, shown["matched"], edges),
    ]
    return stair_chart(words, series)


def _reliability_chart(run: EvaluatedRun, own: SplitCalibration, index: int) -> Chart:
    kinds = (("first answers", run.colour, own.first), ("first ten answers", GREY, own.first_ten))
    series = [
        Series("as many right as said", GREY, np.array([0.0, 100.0]), np.array([0.0, 100.0]), dashed=True)
    ]
    series += [
        Series(name, colour, 100 * np.array(each.relevant), 100 * np.array(each.probabilities), marked=True)
        for name, colour, each in kinds
    ]
    described = " ".join(
        f"Of {name}, {number(100 * right)} % are right where {number(100 * said)} % are said to be."
        for name, _, each in kinds
        for said, right in ((each.probabilities[-1], each.relevant[-1]),)
    )
    words = Words(
        f"calibration-{index}",
        f"Reliability, {run.name}",
        f"Share of answers that are right, by their probability. {described}",
        "probability, %",
        "right, %",
    )
    return line_chart(words, series)


def _hub_chart(found: Sequence[tuple[EvaluatedRun, Hubs]], direction: str) -> Chart:
    longest = max(len(own.histogram) for _, own in found)
    starts = occurrence_groups(longest)
    series, described = [], []
    for run, own in found:
        counts = np.zeros(max(longest, starts[-1] + 1))
        counts[: len(own.histogram)] = own.histogram
        series.append(Series(run.name, run.colour, np.add.reduceat(counts, starts)))
        described.append(f"{run.name}: skewness {number(own.skewness, 2)}, {counts[0]:,.0f} items never")
    k = number(found[0][1].k, 0)
    words = Words(
        f"hubs-{direction}",
        f"Occurrences, {DIRECTIONS[direction]}",
        f"How many items are how often among the first {k} answers. {'; '.join(described)}.",
        f"times among the first {k}, from this number on",
        "items",
        "; ".join(described),
    )
    return bar_chart(words, series, [str(start) for start in starts], logarithmic=True)


def _top_hubs(run: EvaluatedRun, own: Hubs, title: str, named: bool) -> Table:
    rows = tuple((hub.id, number(hub.occurrences, 0)) for hub in own.top)
    return Table(f"Top hubs, {title}{f', {run.name}' if named else ''}", ("item", "occurrences"), rows)
