"""This module refuses requests that cannot be answered, with all that is wrong with one in one message."""

from collections.abc import Collection

from data_pipeline.errors import Faults, InputError, nearest_name, shown
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.search.answers import SearchRequest
from mcsan_jax.search.query_language import parse_query

MOST_ANSWERS = 1000
"""Answers to one request at most."""

SORTS = ("score", "time")
"""The orders in which answers can stand."""


def check_request(request: SearchRequest, collection: VideoIndex) -> None:
    """Refuses a request that cannot be answered, before anything is computed for it.

    Args:
        request: the request.
        collection: that it searches.

    Raises:
        InputError: names each field that is wrong.
    """
    if not isinstance(request, SearchRequest):
        raise InputError(f"expected a request, such as SearchRequest('a red car'), found {shown(request)}")
    faults = Faults()
    add_faults(faults, request, collection)
    faults.check()


def add_faults(faults: Faults, request: SearchRequest, collection: VideoIndex | None) -> None:
    """Adds all that is wrong with a request.

    Args:
        faults: to which it is added.
        request: the request.
        collection: that it searches; None where it cannot be opened, so that columns are not looked at.
    """
    for check in (
        lambda: parse_query(_checked_text("text", request.text)),
        lambda: check_count(request.k),
        lambda: check_probability(request.min_probability),
        lambda: check_sort(request.sort),
    ):
        with faults.gathered():
            check()
    if not isinstance(request.candidates, int) or request.candidates < 1:
        faults.add(f"candidates: expected at least 1, found {shown(request.candidates)}")
    if collection is not None:
        with faults.gathered():
            check_column(_checked_text("group_by", request.group_by), ("id", *columns_of(collection)))
        with faults.gathered():
            collection.matching(_checked_text("where", request.where))


def _checked_text(name: str, value: object) -> str:
    """Returns the value of a field, which must be a text."""
    if not isinstance(value, str):
        raise InputError(f"{name}: expected a text, found {shown(value)}")
    return value


def columns_of(collection: VideoIndex) -> dict[str, str]:
    """Returns the columns of the metadata and their types, such as ``string`` and ``int64``."""
    return {
        field.name: str(field.type) for field in collection.table.schema if field.name not in ("id", "clip")
    }


def check_count(k: int) -> None:
    """Refuses a number of answers that is below one, or more than anyone looks at.

    Raises:
        InputError: it is.
    """
    if not isinstance(k, int) or not 1 <= k <= MOST_ANSWERS:
        raise InputError(f"k, the number of answers: expected from 1 to {MOST_ANSWERS:,}, found {shown(k)}")


def check_probability(probability: float | None) -> None:
    """Refuses what is no probability.

    Raises:
        InputError: it is none.
    """
    if probability is not None and not (isinstance(probability, int | float) and 0 <= probability <= 1):
        raise InputError(f"min_probability: expected a number from 0 to 1, found {shown(probability)}")


def check_sort(sort: str) -> None:
    """Refuses an unknown order.

    Raises:
        InputError: it is unknown.
    """
    if sort not in SORTS:
        raise InputError(f"sort: expected {' or '.join(SORTS)}, found {shown(sort)}")


def check_column(column: str, columns: Collection[str]) -> None:
    """Refuses a column to group by that the index lacks; an empty name stands for no groups.

    Raises:
        InputError: there is no such column.
    """
    if column and column not in columns:
        raise InputError(
            f"group_by: no column {shown(column)} in the index; {nearest_name(column, columns)}it has "
            f"{', '.join(columns)}"
        )
