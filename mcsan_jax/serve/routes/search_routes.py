"""This module has the routes that search: by text, by a video, for captions; and the results as files."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from mcsan_jax.search.answer_formats import as_csv, as_edl, as_json
from mcsan_jax.search.answers import SearchRequest
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve.response_bodies import (
    CaptionList,
    ExplainedScore,
    ServedCaption,
    ServedCollection,
    ServedResult,
    with_names_of_files,
)
from mcsan_jax.serve.routes.file_names import saved_as
from mcsan_jax.serve.routes.route_parameters import (
    PROBLEMS,
    Count,
    Service,
    Text,
    Video,
    Where,
    known_parameters_only,
)
from mcsan_jax.serve.service import known

MOST_EXPLAINED = 10

_KINDS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "edl": "text/plain; charset=utf-8"}

router = APIRouter(tags=["search"], dependencies=[Depends(known_parameters_only)], responses=PROBLEMS)


def _search_request(
    q: Text,
    k: Count = 10,
    where: Where = "",
    min_probability: Annotated[
        float | None,
        Query(
            ge=0, le=1, description="Answers below are left out; by default the threshold of the calibration."
        ),
    ] = None,
    sort: Annotated[
        Literal["score", "time"],
        Query(description="Best first, or by group or video, and within it by the start of the moment."),
    ] = "score",
    group_by: Annotated[
        str, Query(max_length=200, description="Column of the metadata whose equal values stand together.")
    ] = "",
) -> SearchRequest:
    return SearchRequest(q, k, where, min_probability, sort, group_by)


Asked = Annotated[SearchRequest, Depends(_search_request)]


@router.get("/search")
async def search(
    service: Service,
    asked: Asked,
    explain: Annotated[
        bool, Query(description=f"Also why the first {MOST_EXPLAINED} answers have their scores.")
    ] = False,
) -> ServedResult:
    """The moments that a text describes, the best first, with what says why and how sure."""
    result = await service.search(asked)
    explained = [answer.video for answer in result.answers[:MOST_EXPLAINED]] if explain else []

    def explain_all(searcher: IndexSearcher) -> dict[str, ExplainedScore]:
        return {video: ExplainedScore.of(searcher.explain(asked.text, video)) for video in explained}

    explanations = await service.ask(explain_all) if explained else {}
    return ServedResult.of(result, explanations)


@router.get("/similar/{video}")
async def similar(service: Service, video: Video, k: Count = 10, where: Where = "") -> ServedResult:
    """Videos that are like a video."""
    return ServedResult.of(
        await service.ask(lambda searcher: known(searcher, video).similar(video, k, where))
    )


@router.get("/captions")
async def captions(
    service: Service,
    video: Annotated[str, Query(min_length=1, max_length=4096, description="Id of the video.")],
    k: Count = 10,
) -> CaptionList:
    """Captions of the index that fit a video."""
    found = await service.ask(lambda searcher: known(searcher, video).captions_for(video, k))
    return CaptionList(video, tuple(ServedCaption(*one) for one in found))


@router.get(
    "/export",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "object" if name == "json" else "string"}}
                for name, kind in _KINDS.items()
            }
        }
    },
)
async def export(
    service: Service,
    asked: Asked,
    format: Annotated[
        Literal["json", "csv", "edl"],
        Query(description="JSON, a table, or an edit decision list (CMX 3600)."),
    ] = "json",
    frame_rate: Annotated[
        float, Query(gt=0, le=120, description="Of the clips, for the edit decision list.")
    ] = 25,
) -> Response:
    """The result of a search as a file."""
    result = await service.search(asked)
    addressed = dataclasses.replace(result, answers=ServedResult.of(result).answers)
    forms: dict[str, Callable[[], str]] = {
        "json": lambda: as_json(addressed),
        "csv": lambda: as_csv(addressed),
        # An editing program looks for files by their names; the folders of this machine are nobody's business.
        "edl": lambda: as_edl(with_names_of_files(result), frame_rate),
    }
    # The first edit decision list loads a library.
    content = await service.draw(lambda: forms[format]().encode())
    return Response(content, media_type=_KINDS[format], headers=saved_as(asked.text, f".{format}"))


@router.get("/columns")
async def columns(service: Service) -> dict[str, str]:
    """The columns of the metadata, for filters and groups, and their types, such as `string` and `int64`."""
    return await service.ask(lambda searcher: searcher.columns)


@router.get("/collection")
async def collection(service: Service) -> ServedCollection:
    """What is searched: how many videos, a few of their captions as examples, and what probabilities stand on."""
    return await service.ask(ServedCollection.of)
