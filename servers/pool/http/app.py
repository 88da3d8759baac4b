"""The pool's own door: raw ASGI, because the proxy path counts microseconds.

It owns routing by exact path, the key, the bounded body, the request id, the error envelope and
cancellation when the client leaves. What a route does is the business of `routes.py`.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import orjson

from servers.pool.http.writer import Writer
from servers.pool.upstream.deadline import Deadline
from servers.web.api_key import ApiKeyCheck, Headers
from servers.web.disconnect import DisconnectWatch, WatchedClient
from servers.web.middleware import REQUEST_ID, linger, read_body
from servers.web.serve import ABORT
from tools.errors import Capibara6Error, NotFound, TooLarge
from tools.log import get_logger
from tools.settings import Settings

Handler = Callable[["Exchange"], Awaitable[None]]
JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")

log = get_logger("pool.door")


class Exchange(WatchedClient):
    """One request and its answer. `answered` once a byte of a model's answer was sent."""

    __slots__ = (
        *("_scope", "_send", "_sink", "aborted", "answered", "body"),
        *("headers", "method", "name", "path", "patience", "request_id", "route", "status"),
    )

    def __init__(self, scope: Any, receive: Any, send: Any, request_id: bytes) -> None:
        super().__init__(receive)
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Headers = dict(scope["headers"])
        self.name = ""
        self.route = "unmatched"
        self.body = b""
        self.status = 0
        self.patience: Deadline | None = None
        self.answered = self.aborted = False
        given = self.headers.get(b"x-request-id")
        self.request_id = given if given and REQUEST_ID.fullmatch(given) else request_id
        self._scope, self._send = scope, send
        self._sink: Writer | None = None

    async def abort(self) -> None:
        """Break the connection of a client that takes nothing: nothing more can be said to it."""
        self.ended = self.aborted = True
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
        self.ended = True
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
        await linger(self.receive)
        await self.end()

    @property
    def streaming(self) -> bool:
        return self._sink is not None

    def look(self, now: float) -> None:
        """One round of the watch also looks at the engine's deadline."""
        super().look(now)
        if self.patience is not None:
            self.patience.look()


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
        self.access = ApiKeyCheck(settings, name="pool")
        self.routes = routes
        self.finished = finished
        self.lifespan = lifespan
        self._watch = DisconnectWatch()
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
        self.access.check(exchange.path, exchange.headers)
        handler = self.routes.exact.get((exchange.method, exchange.path))
        if handler is not None:
            exchange.route = exchange.path
        else:
            handler = self._by_prefix(exchange)
        if exchange.method == "POST":
            body = await read_body(exchange.receive, exchange.headers, self.limits.body_bytes, source="pool")
            if body is None:
                exchange.status = 499
                return
            exchange.body = body
        self._watch.add(exchange)
        try:
            await handler(exchange)
        finally:
            self._watch.remove(exchange)
            exchange.patience = None

    def _by_prefix(self, exchange: Exchange) -> Handler:
        for (method, prefix, suffix), handler in self.routes.prefixed.items():
            path = exchange.path
            if method == exchange.method and path.startswith(prefix) and path.endswith(suffix):
                name = path[len(prefix) : len(path) - len(suffix)]
                if name and "/" not in name:
                    exchange.name, exchange.route = name, f"{prefix}{{name}}{suffix}"
                    return handler
        raise NotFound(f"there is no {exchange.method} {exchange.path[:200]}", source="pool")
