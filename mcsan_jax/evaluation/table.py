"""The table of an evaluation, for the terminal and for `docs/results.md` (it is Markdown)."""

from mcsan_jax.evaluation.evaluate import Evaluation
from mcsan_jax.evaluation.metrics import CUTOFFS
from mcsan_jax.levels import LEVELS
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED


def render_table(evaluation: Evaluation, title: str) -> str:
    """One row per part of the score, the fused score last; recalls in percent."""
    recalls = [f"{name} R@{k}" for name in ("T2V", "V2T") for k in CUTOFFS]
    head = ["score", *recalls[:3], "MedR", "MnR", *recalls[3:], "MedR", "MnR", "Rsum", "tied %"]
    parts = [part for part in (*LEVELS, ATTRIBUTES, FUSED) if part in evaluation.directions]
    rows = []
    for part in parts:
        figures = evaluation.directions[part]
        row = [part]
        for direction in (figures["t2v"], figures["v2t"]):
            row += [f"{direction[f'R@{k}']:.1f}" for k in CUTOFFS]
            row += [f"{direction['MedR']:.1f}", f"{direction['MnR']:.1f}"]
        tied = max(figures["t2v"]["tied_fraction"], figures["v2t"]["tied_fraction"])
        rows.append([*row, f"{figures['rsum']:.1f}", f"{100 * tied:.2f}"])
    lines = [
        f"{title}: {evaluation.videos} videos, {evaluation.captions} captions, every caption a query",
        *_aligned([head, *rows]),
    ]
    if any(float(row[-1]) > 1 for row in rows):
        lines.append("More than 1 % of the queries tie with a wrong answer; ties count by expectation.")
    if evaluation.foils:
        kinds = list(evaluation.foils)
        lines.append("")
        lines.append(
            "True caption preferred to one that differs only in …, in % (chance 50): "
            + ", ".join(f"{kind} ({evaluation.foils[kind]})" for kind in kinds)
        )
        body = [[part, *(f"{evaluation.compositional[part][kind]:.1f}" for kind in kinds)] for part in parts]
        lines += _aligned([["score", *kinds], *body])
    return "\n".join(lines)


def _aligned(rows: list[list[str]]) -> list[str]:
    """A Markdown table with columns of equal width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
