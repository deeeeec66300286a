"""Many users of the search service at once, each with a connection of its own, who take as little processor as can be.

They are coroutines of one process that write and read HTTP themselves: a client library would take more of the two
cores than the service that is measured.
"""

import asyncio
import collections
import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np

from data_pipeline.moving_shapes.captions import draw_sentences
from data_pipeline.moving_shapes.scene import draw_scene

SHARES: Mapping[str, float] = {"search": 0.5, "explain": 0.2, "similar": 0.15, "page": 0.15}
"""How often each step of the script is chosen."""

_POSTERS = 3
"""Pictures of answers that a page loads."""


@dataclasses.dataclass
class Load:
    """What the users saw.

    Attributes:
        seconds: of every request by step of the script; a page is several requests.
        errors: answers with a wrong status, broken connections, by what was said.
    """

    seconds: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list[float])
    )
    errors: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def requests(self) -> int:
        """How many requests were answered well."""
        return sum(map(len, self.seconds.values()))


class Connection:
    """A connection to the service that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        """Connects."""
        return cls(*await asyncio.open_connection(host, port), f"{host}:{port}")

    async def get(self, address: str) -> tuple[int, bytes]:
        """Status and body of the answer to a request.

        Raises:
            OSError, EOFError: the connection broke.
        """
        self._writer.write(f"GET {address} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or 0)
        return int(head[9:12]), await self._reader.readexactly(length)

    async def close(self) -> None:
        """Ends the connection."""
        self._writer.close()
        await self._writer.wait_closed()


class User:
    """A user searches, asks why, looks at similar videos, and opens the page anew, in an order of chance."""

    def __init__(self, connection: Connection, load: Load, files: Sequence[str], seed: int) -> None:
        """Takes an open connection.

        Args:
            connection: to the service.
            load: is told what the user sees.
            files: addresses of the files of the page.
            seed: of what the user does.
        """
        self._connection, self._load, self._files = connection, load, files
        self._random = np.random.default_rng(seed)
        self._text, self._videos = "", list[str]()

    async def use(self, until: Callable[[], bool]) -> None:
        """Goes on until it is time."""
        steps = list(SHARES)
        while not until():
            step = str(self._random.choice(steps, p=list(SHARES.values())))
            if step == "search" or not self._videos:
                await self._search()
            elif step == "explain":
                video = quote(self._of(self._videos), safe="")
                await self._get("explain", f"/videos/{video}/explanation?{urlencode({'q': self._text})}")
            elif step == "similar":
                await self._get("similar", f"/similar/{quote(self._of(self._videos), safe='')}")
            else:
                posters = [f"/videos/{quote(video, safe='')}/poster.jpg" for video in self._videos[:_POSTERS]]
                for file in (*self._files, *posters):
                    await self._get("page", file)

    async def _search(self) -> None:
        self._text = str(draw_sentences(draw_scene(self._random), 1, self._random)[0])
        # A threshold of 0: the answers are wanted, however unlikely.
        asked = urlencode({"q": self._text, "k": 10, "min_probability": 0})
        body = await self._get("search", f"/search?{asked}")
        if body:
            self._videos = [answer["video"] for answer in json.loads(body)["answers"]]

    async def _get(self, step: str, address: str) -> bytes:
        begun = time.perf_counter()
        try:
            status, body = await self._connection.get(address)
        except (OSError, EOFError) as error:
            self._load.errors[f"{step}: {type(error).__name__}"] += 1
            raise
        if status != 200:
            self._load.errors[f"{step}: {status} {body[:200].decode(errors='replace')}"] += 1
            return b""
        self._load.seconds[step].append(time.perf_counter() - begun)
        return body

    def _of(self, items: Sequence[str]) -> str:
        return items[int(self._random.integers(len(items)))]


async def put_load(
    host: str, port: int, files: Sequence[str], clients: int, seconds: float, load: Load
) -> None:
    """Lets users use the service for some time.

    Args:
        host: of the service.
        port: of the service.
        files: addresses of the files of the page.
        clients: how many users.
        seconds: how long; requests under way are awaited.
        load: is told what they see.
    """
    end = time.perf_counter() + seconds
    connections = [await Connection.open(host, port) for _ in range(clients)]
    users = [User(one, load, files, seed) for seed, one in enumerate(connections)]
    await asyncio.gather(
        *(user.use(lambda: time.perf_counter() >= end) for user in users), return_exceptions=True
    )
    for one in connections:
        await one.close()


async def asked(host: str, port: int, address: str) -> Any:
    """The body of a single answer."""
    connection = await Connection.open(host, port)
    _, body = await connection.get(address)
    await connection.close()
    return body
