"""`mcsan serve`: an index, or the videos of a run, as a service over HTTP, with a page."""

import errno
import importlib.util
import os
import pathlib
import socket
from typing import Annotated

import typer

from data_pipeline.errors import InputError
from data_pipeline.host.files import nearest_folder

_LIBRARIES = ("fastapi", "uvicorn", "prometheus_client", "av")
_USUAL_PLACE = pathlib.Path("search.index")
_BACKLOG = 2048


def serve(
    place: Annotated[
        pathlib.Path,
        typer.Argument(
            metavar="INDEX|RUN",
            help="Folder of an index (`mcsan index … --out`), or of a run or a model, for whose videos an index is "
            "made or brought up to date; by default search.index.",
        ),
    ] = _USUAL_PLACE,
    host: Annotated[
        str, typer.Option(help="Address to listen at. Others than this machine's own are reached by anyone.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")
    ] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            "--allow_host",
            help="Name under which a browser may ask for the service, as behind a proxy; may be given again.",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="A run or a model: features of its videos that have moved, PATH or STREAM=PATH; may be given again."
        ),
    ] = None,
    clips: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="A run or a model: folder with the files to play that have moved, <id>.mp4 and the like."
        ),
    ] = None,
    data: Annotated[
        pathlib.Path | None,
        typer.Option(help="A run: its prepared data, if no longer where it was trained on them."),
    ] = None,
    milvus: Annotated[
        str,
        typer.Option(
            help="Finds candidates in Milvus: a file that ends with .db, or the address of a cluster, such as "
            "http://host:19530. By default nothing beside the index is needed."
        ),
    ] = "",
) -> None:
    """Serve an index or a run: a page to search with, the same as JSON, clips, pictures, and metrics."""
    if missing := [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]:
        raise InputError(
            f"mcsan serve: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            "pip install 'mcsan-jax[serve]'"
        )
    # Whoever misspells a path, or has another service there, need not wait for the libraries.
    _check_place(place)
    listener = _listening(host, port)
    # Numpy's products are small here, and threads that wait for each other take ten times as long on a busy machine.
    for library in ("OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from mcsan_jax.compiled_programs import keep_compiled_programs
    from mcsan_jax.index.run_index import Moved, index_to_serve
    from mcsan_jax.serve.server import serve_index

    def found_index() -> pathlib.Path:
        index, lines = index_to_serve(place, Moved(tuple(features or ()), clips, data))
        for line in lines:
            typer.echo(line, err=True)
        return index

    keep_compiled_programs()
    serve_index(found_index, listener, allow_host or (), milvus)


def _check_place(place: pathlib.Path) -> None:
    if place.is_dir():
        return
    if place == _USUAL_PLACE:
        advice = "make it with `mcsan index CLIPS --encoder=FOLDER`, or name an index, a run or the folder of a model"
    else:
        advice = f"{nearest_folder(place, 'index.json')}name an index, a run or the folder of a model"
    raise InputError(f"{place}: there is no such folder; {advice}")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = f"another program listens at port {port} already" if taken else str(error)
        raise InputError(
            f"--host={host} --port={port}: {why}; name another port, or --port=0 for a free one"
        ) from error
