"""This module corrects the spelling of a query, and says what a user should know about how it is scored."""

import dataclasses
from collections.abc import Collection

from data_pipeline.errors import shown
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, LEVELS
from data_pipeline.prepared_data import Query, QueryParser
from mcsan_jax.retrieval.explain import unread_notes
from mcsan_jax.search.query_language import ParsedQuery


def corrected(parsed: ParsedQuery, parser: QueryParser) -> ParsedQuery:
    """Returns a query with its slips of the pen corrected, and a note of each; what stood in quotes stays.

    Args:
        parsed: the query.
        parser: knows the words.
    """
    read: dict[str, str] = {}

    def correct(text: str) -> str:
        found = parser.corrected(text)
        pairs = zip(text.split(), found.split(), strict=True)
        changed = {old: new for old, new in pairs if old != new and not _is_quoted(old, parsed.quoted)}
        read.update(changed)
        return " ".join(changed.get(word, word) for word in text.split()) if changed else text

    steps, negatives = (tuple(map(correct, texts)) for texts in (parsed.steps, parsed.negatives))
    notes = tuple(
        f"read {shown(old)} as {shown(new)}; in quotes it is taken as it is" for old, new in read.items()
    )
    return dataclasses.replace(parsed, steps=steps, negatives=negatives, notes=parsed.notes + notes)


def _is_quoted(word: str, quoted: Collection[str]) -> bool:
    return any(word in phrase.split() for phrase in quoted)


def query_notes(query: Query, levels: Collection[str] = LEVELS) -> tuple[str, ...]:
    """Returns what a user should know about how a text is scored.

    Args:
        query: the parsed text.
        levels: those of the model.
    """
    text, notes = shown(query.caption.text), []
    how = "the global level alone scores it, as a whole"
    if GLOBAL not in levels:
        how = "the model has no level that could score it"
    placed = len(query.phrases[ENTITY]) + len(query.phrases[ACTION])
    found = len(query.caption.node_levels)
    if query.is_foreign:
        notes.append(f"{text} does not look like English, which graphs are made of: {how}")
    elif not placed:
        notes.append(f"no thing and no action was found in {text}: {how}")
    if unread := unread_notes(query):
        notes += unread
    elif 0 < placed < found:
        notes.append(
            f"of the {found} things and actions in {text} the model has room for {placed}; the others count in the "
            "global level alone"
        )
    return tuple(notes)
