"""Sentences that several sections share."""

from collections.abc import Callable, Sequence

from mcsan_jax.report.contents import number
from mcsan_jax.report.results import Run


def missing_notes(
    runs: Sequence[Run], key: str, sentence: str, has: Callable[[Run], object] | None = None
) -> tuple[str, ...]:
    """The sentence for the runs that lack something; none if all have it.

    Args:
        runs: of the report.
        key: of the evaluation, which a run lacks.
        sentence: what to say.
        has: tells whether a run has it, where it is not a key of the evaluation.
    """
    lacking = [run.name for run in runs if not (has(run) if has else run.get(key))]
    if not lacking:
        return ()
    return (sentence if len(runs) == 1 else f"{', '.join(lacking)}: {sentence}",)


def protocol_notes(runs: Sequence[Run]) -> list[str]:
    """The sentences of the protocol, once where they are the same for all runs."""
    lines = [tuple((run.get("protocol") or {}).get("lines") or ()) for run in runs]
    notes: list[str] = []
    if len(set(lines)) == 1:
        notes += lines[0] or ["The protocol was not stored with this evaluation."]
    else:
        for run, own in zip(runs, lines, strict=True):
            notes += [f"{run.name}: {line}" for line in own or ("The protocol was not stored.",)]
    if len({run.get("data_fingerprint") for run in runs}) > 1:
        notes.append(
            "The runs were evaluated on differently prepared data: their numbers compare only if the videos and "
            "captions are the same."
        )
    return notes


def protocol_note(runs: Sequence[Run]) -> str:
    """What is compared, in one line above a table."""
    lines = dict.fromkeys(_protocol_in_short(run) for run in runs)
    return f"Protocol: {'; '.join(lines)}."


def _protocol_in_short(run: Run) -> str:
    protocol = run.get("protocol") or {}
    name = protocol.get("name") or "not stored"
    warning = ", not the official counts" if protocol.get("official") is False else ""
    amounts = [
        f"{number(run.get(key), 0)} {key}" for key in ("videos", "captions") if run.get(key) is not None
    ]
    rule = protocol.get("duplicate_captions")
    return ", ".join([f"{name}{warning}", f"split {run.split}", *amounts, *([rule] if rule else [])])
