"""This module runs the service: it opens the index, takes a port, and ends when it is told to."""

import asyncio
import pathlib
import signal
import socket
import sys
import types
from collections.abc import Callable, Sequence
from typing import NoReturn

import uvicorn

from mcsan_jax.index.engines.open_engine import open_engine
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.request_guard import LONGEST_PATH, LONGEST_QUERY, is_local
from mcsan_jax.serve.service import SearchService
from mcsan_jax.serve.service_metrics import ServiceMetrics

_HEADER_BYTES = 16 * 1024
_IDLE_SECONDS = 30
_ENDING_SECONDS = 30
"""What is in flight longer than this after the signal to end is given up."""


def serve_index(
    found_index: Callable[[], pathlib.Path],
    listener: socket.socket,
    allowed_hosts: Sequence[str] = (),
    milvus: str = "",
) -> None:
    """Serves an index until the program is told to end: by SIGTERM, with status 0, or by Ctrl-C.

    What is in flight then is answered first.

    Args:
        found_index: returns the folder of the index.
        listener: listens already, so that the port is taken before anything is read; it is closed in the end.
        allowed_hosts: names beside this machine's own under which the service may be asked for.
        milvus: where candidates are found, as `open_engine` takes it.

    Raises:
        InputError: there is no such index.
    """
    with listener:
        host, port = listener.getsockname()[:2]
        folder = found_index()
        service = _open(folder, milvus)
        config = uvicorn.Config(
            make_app(service, allowed_hosts),
            # Its limit of an address's length is known.
            http="h11",
            h11_max_incomplete_event_size=LONGEST_PATH + LONGEST_QUERY + _HEADER_BYTES,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_ENDING_SECONDS,
        )
        address = f"[{host}]" if ":" in host else host
        if not is_local(host):
            print(
                f"warning: whoever reaches {address} may search and see this index; there is no authentication",
                file=sys.stderr,
            )
        count = f"{service.videos:,} video{'' if service.videos == 1 else 's'}"
        print(
            f"{count} of {folder} at http://{address}:{port}/ (Ctrl-C ends it)",
            flush=True,
        )
        signal.signal(signal.SIGTERM, _end)
        try:
            _Server(config, service).run([listener])
        finally:
            service.close()


class _Server(uvicorn.Server):
    """Warms the service up once it listens, and tells it when it is told to end."""

    def __init__(self, config: uvicorn.Config, service: SearchService) -> None:
        super().__init__(config)
        self._service = service
        self._warming: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._warming = asyncio.create_task(self._service.warm_up())

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
        self._service.ending = True
        super().handle_exit(sig, frame)


def _open(folder: pathlib.Path, milvus: str) -> SearchService:
    searcher = IndexSearcher.open(folder, open_engine(folder, milvus))
    return SearchService(searcher, ServiceMetrics(), searcher.collection.description.fingerprint)


def _end(number: int, frame: types.FrameType | None) -> NoReturn:
    """Ends the program; the server answers what is in flight before this is called."""
    sys.exit(0)
