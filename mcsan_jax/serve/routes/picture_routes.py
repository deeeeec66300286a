"""This module has the pictures that are made of a clip: a poster, a strip of frames, and a cut."""

import pathlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from data_pipeline.clips import clip_pictures
from data_pipeline.errors import InputError
from mcsan_jax.serve.routes.file_names import saved_as
from mcsan_jax.serve.routes.route_parameters import PROBLEMS, Service, Video, known_parameters_only
from mcsan_jax.serve.service import NotThereError, SearchService

router = APIRouter(
    prefix="/videos/{video}",
    tags=["videos"],
    dependencies=[Depends(known_parameters_only)],
    responses=PROBLEMS,
)

Seconds = Annotated[float, Query(ge=0, le=1e6, description="In seconds from the beginning of the clip.")]


def _sent_as(kind: str) -> dict[str, Any]:
    return {
        "response_class": Response,
        "responses": {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}}},
    }


@router.get("/poster.jpg", **_sent_as("image/jpeg"))
async def poster(service: Service, video: Video, at: Seconds | None = None) -> Response:
    """A frame of the clip: that at a time, or one that shows something."""
    kept = await service.kept_picture(video, "poster")
    if at is None and kept is not None:
        return _sent(kept)
    part = await service.part(video)
    middle = None if part is None else sum(part) / 2
    try:
        return await _drawn(
            service, video, lambda file: clip_pictures.poster(file, middle if at is None else at)
        )
    except (NotThereError, InputError):
        # A clip that was moved, or that nothing here decodes, still has the picture of before.
        if kept is None:
            raise
        return _sent(kept)


@router.get("/strip.jpg", **_sent_as("image/jpeg"))
async def strip(
    service: Service,
    video: Video,
    count: Annotated[
        int, Query(ge=1, le=clip_pictures.MOST_IN_STRIP, description="How many frames.")
    ] = clip_pictures.USUAL_IN_STRIP,
) -> Response:
    """Frames of the clip at equal distances, side by side."""
    kept = await service.kept_picture(video, "strip") if count == clip_pictures.USUAL_IN_STRIP else None
    if kept is not None:
        return _sent(kept)
    start, end = await service.part(video) or (0.0, None)
    return await _drawn(service, video, lambda file: clip_pictures.film_strip(file, count, start, end))


@router.get("/cut.mp4", **_sent_as("video/mp4"))
async def cut(service: Service, video: Video, start: Seconds, end: Seconds) -> Response:
    """A part of the clip as a file of its own, at most 600 seconds long."""
    file = await service.clip(video)
    content = await service.draw(lambda: clip_pictures.cut(file, start, end))
    return Response(content, media_type="video/mp4", headers=saved_as(video, f"_{start:.2f}-{end:.2f}.mp4"))


async def _drawn(service: SearchService, video: str, draw: Callable[[pathlib.Path], bytes]) -> Response:
    file = await service.clip(video)
    return _sent(await service.draw(lambda: draw(file)))


def _sent(picture: bytes) -> Response:
    return Response(picture, media_type="image/jpeg")
