"""Runs one ASGI app on uvicorn with the deadlines and bounds that uvicorn does not have by itself.

A connection must send whole headers within `header_s` and a whole body within `body_s`, or it is closed;
headers are bounded in bytes. Sizes of bodies are the door's business (`servers/app.py`).
"""

import asyncio
import json
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tools.errors import BadRequest
from tools.settings import Limits, Settings


class Guarded(HttpToolsProtocol):
    """Closes slow and oversized senders: slowloris in all its forms."""

    limits: ClassVar[Limits]
    deadline: asyncio.TimerHandle | None = None
    seen = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm(self.limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.seen = 0
        self._arm(self.limits.header_s)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._arm(self.limits.body_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._disarm()
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
        self.seen += size
        if self.seen > self.limits.header_bytes:
            # Raised inside the parser's callback: it stops parsing and answers 400.
            raise ValueError("headers too large")

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self.deadline = self.loop.call_later(seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


def guarded(limits: Limits) -> type[Guarded]:
    """The protocol class that uvicorn builds one of per connection."""
    return type("Guarded", (Guarded,), {"limits": limits})


def listen(app: Any, *, settings: Settings, port: int, host: str | None = None) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish what is in flight for at most `drain_s`."""
    uvicorn.run(
        app,
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
        timeout_graceful_shutdown=int(settings.limits.drain_s),
    )
