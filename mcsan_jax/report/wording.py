"""This module words the sentences that several sections share."""

from collections.abc import Callable, Sequence

from mcsan_jax.report.contents import number
from mcsan_jax.report.results import EvaluatedRun


def missing_notes(
    runs: Sequence[EvaluatedRun], key: str, sentence: str, has: Callable[[EvaluatedRun], object] | None = None
) -> tuple[str, ...]:
    """Returns the sentence for the runs that lack something; none if all have it.

    runs: the runs of the report.
        runs: the runs of the report.
        key: the field of the evaluation record that a run lacks.
        sentence: says that it is missing, and why.
        has: the function that says whether a run has it, where it is no field of the record.
    """
    lacking = [run.name for run in runs if not (has(run) if has else getattr(run.record, key))]
    if not lacking:
        return ()
    return (sentence if len(runs) == 1 else f"{', '.join(lacking)}: {sentence}",)


def protocol_notes(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Returns the sentences of the protocol, once where they are the same for all runs."""
    lines = [tuple(run.record.protocol.lines) for run in runs]
    notes: list[str] = []
    if len(set(lines)) == 1:
        notes += lines[0]
    else:
        for run, own in zip(runs, lines, strict=True):
            notes += [f"{run.name}: {line}" for line in own]
    if len({run.record.data_fingerprint for run in runs}) > 1:
        notes.append(
            "The runs were evaluated on differently prepared data: their numbers compare only if the videos and "
            "captions are the same."
        )
    return notes


def protocol_note(runs: Sequence[EvaluatedRun]) -> str:
    """Returns a line that says what a table compares."""
    lines = dict.fromkeys(_protocol_in_short(run) for run in runs)
    return f"Protocol: {'; '.join(lines)}."


def _protocol_in_short(run: EvaluatedRun) -> str:
    record, protocol = run.record, run.record.protocol
    warning = ", not the official counts" if protocol.official is False else ""
    counts = f"{number(record.videos, 0)} videos, {number(record.captions, 0)} captions"
    return f"{protocol.name}{warning}, split {record.split}, {counts}, {protocol.duplicate_captions}"
