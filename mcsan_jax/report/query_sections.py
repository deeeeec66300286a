"""Sections about single queries: the worst ones, and those that were probably right after all."""

from collections.abc import Mapping, Sequence
from typing import Any

from mcsan_jax.report.contents import PARTS, Answer, Failure, Section, Table, difference, number
from mcsan_jax.report.results import Run
from mcsan_jax.report.wording import missing_notes


def worst_section(runs: Sequence[Run]) -> Section:
    """The worst queries, what came instead, and the level to blame."""
    missing = missing_notes(
        runs, "worst", "No worst queries: every caption found its video first, or none were stored."
    )
    failures = tuple(
        (run.name, tuple(_failure(entry) for entry in run.evaluation["worst"]))
        for run in runs
        if run.get("worst")
    )
    if not failures:
        return Section("Worst queries", missing)
    note = (
        "The captions whose video was ranked last, and the videos that came first instead, each with one of its "
        "captions. Scores by part are those of the right video and of the first answer; marked is the level to blame, "
        "where the answer leads by most, times the level's weight."
    )
    return Section("Worst queries", (note, *missing), failures=failures)


def false_negative_section(runs: Sequence[Run]) -> Section:
    """Captions that another video has as well."""
    missing = missing_notes(
        runs, "false_negatives", "Captions that several videos share were not counted by this evaluation."
    )
    notes, tables = [], []
    for run in runs:
        found = run.get("false_negatives")
        if not found:
            continue
        merged = found.get("rsum_merged")
        rsum = run.evaluation["directions"]["fused"]["rsum"]
        counted = (
            f" If every such video counted as right, Rsum would be {number(merged)} instead of {number(rsum)}."
            if merged is not None
            else ""
        )
        notes.append(
            f"{run.name}: {number(found['queries'], 0)} captions ({number(found['share'])} %) are, word for word, also "
            f"captions of another video, which counts as a wrong answer.{counted}"
        )
        if found["examples"]:
            tables.append(_example_table(found["examples"], run.name if len(runs) > 1 else ""))
    return Section("Probable false negatives", (*notes, *missing), tuple(tables))


def _failure(entry: Mapping[str, Any]) -> Failure:
    parts = entry.get("parts") or {}
    return Failure(
        query=entry["query"],
        text=entry["text"],
        video=entry["video"],
        rank=number(entry["rank"]).removesuffix(".0"),
        answers=tuple(
            Answer(answer["video"], number(answer.get("score"), 3), answer.get("text") or "")
            for answer in entry["returned"]
        ),
        scores=tuple(
            (
                part,
                number(parts[part]["right"], 3),
                number(parts[part]["returned"], 3),
                difference(parts[part]["returned"], parts[part]["right"], 3),
            )
            for part in PARTS
            if part in parts
        ),
        blame=entry.get("blame") or "",
    )


def _example_table(examples: Sequence[Mapping[str, Any]], title: str) -> Table:
    rows = tuple(
        (one["text"], one["query"], one["video"], one["other"], number(one["rank"]).removesuffix(".0"))
        for one in examples
    )
    return Table(title, ("caption", "query", "its video", "another with it", "rank"), rows, wraps=True)
