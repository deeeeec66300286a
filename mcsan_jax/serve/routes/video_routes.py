"""This module has the routes of one video: what is known of it, its clip, and why it has a score."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse

from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.search.query_language import MAX_PARTS
from mcsan_jax.serve.response_bodies import ExplainedScore, VideoDescription, clip_address
from mcsan_jax.serve.routes.route_parameters import PROBLEMS, Service, Text, Video, known_parameters_only
from mcsan_jax.serve.service import known

KINDS = {
    ".avi": "video/x-msvideo",
    ".gif": "image/gif",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
"""Media types of clips; a file of another kind is sent as bytes that no browser shows."""


router = APIRouter(
    prefix="/videos/{video}",
    tags=["videos"],
    dependencies=[Depends(known_parameters_only)],
    responses=PROBLEMS,
)


@router.get("")
async def describe(service: Service, video: Video) -> VideoDescription:
    """What the index holds of a video."""

    def look_up(searcher: IndexSearcher) -> VideoDescription:
        has_clip = known(searcher, video).clip_of(video) is not None
        seconds = tuple(map(float, searcher.seconds_of(video)))
        address = clip_address(video) if has_clip else None
        return VideoDescription(video, searcher.metadata_of(video), seconds, address)

    return await service.ask(look_up)


@router.get("/explanation")
async def explanation(
    service: Service,
    video: Video,
    q: Text,
    step: Annotated[
        int, Query(ge=0, lt=MAX_PARTS, description="Which step of `A then B`; the first one is 0.")
    ] = 0,
) -> ExplainedScore:
    """Why a step of a query and a video have their score: which phrase met which frame, and what each word adds."""
    return ExplainedScore.of(
        await service.ask(lambda searcher: known(searcher, video).explain(q, video, step))
    )


@router.get(
    "/clip",
    response_class=FileResponse,
    responses={
        200: {"content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The bytes that the header `Range` asked for."},
    },
)
async def clip(service: Service, video: Video) -> FileResponse:
    """The clip of a video, also in parts (`Range`)."""
    file = await service.clip(video)
    return FileResponse(file, media_type=KINDS.get(file.suffix.lower(), "application/octet-stream"))
