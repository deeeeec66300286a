"""This module stands before every route: it refuses what is too large or comes from afar, and adds the headers.

A page of a foreign site can reach a service on the user's own machine if the site's name is made to lead there (DNS
rebinding). Such a request names the foreign site in its header ``Host``; therefore only numbers, this machine's own
names and names that were allowed are taken there.
"""

import ipaddress
import json
import socket
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from mcsan_jax.serve.service_metrics import ServiceMetrics

LONGEST_PATH = 4 * 1024
LONGEST_QUERY = 160 * 1024
"""Bytes of an address after its ``?``: 10,000 letters of four bytes, percent-encoded, and a filter."""
LARGEST_BODY = 64 * 1024
"""No route reads a body."""

OTHER = "other"
"""The route of a request that no route takes, in the metrics."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class RequestGuard:
    """An ASGI application around another one.

    The inner one sees paths as they came, percent-encoded, so that an id may hold any character, also a slash.
    """

    def __init__(self, app: App, metrics: ServiceMetrics, hosts: Collection[str] = ()) -> None:
        """Takes the application.

        Args:
            app: the inner application.
            metrics: counts the requests.
            hosts: names beside this machine's own under which the service may be asked for.
        """
        self._app, self._metrics = app, metrics
        self._hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or has it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        # Routes take GET; of HEAD, the body is left out.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        inner = {**scope, "method": method, "path": scope["raw_path"].decode("ascii")}
        answer = _Answer(send, bodiless=scope["method"] == "HEAD")
        try:
            refusal = self._refusal(scope)
            if refusal is None:
                await self._app(inner, receive, answer.send)
            else:
                await answer.refuse(*refusal)
        finally:
            route = getattr(inner.get("route"), "path", OTHER)
            self._metrics.note_request(route, answer.status, time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Returns the status and the message for a request that is not taken."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        host = _name_of(headers.get(b"host", b"").decode("latin-1"))
        if host not in self._hosts and not _is_number(host):
            return (
                421,
                f"host {host[:100]!r} is not one of this service; allow it with --allow-host, or ask by number",
            )
        if len(scope["raw_path"]) > LONGEST_PATH:
            return 414, f"the path of the address is longer than {LONGEST_PATH:,} bytes"
        if len(scope["query_string"]) > LONGEST_QUERY:
            return 414, f"the address is longer than {LONGEST_QUERY:,} bytes after its '?'"
        if b"transfer-encoding" in headers:
            return 411, "no route reads a body; one of unknown length is refused"
        if int(headers.get(b"content-length", b"0")) > LARGEST_BODY:
            return 413, f"no route reads a body; one of more than {LARGEST_BODY:,} bytes is refused"
        return None


class _Answer:
    """Sends an answer with the headers of all answers; an error in plain text becomes one in JSON."""

    def __init__(self, send: Send, bodiless: bool) -> None:
        self._send, self._bodiless, self.status = send, bodiless, 500
        self._plain_error: Message | None = None
        self._text = b""

    async def send(self, message: Message) -> None:
        """Sends a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = dict(message["headers"])
            if self.status >= 400 and headers.get(b"content-type", b"").startswith(b"text/plain"):
                self._plain_error = message
                return
            await self._send({**message, "headers": [*message["headers"], *_HEADERS]})
        elif self._plain_error is None:
            await self._send({**message, "body": b""} if self._bodiless else message)
        else:
            self._text += message.get("body", b"")
            if not message.get("more_body", False):
                kept = [one for one in self._plain_error["headers"] if not one[0].startswith(b"content-")]
                ranges = [one for one in self._plain_error["headers"] if one[0] == b"content-range"]
                await self._send_error(self._text.decode("utf-8", "replace"), [*kept, *ranges])

    async def refuse(self, status: int, error: str) -> None:
        """Sends an error in place of an answer."""
        self.status = status
        # The rest of the request is not read.
        await self._send_error(error, [(b"connection", b"close")])

    async def _send_error(self, error: str, headers: list[tuple[bytes, bytes]]) -> None:
        body = json.dumps({"error": error or "the request cannot be answered"}).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        start = {
            "type": "http.response.start",
            "status": self.status,
            "headers": [*kind, *headers, *_HEADERS],
        }
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b"" if self._bodiless else body})


def _name_of(host: str) -> str:
    """Returns the name in a header ``Host``, without its port."""
    name, _, port = host.rpartition(":")
    return (name if port.isdecimal() and name else host).strip("[]").lower()


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Returns whether only programs on this machine reach a host."""
    return host == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)
