"""What is refused before any route sees it."""

import asyncio
import json
import socket
from typing import Any
from urllib.parse import quote

import pytest

from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.request_guard import LARGEST_BODY, LONGEST_QUERY, RequestGuard, is_local
from mcsan_jax.serve.service import SearchService


def answer(guard: RequestGuard, path: str, host: str = "localhost", **headers: str) -> tuple[int, Any]:
    """Status and body of a request as a server hands it over: httpx takes no address that is as long as those here."""
    path, _, query = path.partition("?")
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def guard(service: SearchService) -> RequestGuard:
    return make_app(service, ["Search.Example"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1:8000",
        "192.168.1.7",
        "[::1]:8000",
        "[::1]",
        "search.example:443",
        socket.gethostname(),
    ],
)
def test_its_own_names_are_taken(guard: RequestGuard, host: str) -> None:
    assert answer(guard, "/unknown", host)[0] == 404


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", ":8000"]
)
def test_names_that_may_lead_here_by_a_trick_are_refused(guard: RequestGuard, host: str) -> None:
    status, body = answer(guard, "/health", host)
    assert status == 421 and "--allow-host" in body["error"] and list(body) == ["error"]


def test_what_is_too_large_is_refused(guard: RequestGuard) -> None:
    long = "q=" + "a" * LONGEST_QUERY
    assert answer(guard, f"/search?{long}")[0] == 414
    status, body = answer(guard, "/unknown", content_length=str(LARGEST_BODY + 1))
    assert status == 413 and f"{LARGEST_BODY:,} bytes" in body["error"]
    assert answer(guard, "/unknown", content_length=str(LARGEST_BODY))[0] == 404
    assert answer(guard, "/unknown", transfer_encoding="chunked")[0] == 411


def test_the_longest_text_and_filter_fit_into_an_address(guard: RequestGuard) -> None:
    text, where = quote("𐍈" * 10_000), quote("é" * 2_001)
    status, body = answer(guard, f"/search?q={text}&where={where}")
    assert status == 422 and body["error"].startswith("where: String should have at most 2000")


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("192.168.1.7", False)],
)
def test_a_host_is_local_where_only_this_machine_reaches_it(host: str, local: bool) -> None:
    assert is_local(host) == local
