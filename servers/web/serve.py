"""Serves one ASGI app on uvicorn, with the timeouts and limits that uvicorn lacks and a graceful shutdown.

A connection must send whole headers within `header_s` and a whole body within `body_s`, or it is closed
(slowloris); headers are bounded in bytes. The size of bodies is bounded in `middleware.py` and `gateway.py`.
On SIGTERM it drains: readiness and new requests get 503, WebSockets are closed, what else is in flight is
finished, the exit status is 0.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from servers.web.middleware import refuse, refuse_socket
from tools.errors import BadRequest, Draining
from tools.settings import Limits, Settings

ABORT = "capibara6.abort"
"""ASGI extension: breaks the connection at once, for clients that take nothing."""
KEY_HEADERS = frozenset({b"authorization", b"x-api-key"})
MAX_KEY_BYTES = 16_384


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, one a connection, that closes slow and oversized senders."""

    limits: ClassVar[Limits]
    timer: asyncio.TimerHandle | None = None
    header_bytes = 0
    timeout_s = 0.0
    """Seconds for what is missing of the present message; 0 when nothing is."""
    phases = 0
    """Counts the phases of messages (headers, body, none), to see whether one began."""
    callbacks = unparsed_bytes = 0
    """The parser's callbacks so far, and bytes since the last one: those of a line that does not end."""

    # What uvicorn overrides of asyncio.Protocol and of the parser's callbacks; each adds a bound.

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._start_timer(self.limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before, callbacks = self.phases, self.callbacks
        super().data_received(data)
        self.unparsed_bytes = 0 if self.callbacks != callbacks else self.unparsed_bytes + len(data)
        if self.unparsed_bytes > self.limits.header_bytes:
            self.send_400_response("a line of the headers is too long")
        if self.callbacks == callbacks and self.timer is None and self._waits_for_request():
            # Empty lines between messages: they end uvicorn's wait for the next one and begin none.
            self._start_timer(self.limits.header_s)
        # Most messages come in one piece: only those that do not are worth a timer.
        if self.phases != before:
            self._stop_timer()
            if self.timeout_s:
                self._start_timer(self.timeout_s)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[typeddict-item]  # one of ours
        self.header_bytes = 0
        self._begin_phase(self.limits.header_s)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(value) > MAX_KEY_BYTES and name.lower() in KEY_HEADERS:
            value = b""  # no key is that long: whoever sends it hears what any wrong key hears
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._begin_phase(self.limits.body_s)
        if not self.url.startswith(b"/"):  # no absolute form: the header Host alone says who was called
            raise ValueError("the target of a request is a path")
        super().on_headers_complete()
        if "path" not in self.scope:
            return  # a WebSocket: its own protocol takes over
        self.cycle.transport = CorkedTransport(self.transport, self.loop)  # type: ignore[assignment]  # what a cycle uses of it

    def on_body(self, body: bytes) -> None:
        self.callbacks += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._begin_phase(0.0)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        body = json.dumps(BadRequest(msg, code="malformed_request").envelope()).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _waits_for_request(self) -> bool:
        return not self.timeout_s and (self.cycle is None or self.cycle.response_complete)

    def _count(self, size: int) -> None:
        self.callbacks += 1
        self.header_bytes += size
        if self.header_bytes > self.limits.header_bytes:
            # Raised inside the parser's callback: it stops parsing and answers 400.
            raise ValueError("headers too large")

    def _begin_phase(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.callbacks += 1
        self.phases += 1

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self.timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class CorkedTransport:
    """A connection as one answer sees it: its head leaves with the first bytes of its body, in one packet
    (as TCP_CORK would do it). When those do not follow in the same turn of the loop, the head goes alone.
    """

    __slots__ = ("_head", "_loop", "_started", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head = b""
        self._started = False

    def write(self, data: bytes) -> None:
        """The first call holds the head back, the second sends both, the others pass on."""
        if self._started:
            if self._head:
                data, self._head = self._head + data, b""
            self._transport.write(data)
            return
        self._started, self._head = True, data
        self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what is held back, then close."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)


def bounded_protocol(limits: Limits) -> type[BoundedProtocol]:
    """The protocol class, with its limits, that uvicorn makes one instance of per connection."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})


class DrainMiddleware:
    """ASGI in front of the app: once `draining`, new requests get 503, all but `/health/live`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.draining and scope["type"] != "lifespan" and scope["path"] != "/health/live":
            draining = Draining("the service is shutting down", retry_after=1)
            if scope["type"] == "websocket":
                await refuse_socket(scope, send, draining)
            else:
                await refuse(send, draining)
            return
        await self.app(scope, receive, send)


class DrainingServer(uvicorn.Server):
    """Goes on accepting connections while it drains, so that health checks and late clients hear why."""

    def __init__(
        self, config: uvicorn.Config, drain: DrainMiddleware, drain_s: float, on_drain: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.drain = drain
        self.drain_s = drain_s
        self.on_drain = on_drain
        self.deadline = 0.0
        self.told = False

    def handle_exit(self, sig: int, frame: Any) -> None:
        """The first signal begins to drain, a second one stops; a second SIGINT waits for nothing."""
        # The signals are not kept: uvicorn would raise them again at the end, and the exit would not be 0.
        if self.drain.draining:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self.drain.draining = True
        self.deadline = time.monotonic() + self.drain_s

    async def on_tick(self, counter: int) -> bool:
        """Stop when nothing is in flight, or `drain_s` after the signal."""
        if self.drain.draining and not self.told:
            self.told = True
            self._end_endless()
        if self.drain.draining and (not self.server_state.tasks or time.monotonic() >= self.deadline):
            self.should_exit = True
        return await super().on_tick(counter)

    def _end_endless(self) -> None:
        """End what would never end by itself: WebSockets, and what the app ends in `on_drain`."""
        self.on_drain()
        for connection in list(self.server_state.connections):
            if not isinstance(connection, BoundedProtocol):
                connection.shutdown()


def listen(
    app: ASGIApp,
    *,
    settings: Settings,
    port: int,
    host: str | None = None,
    websockets: bool = False,
    on_drain: Callable[[], None] = lambda: None,
) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish what is in flight for at most `drain_s`.

    `on_drain` is called when that begins, to end streams that would go on for ever."""
    drain = DrainMiddleware(app)
    config = uvicorn.Config(
        drain,
        host=host or settings.host,
        port=port,
        http=bounded_protocol(settings.limits),
        ws="websockets-sansio" if websockets else "none",
        ws_max_size=settings.limits.body_bytes,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.limits.connections,
        timeout_graceful_shutdown=1,
    )
    server = DrainingServer(config, drain, settings.limits.drain_s, on_drain)
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
