"""This module has what the addresses of several routes take, and the answers that all may give."""

from collections import Counter
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Path, Query, Request

from data_pipeline.errors import InputError, nearest_name, shown
from mcsan_jax.search.query_language import MAX_CHARACTERS
from mcsan_jax.search.request_checks import MOST_ANSWERS
from mcsan_jax.serve.response_bodies import Problem
from mcsan_jax.serve.service import SearchService

LONGEST_FILTER = 2_000

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request cannot be answered; the body says why."},
    503: {"model": Problem, "description": "Too many requests wait, or the service ends."},
}


def _service(request: Request) -> SearchService:
    """Returns what the routes ask."""
    found: SearchService = request.app.state.service
    return found


def _video(video: Annotated[str, Path(description="Id of the video.")]) -> str:
    """Reads an id, which comes percent-encoded, because it may hold a slash."""
    try:
        return unquote(video, errors="strict")
    except UnicodeDecodeError as error:
        raise InputError(f"the id {shown(video)} in the address is not UTF-8, percent-encoded") from error


def known_parameters_only(request: Request) -> None:
    """Refuses parameters that the route does not have, and those that are given twice, rather than ignore them.

    Raises:
        InputError: there is one.
    """
    described = request.app.openapi()["paths"][request.scope["route"].path]["get"].get("parameters", [])
    names = [one["name"] for one in described if one["in"] == "query"]
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in names:
            expected = f"expected {', '.join(names)}" if names else "this address takes none"
            raise InputError(f"no parameter {shown(name)}; {nearest_name(name, names) or expected}".strip())
        if count > 1:
            raise InputError(f"parameter {name!r} is given {count} times; give it once")


Service = Annotated[SearchService, Depends(_service)]
Video = Annotated[str, Depends(_video)]
Text = Annotated[
    str,
    Query(
        min_length=1,
        description="A sentence, also `A then B`, `-word`, `without …`; of a long one "
        f"{MAX_CHARACTERS:,} characters are read.",
    ),
]
Count = Annotated[int, Query(ge=1, le=MOST_ANSWERS, description="How many answers at most.")]
Where = Annotated[
    str,
    Query(
        max_length=LONGEST_FILTER,
        description='Filter of the metadata, such as `camera = "north" and year > 2020`.',
    ),
]
