"""One HTTP exchange over raw ASGI: the request as it came, and the ways to answer it.

It sends, it ends the work when the client leaves, and it says an error as a status or as the last event of a
stream. Which handler runs is the business of `app.py`.
"""

import asyncio
import time
from typing import Any

import orjson

from servers.pool.http.writer import Writer
from servers.pool.upstream.deadline import Deadline
from servers.web.middleware import REQUEST_ID, Headers, linger
from servers.web.serve import ABORT
from tools.errors import Capibara6Error, TooLarge

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")


class HttpExchange:
    """One request and its answer. `answered` once a byte of a model's answer was sent."""

    __slots__ = (
        *("_ended", "_scope", "_send", "_task", "_watcher", "_writer", "aborted", "answered"),
        *(
            "arrived_at",
            "body",
            "client_left",
            "deadline",
            "headers",
            "method",
            "path",
            "path_model",
            "receive",
        ),
        *("request_id", "route", "status"),
    )

    def __init__(self, scope: Any, receive: Any, send: Any, request_id: bytes) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Headers = dict(scope["headers"])
        self.path_model = ""
        """The model that the path names."""
        self.route = "unmatched"
        """The path as it is counted: with `{name}` in place of a model."""
        self.body = b""
        self.status = 0
        self.deadline: Deadline | None = None
        """A polled deadline that the app's round checks."""
        self.client_left = self.answered = self.aborted = self._ended = False
        self.arrived_at = time.monotonic()
        given = self.headers.get(b"x-request-id")
        self.request_id = given if given and REQUEST_ID.fullmatch(given) else request_id
        self._scope, self.receive, self._send = scope, receive, send
        self._writer: Writer | None = None
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send status and headers."""
        self.status = status
        headers.append((b"x-request-id", self.request_id))
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
        self._ended = True
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
        body = orjson.dumps(exc.envelope())
        if not isinstance(exc, TooLarge):
            await self.send(exc.status, body, extra)
            return
        await self.start(exc.status, [*extra, (b"content-length", b"%d" % len(body))])
        await self.write(body)
        await linger(self.receive)
        await self.end()

    async def abort(self) -> None:
        """Break the connection of a client that takes nothing: nothing more can be said to it."""
        self._ended = self.aborted = True
        abort = self._scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort()
            # The server learns of it in its next turn, and then expects no end of the answer.
            await asyncio.sleep(0)

    @property
    def streaming(self) -> bool:
        """Whether a streamed answer has begun."""
        return self._writer is not None

    # The client's leaving.

    def enter(self) -> None:
        """The current task is the work that ends when the client leaves."""
        self._task = asyncio.current_task()

    def leave(self) -> None:
        """The work is over."""
        if self._watcher is not None:
            self._watcher.cancel()
        self._task = self.deadline = None

    def watch(self) -> None:
        """Listen for the client's leaving from now on; it cancels the work of this exchange."""
        if self._watcher is None:
            self._watcher = asyncio.ensure_future(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if self._ended:
            # After a whole answer the server reports the end of the request in the same way.
            return
        self.client_left = True
        if self._task is not None:
            self._task.cancel()
