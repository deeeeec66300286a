"""This module puts the service's HTTP application together: routes, errors as JSON, and the guard before them."""

import importlib.metadata
from collections.abc import Awaitable, Callable, Collection

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from data_pipeline.errors import InputError, shown
from mcsan_jax.serve.request_batches import NotTakenError
from mcsan_jax.serve.request_guard import RequestGuard
from mcsan_jax.serve.routes import picture_routes, search_routes, site_routes, video_routes
from mcsan_jax.serve.service import NotThereError, SearchService


def make_app(service: SearchService, hosts: Collection[str] = ()) -> RequestGuard:
    """Makes the application of a service.

    Args:
        service: answers the questions.
        hosts: names beside this machine's own under which the service may be asked for.
    """
    app = FastAPI(
        title="mcsan",
        version=importlib.metadata.version("mcsan-jax"),
        summary="Searches videos by what a sentence says, and shows the moment, why it was found, and how sure it is.",
        # Their pages load scripts from the network.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for module in (search_routes, video_routes, picture_routes, site_routes):
        app.include_router(module.router)
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)
    return RequestGuard(app, service.metrics, hosts)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    return _problem(400, str(error))


async def _unfit(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [
        f"{fault['loc'][-1]}: {fault['msg']}" + (f", found {shown(fault['input'])}" if fault["input"] else "")
        for fault in error.errors()
    ]
    return _problem(422, "; ".join(faults))


async def _not_there(request: Request, error: Exception) -> JSONResponse:
    return _problem(404, str(error))


async def _no_route(request: Request, error: Exception) -> JSONResponse:
    return _problem(404, "there is no such address; /openapi.json describes those that there are")


async def _wrong_method(request: Request, error: Exception) -> JSONResponse:
    return _problem(405, f"{request.method} is not taken here; use GET", allow="GET, HEAD")


async def _busy(request: Request, error: Exception) -> JSONResponse:
    return _problem(503, str(error), retry_after="1")


async def _broken(request: Request, error: Exception) -> JSONResponse:
    return _problem(500, "this is a fault of the program; its log has more")


_ANSWERS: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]] = {
    InputError: _refused,
    RequestValidationError: _unfit,
    NotThereError: _not_there,
    404: _no_route,
    405: _wrong_method,
    NotTakenError: _busy,
    500: _broken,
}


def _problem(status: int, error: str, **headers: str) -> JSONResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"error": error}, status, headers=named)
