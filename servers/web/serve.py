"""Runs one ASGI app on uvicorn with the deadlines and bounds that uvicorn does not have by itself.

A connection must send whole headers within `header_s` and a whole body within `body_s`, or it is closed;
headers are bounded in bytes. Sizes of bodies are the door's business (`servers/web/app.py`).
On SIGTERM it says no first (readiness and new requests get 503), finishes what is in flight and exits 0.
"""

import asyncio
import json
import signal
import sys
import time
from typing import Any, ClassVar

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from servers.web.middleware import refuse
from tools.errors import BadRequest, Draining
from tools.settings import Limits, Settings

ABORT = "capibara6.abort"
"""ASGI extension: breaks the connection at once, for clients that take nothing."""

KEYS, KEY_BYTES = frozenset({b"authorization", b"x-api-key"}), 4_096


class Guarded(HttpToolsProtocol):
    """Closes slow and oversized senders: slowloris in all its forms."""

    limits: ClassVar[Limits]
    deadline: asyncio.TimerHandle | None = None
    seen = 0
    patience = 0.0
    """Seconds for what of the present message is missing; 0 when nothing is."""
    steps = 0
    told = quiet = 0
    """What the parser told of this connection, and bytes since: those of a line that does not end."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._arm(self.limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before, told = self.steps, self.told
        super().data_received(data)
        self.quiet = 0 if self.told != told else self.quiet + len(data)
        if self.quiet > self.limits.header_bytes:
            self.send_400_response("a line of the headers is too long")
        # Most messages come in one piece: only those that do not are worth a timer.
        if self.steps != before:
            self._disarm()
            if self.patience:
                self._arm(self.patience)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[typeddict-item]
        self.seen = 0
        self._expect(self.limits.header_s)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(value) > KEY_BYTES and name.lower() in KEYS:
            value = b""  # no key is that long: whoever sends it hears what any wrong key hears
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._expect(self.limits.body_s)
        super().on_headers_complete()
        self.cycle.transport = Corked(self.transport, self.loop)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        self.told += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._expect(0.0)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        body = json.dumps(BadRequest(msg, code="malformed_request").envelope()).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self.told += 1
        self.seen += size
        if self.seen > self.limits.header_bytes:
            # Raised inside the parser's callback: it stops parsing and answers 400.
            raise ValueError("headers too large")

    def _expect(self, seconds: float) -> None:
        self.patience = seconds
        self.told += 1
        self.steps += 1

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self.deadline = self.loop.call_later(seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


class Corked:
    """A connection as one answer sees it: its head leaves with the first bytes of its body, in one packet.

    When those do not follow in the same turn of the loop, the head goes alone.
    """

    __slots__ = ("_head", "_loop", "_started", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head = b""
        self._started = False

    def write(self, data: bytes) -> None:
        if self._started:
            if self._head:
                data, self._head = self._head + data, b""
            self._transport.write(data)
            return
        self._started, self._head = True, data
        self._loop.call_soon(self._flush)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)


def guarded(limits: Limits) -> type[Guarded]:
    """The protocol class that uvicorn builds one of per connection."""
    return type("Guarded", (Guarded,), {"limits": limits})


class Leaving:
    """ASGI in front of the app; once `now` is true, new requests are refused and told to go elsewhere."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.now = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.now and scope["type"] == "http" and scope["path"] != "/health/live":
            await refuse(send, Draining("the service is shutting down", retry_after=1))
            return
        await self.app(scope, receive, send)


class Server(uvicorn.Server):
    """Keeps its door open while it drains, so that health checks and late clients hear why."""

    def __init__(self, config: uvicorn.Config, leaving: Leaving, drain_s: float) -> None:
        super().__init__(config)
        self.leaving = leaving
        self.drain_s = drain_s
        self.deadline = 0.0

    def handle_exit(self, sig: int, frame: Any) -> None:
        # The signals are not kept: uvicorn would raise them again at the end, and the exit would not be 0.
        if self.leaving.now:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self.leaving.now = True
        self.deadline = time.monotonic() + self.drain_s

    async def on_tick(self, counter: int) -> bool:
        if self.leaving.now and (not self.server_state.tasks or time.monotonic() >= self.deadline):
            self.should_exit = True
        return await super().on_tick(counter)


def listen(app: Any, *, settings: Settings, port: int, host: str | None = None) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish what is in flight for at most `drain_s`."""
    leaving = Leaving(app)
    config = uvicorn.Config(
        leaving,
        host=host or settings.host,
        port=port,
        http=guarded(settings.limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.limits.connections,
        timeout_graceful_shutdown=1,
    )
    server = Server(config, leaving, settings.limits.drain_s)
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
