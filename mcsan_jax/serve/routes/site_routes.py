"""This module has the page with its files, the health of the service, and its metrics."""

import hashlib
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Header, Response

from mcsan_jax.serve.response_bodies import Health
from mcsan_jax.serve.routes.route_parameters import PROBLEMS, Service
from mcsan_jax.serve.service import NotThereError

_KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PAGE = "index.html"

router = APIRouter(tags=["site"], responses=PROBLEMS)

Held = Annotated[str | None, Header(alias="if-none-match", description="Tag of the version that is there.")]


def _page_files() -> dict[str, tuple[bytes, str]]:
    """Reads the files of the page from the package: content and tag by name."""
    folder = resources.files("mcsan_jax.serve") / "page"
    contents = {file.name: file.read_bytes() for file in folder.iterdir()} if folder.is_dir() else {}
    return {name: (found, f'"{hashlib.sha256(found).hexdigest()[:32]}"') for name, found in contents.items()}


_FILES = _page_files()


@router.get("/", include_in_schema=False)
async def page(held: Held = None) -> Response:
    """The page, whatever the query of its address, which it reads itself."""
    return _file(_PAGE, held)


@router.get(
    "/static/{name}",
    response_class=Response,
    responses={
        200: {"content": {"text/*": {"schema": {"type": "string"}}}},
        304: {"description": "It is as it was."},
    },
)
async def static(name: str, held: Held = None) -> Response:
    """A file of the page."""
    return _file(name, held)


@router.get("/health", responses={503: {"model": Health, "description": "The service ends."}})
async def health(service: Service, response: Response) -> Health:
    """Whether the service answers, and what it serves."""
    response.status_code = 503 if service.ending else 200
    return await service.health()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: Service) -> Response:
    """What the service did, for Prometheus."""
    return Response(service.metrics.text(), media_type=service.metrics.content_type)


def _file(name: str, held: str | None) -> Response:
    if name not in _FILES:
        raise NotThereError(f"the page has no file {name!r}")
    content, tag = _FILES[name]
    headers = {"etag": tag, "cache-control": "no-cache"}
    if held == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_KINDS[name.rpartition(".")[2]], headers=headers)
