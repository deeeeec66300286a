"""These sections are about single queries: failure cases, and answers that were probably relevant after all."""

from collections.abc import Sequence

from mcsan_jax.report.contents import SCORES, Section, ShownAnswer, ShownFailure, Table, difference, number
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.report.wording import missing_notes
from mcsan_jax.runs.record_fields import FailureCase, SharedCaption


def failure_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows the failure cases: the query, what came instead, and the level to blame."""
    missing = missing_notes(
        runs, "failure_cases", "No failure cases: every caption found its video first, or none were stored."
    )
    failures = tuple(
        (run.name, tuple(_failure(case) for case in run.record.failure_cases))
        for run in runs
        if run.record.failure_cases
    )
    if not failures:
        return Section("Failure cases", missing)
    note = (
        "The captions whose video was ranked last, and the videos that came first instead, each with one of its "
        "captions. The scores are those of the relevant video and of the first answer. The level to blame is marked: "
        "there the answer leads by most, times the level's weight."
    )
    return Section("Failure cases", (note, *missing), failures=failures)


def false_negative_section(runs: Sequence[EvaluatedRun]) -> Section:
    """Shows captions that another video also has, and what Rsum is by either rule for such videos."""
    missing = missing_notes(
        runs, "false_negatives", "Captions that several videos share were not counted by this evaluation."
    )
    notes, tables = [], []
    for run in runs:
        found = run.record.false_negatives
        if found is None:
            continue
        is_relevant = run.record.same_text == "relevant"
        rule, other = ("as relevant", "wrong") if is_relevant else ("as a wrong answer", "relevant")
        rsum = found.rsum_apart if is_relevant else found.rsum_merged
        notes.append(
            f"{run.name}: {number(found.queries, 0)} captions ({number(found.share)} %) are, word for word, also "
            f"captions of another video, which counts {rule}. If every such video counted as {other}, Rsum would be "
            f"{number(rsum)} instead of {number(run.record.fused.rsum)}."
        )
        if found.examples:
            tables.append(_example_table(found.examples, run.name if len(runs) > 1 else ""))
    return Section("Shared captions", (*notes, *missing), tuple(tables))


def _failure(case: FailureCase) -> ShownFailure:
    return ShownFailure(
        query=case.query,
        text=case.text,
        video=case.video,
        rank=number(case.rank).removesuffix(".0"),
        answers=tuple(
            ShownAnswer(answer.video, number(answer.score, 3), answer.text) for answer in case.returned
        ),
        scores=tuple(
            (
                name,
                number(scores.relevant, 3),
                number(scores.returned, 3),
                difference(scores.returned, scores.relevant, 3),
            )
            for name, scores in ((name, case.components[name]) for name in SCORES if name in case.components)
        ),
        blame=case.blame,
    )


def _example_table(examples: Sequence[SharedCaption], title: str) -> Table:
    rows = tuple(
        (one.text, one.query, one.video, one.other, number(one.rank).removesuffix(".0")) for one in examples
    )
    return Table(title, ("caption", "query", "its video", "another with it", "rank"), rows, wraps=True)
