"""This module writes tables of evaluations in Markdown, for the terminal and for `docs/results.md`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data_pipeline.levels import LEVELS
from mcsan_jax.ranking.metrics import CUTOFFS
from mcsan_jax.ranking.rank_split import Evaluation
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR


def aligned(rows: list[list[str]]) -> list[str]:
    """Returns the lines of a Markdown table with columns of equal width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def render_table(
    evaluation: Evaluation, lines_above: Sequence[str], details: Mapping[str, Any] | None = None
) -> str:
    """Renders a row for each component of the score, the fused score last; recalls are in percent.

    Args:
        evaluation: the figures.
        lines_above: what the figures are of: data, protocol, checkpoint.
        details: what explains the figures, by section, as `evaluate_split.EvaluatedSplit` has it. Told are the
            intervals, the lead over the linear branch, and what captions that videos share are worth.
    """
    recalls = [f"{name} R@{k}" for name in ("T2V", "V2T") for k in CUTOFFS]
    head = ["score", *recalls[:3], "MedR", "MnR", *recalls[3:], "MedR", "MnR", "Rsum", "tied %"]
    components = [
        component for component in (*LEVELS, ATTRIBUTES, LINEAR, FUSED) if component in evaluation.directions
    ]
    rows = []
    for component in components:
        figures = evaluation.directions[component]
        row = [component]
        for direction in (figures["t2v"], figures["v2t"]):
            row += [f"{direction[f'R@{k}']:.1f}" for k in CUTOFFS]
            row += [f"{direction['MedR']:.1f}", f"{direction['MnR']:.1f}"]
        tied = max(figures["t2v"]["tied_fraction"], figures["v2t"]["tied_fraction"])
        rows.append([*row, f"{figures['rsum']:.1f}", f"{100 * tied:.2f}"])
    lines = [*lines_above, "", *aligned([head, *rows])]
    if details:
        lines += ["", *_detail_lines(evaluation, details)]
    if any(float(row[-1]) > 1 for row in rows):
        lines.append("More than 1 % of the queries tie with a wrong answer; ties count by expectation.")
    return "\n".join(lines)


def render_foils(tests: Sequence[Mapping[str, Any]]) -> str:
    """Renders how often true captions are preferred to foils, a table for each source; empty without any.

    Args:
        tests: as `foil_figures.foil_test` makes them.
    """
    lines: list[str] = []
    for test in tests:
        lines += [*([""] if lines else []), *_foil_lines(test)]
    return "\n".join(lines)


def _foil_lines(test: Mapping[str, Any]) -> Iterator[str]:
    if test["kinds"]:
        asked = _asked(test["questions"], test["videos"])
        yield f"True captions against foils of {test['source']} ({asked}), right in %:"
        found = test["kinds"][0]["scores"]
        components = [name for name in (*LEVELS, ATTRIBUTES, LINEAR) if name in found]
        head = ["kind", "questions", "chance", "words alone", *components, FUSED, "95 %"]
        yield from aligned([head, *(_foil_row(kind, components) for kind in test["kinds"])])
    absent = test["absent"]
    if absent["questions"]:
        more = ", …" if absent["videos"] > len(absent["examples"]) else ""
        of_source = "" if test["kinds"] else f" of {test['source']}"
        yield (
            f"not asked{of_source}: {_asked(absent['questions'], absent['videos'])} that the split lacks "
            f"({', '.join(absent['examples'])}{more})"
        )


def _asked(questions: int, videos: int) -> str:
    return f"{questions:,} question{'s'[: questions != 1]} about {videos:,} video{'s'[: videos != 1]}"


def _foil_row(kind: Mapping[str, Any], components: Sequence[str]) -> list[str]:
    scores, words = kind["scores"], kind["words"]
    return [
        kind["kind"],
        f"{kind['questions']:,}",
        f"{kind['chance']:.1f}",
        f"{words['accuracy']:.1f}" if words else "–",
        *(f"{scores[name]['accuracy']:.1f}" for name in components),
        f"{scores[FUSED]['accuracy']:.1f}",
        _span(scores[FUSED]["interval"]),
    ]


def render_variants(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Renders the recalls and Rsum of the same checkpoint, scored in other ways, and how far each is from the first."""
    recalls = [f"{name} R@{k}" for name in ("T2V", "V2T") for k in CUTOFFS]
    body = [
        [
            row["name"],
            *(f"{row[direction][f'R@{k}']:.1f}" for direction in ("t2v", "v2t") for k in CUTOFFS),
            f"{row['rsum']:.1f}",
            f"{row['rsum'] - rows[0]['rsum']:+.1f}",
        ]
        for row in rows
    ]
    return "\n".join(aligned([[title, *recalls, "Rsum", "change"], *body]))


def render_hubs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Renders corrections against hubs: metrics, temperature, and how skewed the occurrences of items are."""

    def named(row: Mapping[str, Any]) -> dict[str, Any]:
        temperature = "" if row["temperature"] is None else f", temperature {row['temperature']:g}"
        transductive = ", TRANSDUCTIVE" if row["transductive"] else ""
        skewness = " / ".join(f"{row['hubs'][direction]['skewness']:.2f}" for direction in ("t2v", "v2t"))
        return {**row, "name": f"{row['name']}{temperature}{transductive} (skewness {skewness})"}

    return render_variants("correction", [named(row) for row in rows])


def _detail_lines(evaluation: Evaluation, details: Mapping[str, Any]) -> Iterator[str]:
    if intervals := details.get("intervals"):
        yield _interval_line(intervals)
    if lead := details.get("over_linear"):
        low, high = lead["interval"]
        yield (
            f"fused − linear, Rsum: {lead['rsum']:+.1f}; 95 % of resamples of the videos, the same for both: "
            f"{low:+.1f} to {high:+.1f}"
        )
    if shared := details.get("false_negatives"):
        merged, apart = (f"{shared[rule]:.1f}" for rule in ("rsum_merged", "rsum_apart"))
        if merged != apart:
            yield (
                f"{shared['queries']:,} captions ({shared['share']:.1f} %) are, word for word, also captions of "
                f"another video; Rsum is {merged} if that video is relevant, {apart} if it is wrong"
            )


def _interval_line(intervals: Mapping[str, Any]) -> str:
    named = [
        f"{direction.upper()} {metric} {_span(intervals[direction][metric])}"
        for direction in ("t2v", "v2t")
        for metric in (*(f"R@{k}" for k in CUTOFFS), "MedR", "mAP")
        if metric in intervals[direction]
    ]
    return (
        "95 % of resamples of the videos (fused): " + ", ".join(named) + f", Rsum {_span(intervals['rsum'])}"
    )


def _span(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{low:.1f} to {high:.1f}"
