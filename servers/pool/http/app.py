"""The pool's own door: raw ASGI, because the proxy path counts microseconds.

It owns routing by exact path, the key, the bounded body, the request id, the error envelope and
cancellation when the client leaves. What a route does is the business of `routes.py`.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import orjson

from servers.pool.http.writer import Writer
from servers.pool.upstream.deadline import Deadline
from servers.web.middleware import REQUEST_ID, Headers, allowed, linger, read_body
from servers.web.serve import ABORT
from tools.errors import Capibara6Error, NotFound, TooLarge, Unauthorized
from tools.log import get_logger
from tools.settings import Settings

Handler = Callable[["Exchange"], Awaitable[None]]
JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
# A client that leaves is noticed within this time; most requests end before a watcher is worth its cost.
WATCH_AFTER_S = 0.2

log = get_logger("pool.door")


class Exchange:
    """One request and its answer. `answered` once a byte of a model's answer was sent."""

    __slots__ = (
        *(
            "_ended",
            "_receive",
            "_scope",
            "_send",
            "_sink",
            "_task",
            "_watcher",
            "aborted",
            "answered",
            "arrived",
            "body",
        ),
        *("headers", "left", "method", "name", "path", "patience", "request_id", "route", "status"),
    )

    def __init__(self, scope: Any, receive: Any, send: Any, request_id: bytes) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Headers = dict(scope["headers"])
        self.name = ""
        self.route = "unmatched"
        self.body = b""
        self.status = 0
        self.patience: Deadline | None = None
        self.left = self.answered = self.aborted = self._ended = False
        self.arrived = time.monotonic()
        given = self.headers.get(b"x-request-id")
        self.request_id = given if given and REQUEST_ID.fullmatch(given) else request_id
        self._scope, self._receive, self._send = scope, receive, send
        self._sink: Writer | None = None
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def abort(self) -> None:
        """Break the connection of a client that takes nothing: nothing more can be said to it."""
        self._ended = self.aborted = True
        abort = self._scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort()
            # The server learns of it in its next turn, and then expects no end of the answer.
            await asyncio.sleep(0)

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send status and headers."""
        self.status = status
        headers.append((b"x-request-id", self.request_id))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def stream(self, writer: Writer, headers: list[tuple[bytes, bytes]]) -> None:
        """Begin a streamed answer, once; from here on an error is an event of it."""
        if self._sink is None:
            self._sink = writer
            await self.start(200, [*writer.headers, *headers])

    async def write(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, chunk: bytes = b"") -> None:
        self._ended = True
        await self._send({"type": "http.response.body", "body": chunk})

    async def whole(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """A complete answer in one piece."""
        await self.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.end(body)

    async def json(self, content: Any, *, status: int = 200) -> None:
        await self.whole(status, orjson.dumps(content), [JSON])

    async def fail(self, exc: Capibara6Error) -> None:
        """The error as status and envelope, or as the last event of a stream that has begun."""
        if self.aborted:
            return
        if self._sink is not None:
            await self.end(self._sink.error(exc))
            return
        extra = [JSON]
        if exc.retry_after is not None:
            extra.append((b"retry-after", b"%d" % exc.retry_after))
        if exc.status in (401, 413):
            extra.append((b"connection", b"close"))
        body = orjson.dumps(exc.envelope())
        if not isinstance(exc, TooLarge):
            await self.whole(exc.status, body, extra)
            return
        await self.start(exc.status, [*extra, (b"content-length", b"%d" % len(body))])
        await self.write(body)
        await linger(self._receive)
        await self.end()

    @property
    def streaming(self) -> bool:
        return self._sink is not None

    def watch(self) -> None:
        """Listen for the client's leaving from now on; it cancels the work of this exchange."""
        if self._watcher is None:
            self._watcher = asyncio.ensure_future(self._listen())

    def begin(self) -> None:
        self._task = asyncio.current_task()

    def finish(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        self._task = self.patience = None

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._ended:
            # After a whole answer the server reports the end of the request in the same way.
            return
        self.left = True
        if self._task is not None:
            self._task.cancel()


class Paths(Protocol):
    """`exact` maps (method, path); `prefixed` maps (method, before, after) around a name."""

    exact: dict[tuple[str, str], Handler]
    prefixed: dict[tuple[str, str, str], Handler]


class PoolApp:
    """The ASGI app in front of `routes`."""

    def __init__(
        self,
        settings: Settings,
        *,
        routes: Paths,
        finished: Callable[[Exchange, str], None],
        lifespan: Callable[[Any, Any, Any], Awaitable[None]],
    ) -> None:
        self.limits = settings.limits
        self.allowed = allowed(settings)
        self.routes = routes
        self.finished = finished
        self.lifespan = lifespan
        self._active: set[Exchange] = set()
        self._round: asyncio.TimerHandle | None = None
        self._ids = itertools.count()
        self._run = os.urandom(8).hex().encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, b"%b%x" % (self._run, next(self._ids)))
        try:
            await self._serve(exchange)
        except Capibara6Error as exc:
            await exchange.fail(exc)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not exchange.left or task is None:
                raise
            task.uncancel()
            exchange.status = exchange.status or 499
        except Exception as exc:
            log.error("unexpected", path=exchange.path, request_id=exchange.request_id.decode(), exc_info=exc)
            if exchange.status and not exchange.streaming:
                # Half an answer was sent: only a broken connection tells the client so.
                raise
            await exchange.fail(Capibara6Error("internal error; see the service's log", source="pool"))
        finally:
            self.finished(exchange, exchange.route)

    async def _serve(self, exchange: Exchange) -> None:
        if not self.allowed(exchange.path, exchange.headers):
            raise Unauthorized("a valid API key is needed", source="pool")
        handler = self.routes.exact.get((exchange.method, exchange.path))
        if handler is not None:
            exchange.route = exchange.path
        else:
            handler = self._by_prefix(exchange)
        if exchange.method == "POST":
            body = await read_body(exchange._receive, exchange.headers, self.limits.body_bytes, source="pool")
            if body is None:
                exchange.status = 499
                return
            exchange.body = body
        exchange.begin()
        self._active.add(exchange)
        if self._round is None:
            self._round = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)
        try:
            await handler(exchange)
        finally:
            self._active.discard(exchange)
            exchange.finish()

    def _watch(self) -> None:
        """One round for all: timers of their own would cost most requests more than they are worth."""
        self._round = None
        due = time.monotonic() - WATCH_AFTER_S
        for exchange in self._active:
            if exchange.arrived <= due:
                exchange.watch()
            if exchange.patience is not None:
                exchange.patience.look()
        if self._active:
            self._round = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)

    def _by_prefix(self, exchange: Exchange) -> Handler:
        for (method, prefix, suffix), handler in self.routes.prefixed.items():
            path = exchange.path
            if method == exchange.method and path.startswith(prefix) and path.endswith(suffix):
                name = path[len(prefix) : len(path) - len(suffix)]
                if name and "/" not in name:
                    exchange.name, exchange.route = name, f"{prefix}{{name}}{suffix}"
                    return handler
        raise NotFound(f"there is no {exchange.method} {exchange.path[:200]}", source="pool")
