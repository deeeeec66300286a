"""This module puts answers in the order that was asked for."""

import re
from collections.abc import Sequence
from typing import Any

from mcsan_jax.search.answers import SearchAnswer


def arranged(answers: Sequence[SearchAnswer], sort: str, group_by: str) -> tuple[SearchAnswer, ...]:
    """Returns answers in another order; their ranks stay.

    Args:
        answers: the best first.
        sort: ``score``, or ``time``: by video, and within a video or a group by the start of the moment.
        group_by: a column whose equal values stand together, the group with the best answer first; may be empty.
    """
    groups: dict[str, list[SearchAnswer]] = {}
    for answer in answers:
        groups.setdefault(str(_value_of(answer, group_by)), []).append(answer)
    if sort == "time":
        for group in groups.values():
            group.sort(key=lambda answer: _time_order(answer, bool(group_by)))
    return tuple(answer for group in groups.values() for answer in group)


def _value_of(answer: SearchAnswer, column: str) -> Any:
    """Returns the value by which an answer is grouped; that of the column ``id`` is the video itself."""
    return answer.video if column == "id" else answer.metadata.get(column)


def _time_order(answer: SearchAnswer, grouped: bool) -> tuple:
    """Returns by what an answer is sorted: within a group, the start comes before the video."""
    start = answer.moments[0].start if answer.moments else 0.0
    name = _natural(answer.video)
    return (start, name) if grouped else (name, start)


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a key by which ``clip 9`` comes before ``clip 10``."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
