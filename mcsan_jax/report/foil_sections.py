"""This section shows how often the true caption of a video was preferred to false ones, by kind."""

from collections.abc import Mapping, Sequence

import numpy as np

from mcsan_jax.report.charts import Series, Words, lying_bar_chart
from mcsan_jax.report.contents import NOTHING, Chart, Section, Table, in_order, number
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.report.wording import missing_notes, protocol_note
from mcsan_jax.runs.foil_fields import FoilAccuracy, FoilKind, FoilTest

_WORDS = "words alone"
_MOST_CHARTS = 12
"""So many kinds of a source are drawn; the table has all."""


def foil_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows accuracy by source of the foils, kind and score, with intervals, chance and the control of words."""
    missing = missing_notes(
        runs,
        "foil_tests",
        "No foils were scored: the prepared data has none for this split, or an earlier version of the program "
        "evaluated it; mcsan eval asks about those of the data, and with --foils about those of files.",
    )
    sources = list(dict.fromkeys(test.source for run in runs for test in run.record.foil_tests))
    if not sources:
        return Section("Compositional test", missing)
    notes = [
        protocol_note(runs),
        "How often, in percent, the true caption of a video scores above false ones (foils); captions of the same "
        "score count by expectation. In brackets: 95 % intervals, from resampled videos. Words alone is a control "
        "that sees no video: a linear model of words and pairs of words, fitted to the other questions of the kind. "
        "What it gets above chance, the texts give away.",
    ]
    tables, charts = [], []
    for number_of_source, source in enumerate(sources):
        found = [
            next((test for test in run.record.foil_tests if test.source == source), None) for run in runs
        ]
        if any(test and test.kinds for test in found):
            tables.append(foil_table(runs, source, found))
        charts += _charts(runs, number_of_source, source if len(sources) > 1 else "", found)
        notes += _absent_notes(runs, source, found)
    return Section("Compositional test", (*notes, *missing), tuple(tables), tuple(charts))


def foil_table(runs: Sequence[EvaluatedRun], source: str, found: Sequence[FoilTest | None]) -> Table:
    """Makes a table of one source of foils, with a row for each kind; of several runs only the fused score fits."""
    by_kind = [{kind.kind: kind for kind in test.kinds} if test else {} for test in found]
    kinds = list(dict.fromkeys(name for own in by_kind for name in own))
    scores = _scores(by_kind)[: None if len(runs) == 1 else 1]
    header = ("questions", "chance", _WORDS, *scores)
    rows = tuple(
        (kind, *(cell for own in by_kind for cell in _cells(own.get(kind), scores))) for kind in kinds
    )
    groups = (("", 1), *((run.name, len(header)) for run in runs)) if len(runs) > 1 else ()
    return Table(f"Foils of {source}", ("kind", *header * len(runs)), rows, groups)


def _scores(by_kind: Sequence[Mapping[str, FoilKind]]) -> list[str]:
    return in_order(
        list(dict.fromkeys(name for own in by_kind for kind in own.values() for name in kind.scores))
    )


def _cells(kind: FoilKind | None, scores: Sequence[str]) -> list[str]:
    if kind is None:
        return [NOTHING] * (3 + len(scores))
    accuracies = [_accuracy(kind.scores.get(name), with_interval=name == scores[0]) for name in scores]
    return [number(kind.questions, 0), number(kind.chance), _accuracy(kind.words), *accuracies]


def _accuracy(found: FoilAccuracy | None, with_interval: bool = False) -> str:
    if found is None or not with_interval:
        return number(found.accuracy if found else None)
    low, high = found.interval
    return f"{number(found.accuracy)} [{number(low)}, {number(high)}]"


def _charts(
    runs: Sequence[EvaluatedRun], place: int, source: str, found: Sequence[FoilTest | None]
) -> list[Chart]:
    by_kind = [{kind.kind: kind for kind in test.kinds} if test else {} for test in found]
    kinds = list(dict.fromkeys(name for own in by_kind for name in own))
    scores = _scores(by_kind)
    charts = []
    for number_of_kind, kind in enumerate(kinds[:_MOST_CHARTS]):
        first = next(own[kind] for own in by_kind if kind in own)
        series, described = [], []
        for run, own in zip(runs, by_kind, strict=True):
            shown = own.get(kind)
            bars = [shown.scores.get(name) if shown else None for name in scores]
            bars.append(shown.words if shown else None)
            series.append(Series(run.name, run.colour, _values(bars), spans=_spans(bars)))
            named = zip([*scores, _WORDS], bars, strict=True)
            described.append(f"{run.name}: {', '.join(f'{name} {_accuracy(bar)}' for name, bar in named)}")
        words = Words(
            f"foils-{place}-{number_of_kind}",
            f"Foils: {kind}",
            f"Right answers in percent. {'; '.join(described)}.",
            "right, %",
            "",
            f"{source}{', ' if source else ''}{_questions(first.questions)}; dotted: chance",
        )
        charts.append(lying_bar_chart(words, series, [*scores, _WORDS], first.chance, greyed=_WORDS))
    return charts


def _questions(count: int) -> str:
    return f"{number(count, 0)} question{'s'[: count != 1]}"


def _values(bars: Sequence[FoilAccuracy | None]) -> np.ndarray:
    return np.array([bar.accuracy if bar else np.nan for bar in bars])


def _spans(bars: Sequence[FoilAccuracy | None]) -> np.ndarray:
    """Returns the low and the high end of each interval [2, n]."""
    return np.array([bar.interval if bar else (np.nan, np.nan) for bar in bars]).T


def _absent_notes(runs: Sequence[EvaluatedRun], source: str, found: Sequence[FoilTest | None]) -> list[str]:
    """Returns a sentence about the questions that could not be asked; the runs of a report may have other videos."""
    sentences = []
    for run, test in zip(runs, found, strict=True):
        if test and test.absent.questions:
            absent = test.absent
            more = ", …" if absent.videos > len(absent.examples) else ""
            named = f"{run.name}: " if len(runs) > 1 else ""
            sentences.append(
                f"{named}{_questions(absent.questions)} of {source} about videos that the split lacks "
                f"({', '.join(absent.examples)}{more}) not asked."
            )
    return sentences
