"""Connections to engines, and to the pool: HTTP/1.1 as httptools reads it, one request at a time, kept for
the next one.

It owns sockets and framing and nothing else: what an answer means is the business of who asks. A general HTTP
client costs more CPU a request than all the rest of the pool.
"""

import asyncio
import ssl
import time
from functools import cached_property, lru_cache
from urllib.parse import urlsplit

import httptools

from tools.errors import Unavailable, UpstreamFailed

CONNECT_S = 0.8
"""An engine that does not accept a connection within this time is taken for dead."""
SECURE_S = 3.0
"""The same where TLS has to be agreed on, and the name to be looked up."""
KEEP_S = 4.0
"""Engines on uvicorn close an idle connection after 5 s: ours go first, or a request could meet the close."""
HEAD_BYTES = 2**16
BUFFER_BYTES = 2**18
"""So much of an answer is held for a slow client before the engine is told to wait."""
BROKE = "engine_broke"
FIRST = 2
"""The serial of a connection's first request."""

Address = tuple[str, int, bool]
"""Host, port and whether TLS is spoken."""


class Connection(asyncio.Protocol):
    """One connection. `ask`, then `read` until it returns b""; `release(serial)` at any time."""

    __slots__ = (
        *("_buffered", "_chunks", "_done", "_error", "_headers_done", "_keep_alive", "_parser", "_paused"),
        *("_pool", "_received", "_transport", "_waiter", "address", "headers", "idle_since", "serial"),
        "status",
    )

    def __init__(self, pool: "ConnectionPool", address: Address) -> None:
        self.address, self._pool = address, pool
        self.serial = 0
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamFailed | None = None
        self._paused = False
        self._parser = httptools.HttpResponseParser(self)
        self._reset()
        self._done = True

    @property
    def usable(self) -> bool:
        """An idle connection that the engine has not closed."""
        return self._error is None and self._done and self._keep_alive

    @property
    def readable(self) -> bool:
        """Whether `read` returns at once."""
        return bool(self._chunks) or self._done

    @property
    def met_a_close(self) -> bool:
        """A kept connection that broke before any byte of an answer."""
        return self.serial > FIRST and not self._received and self._error is not None

    async def ask(self, request: bytes) -> None:
        """Send a whole request; return when status and headers of the answer are here."""
        self._reset()
        if self._transport is not None:
            self._transport.write(request)
        while not self._headers_done:
            await self._wait()

    async def read(self) -> bytes:
        """What has come since the last call, b"" at the end. Raises UpstreamFailed when it breaks off."""
        while not self._chunks:
            if self._done:
                return b""
            await self._wait()
        chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        if self._paused and self._error is None and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return chunk

    def __aiter__(self) -> "Connection":
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def release(self, serial: int) -> None:
        """Keep the connection for the next request, or break it off when its answer has not ended.

        `serial` is the caller's, so that whoever releases twice takes nothing from the next one.
        """
        if serial != self.serial or self.idle_since:
            return
        self.idle_since = time.monotonic()
        if self.usable and not self._paused:
            self._pool.keep(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Break the connection off."""
        if self._transport is not None:
            self._transport.abort()

    # What the transport and the parser report.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport, self._keep_alive = transport, True

    def data_received(self, data: bytes) -> None:
        if not self._headers_done:
            self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._break("the engine sent something that is not HTTP")
        else:
            if not self._headers_done and self._received > HEAD_BYTES:
                self._break(f"the engine's headers exceed {HEAD_BYTES} bytes")
        if self._buffered > BUFFER_BYTES and not self._paused and self._error is None:
            assert self._transport is not None
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        # Without a length an answer ends with its connection.
        if self._headers_done and not self._done and self._unbounded:
            self._done = True
        self._break("the engine broke the connection")
        self._transport = None
        self._wake()

    def on_message_begin(self) -> None:
        if self._done:
            self._break("the engine spoke without being asked")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._error is not None:
            return
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._error is not None:
            return
        self.status = self._parser.get_status_code()
        self._headers_done = self.status >= 200
        self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if self._error is not None:  # what comes after the answer is not part of it
            return
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        if self._headers_done:
            self._done = True
        else:
            self.headers.clear()

    @property
    def _unbounded(self) -> bool:
        return b"content-length" not in self.headers and b"transfer-encoding" not in self.headers

    def _reset(self) -> None:
        self.serial += 1
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.idle_since = 0.0
        self._chunks: list[bytes] = []
        self._headers_done = self._done = self._keep_alive = False
        self._buffered = self._received = 0

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, why: str) -> None:
        if self._error is None:
            self._error = UpstreamFailed(why, source="engine", code=BROKE)
            self.abort()


class ConnectionPool:
    """All connections to all engines; as many at once as requests need."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[Connection]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @cached_property
    def secure(self) -> ssl.SSLContext:
        """The system's certificates."""
        return ssl.create_default_context()

    async def open(self, address: Address, *, new: bool = False) -> Connection:
        """A connection to `address`, kept or new. Raises Unavailable when nobody accepts."""
        idle = None if new else self._idle.get(address)
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        host, port, secure = address
        try:
            async with asyncio.timeout(SECURE_S if secure else CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self, address), host, port, ssl=self.secure if secure else None
                )
        except OSError as exc:
            raise Unavailable("the engine is not reachable", source="engine", retry_after=1) from exc
        return connection

    def keep(self, connection: Connection) -> None:
        """Keep a usable connection for KEEP_S at most."""
        self._idle.setdefault(connection.address, []).append(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEEP_S / 4, self._close_idle)

    def close(self) -> None:
        """Close all idle connections."""
        if self._timer is not None:
            self._timer.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def _close_idle(self) -> None:
        """Close what nobody has used for long, with one timer for all."""
        self._timer = None
        due = time.monotonic() - KEEP_S * 0.75
        for address, connections in list(self._idle.items()):
            for connection in connections:
                if connection.idle_since <= due:
                    connection.abort()
            self._idle[address] = [kept for kept in connections if kept.usable and kept.idle_since > due]
            if not self._idle[address]:
                del self._idle[address]
        if self._idle:
            self._timer = asyncio.get_running_loop().call_later(KEEP_S / 4, self._close_idle)


@lru_cache(maxsize=1024)
def request_head(url: str, key: str | None, method: str = "POST") -> tuple[Address, bytes]:
    """Where to send JSON for `url`, and the request up to the value of its content-length."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        address = (parts.hostname or "", parts.port or (443 if secure else 80), secure)
    except ValueError as exc:
        raise Unavailable(f"the engine's address has no valid port: {exc}", source="pool") from exc
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"{method} {target} HTTP/1.1",
        f"host: {parts.netloc.rpartition('@')[2]}",
        "accept: */*",
        "accept-encoding: identity",
        "content-type: application/json",
    ]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if not all(line.isprintable() and line.isascii() for line in lines):
        raise Unavailable("the engine's address or key can not be sent as they are", source="pool")
    return address, "\r\n".join([*lines, "content-length: "]).encode()
