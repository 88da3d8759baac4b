"""One HTTP exchange over raw ASGI: the request as it came, and the ways to answer it.

It sends, it ends the work when the client leaves, and it says an error as a status or as the last event of a
stream. Which handler runs is the business of `app.py`.
"""

import asyncio
from typing import Any

import orjson

from servers.pool.http.writer import Writer, error_body
from servers.pool.upstream.deadline import Deadline
from servers.web.access import CHALLENGE
from servers.web.api_key import Headers
from servers.web.disconnect import WatchedClient
from servers.web.door import Door, HeaderList
from servers.web.middleware import linger
from servers.web.serve import ABORT
from tools import trace
from tools.access.identity import Principal
from tools.errors import Capibara6Error, TooLarge, Unauthorized
from tools.schema import JsonObject

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")


class HttpExchange(WatchedClient):
    """One request and its answer. `answered` once a byte of a model's answer was sent."""

    __slots__ = (
        *("_admitted", "_scope", "_send", "_writer", "aborted", "answered", "body", "deadline", "extra"),
        *("headers", "method", "noted", "path", "path_model", "principal", "raw", "request_id", "route"),
        "status",
    )

    def __init__(self, scope: Any, receive: Any, send: Any, request_id: bytes) -> None:
        super().__init__(receive)
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw: list[tuple[bytes, bytes]] = scope["headers"]
        self.headers: Headers = dict(self.raw)
        self.extra: list[tuple[bytes, bytes]] = []
        """Headers of the answer, whatever it is."""
        self.principal: Principal | None = None
        self.noted: JsonObject = {}
        """What its audit line says besides."""
        self.path_model = ""
        """The model that the path names."""
        self.route = "unmatched"
        """The path as it is counted: with `{name}` in place of a model."""
        self.body = b""
        self.status = 0
        self.deadline: Deadline | None = None
        """A polled deadline that the app's round checks."""
        self.answered = self.aborted = False
        served = trace.trace_of(self.headers, otherwise=request_id)
        trace.bind(served)
        self.request_id = served.request_id
        self._scope, self._send = scope, send
        self._admitted: HeaderList = ()
        self._writer: Writer | None = None

    def enter(self, door: Door) -> bool:
        """Pass `door`, whose headers go into the answer; True for a preflight. Raises what it raises."""
        admission = door.admit(self._scope, self.headers)
        self._admitted = admission.headers
        return admission.preflight

    async def send_preflight(self) -> None:
        """The answer to a browser that asks what it may ask."""
        await self.start(204, [])
        await self.end()

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send status and headers, those of the door as well."""
        self.status = status
        headers.append((b"x-request-id", self.request_id))
        headers += self._admitted
        headers += self.extra
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def start_stream(self, writer: Writer, headers: list[tuple[bytes, bytes]]) -> None:
        """Begin a streamed answer, once; from here on an error is an event of it."""
        if self._writer is None:
            self._writer = writer
            await self.start(200, [*writer.headers, *headers])

    async def write(self, chunk: bytes) -> None:
        """Send a part of the answer."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, chunk: bytes = b"") -> None:
        """Send the last part."""
        self.ended = True
        await self._send({"type": "http.response.body", "body": chunk})

    async def send(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """A complete answer in one piece."""
        await self.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.end(body)

    async def send_json(self, content: Any, *, status: int = 200) -> None:
        """A complete answer of JSON."""
        await self.send(status, orjson.dumps(content), [JSON])

    async def send_error(self, exc: Capibara6Error) -> None:
        """The error as status and envelope, or as the last event of a stream that has begun."""
        if self.aborted:
            return
        if self._writer is not None:
            await self.end(self._writer.error(exc))
            return
        extra = [JSON]
        if exc.retry_after is not None:
            extra.append((b"retry-after", b"%d" % exc.retry_after))
        if exc.status in (401, 413):
            extra.append((b"connection", b"close"))
        if isinstance(exc, Unauthorized):
            extra.append((b"www-authenticate", CHALLENGE))
        body = orjson.dumps(error_body(self.path, exc))
        if not isinstance(exc, TooLarge):
            await self.send(exc.status, body, extra)
            return
        await self.start(exc.status, [*extra, (b"content-length", b"%d" % len(body))])
        await self.write(body)
        await linger(self.receive)
        await self.end()

    async def abort(self) -> None:
        """Break the connection of a client that takes nothing: nothing more can be said to it."""
        self.ended = self.aborted = True
        abort = self._scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort()
            # The server learns of it in its next turn, and then expects no end of the answer.
            await asyncio.sleep(0)

    @property
    def streaming(self) -> bool:
        """Whether a streamed answer has begun."""
        return self._writer is not None

    def look(self, now: float) -> None:
        """One round of the watch also looks at the engine's deadline."""
        super().look(now)
        if self.deadline is not None:
            self.deadline.check()
