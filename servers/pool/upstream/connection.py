"""Connections to engines: HTTP/1.1 as httptools reads it, one request at a time, kept for the next one.

It owns sockets and framing and nothing else: what an answer means is the business of `wire.py`. A general
HTTP client costs more CPU a request than all the rest of the pool.
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
AHEAD_BYTES = 2**18
"""So much of an answer is held for a slow client before the engine is told to wait."""
BROKE = "engine_broke"
FIRST = 2
"""The turn of a connection's first request."""

Place = tuple[str, int, bool]
"""Host, port and whether TLS is spoken."""


class Connection(asyncio.Protocol):
    """One connection. `ask`, then `read` until it returns b""; `release(turn)` at any time."""

    __slots__ = (
        *("_ahead", "_broken", "_home", "_keep", "_over", "_parser", "_paused", "_pieces", "_seen"),
        *("_told", "_transport", "_waiter", "headers", "idle_since", "place", "status", "turn"),
    )

    def __init__(self, home: "ConnectionPool", place: Place) -> None:
        self.place, self._home = place, home
        self.turn = 0
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._broken: UpstreamFailed | None = None
        self._paused = False
        self._parser = httptools.HttpResponseParser(self)
        self._begin()
        self._over = True

    @property
    def usable(self) -> bool:
        """An idle connection that the engine has not closed."""
        return self._broken is None and self._over and self._keep

    @property
    def met_a_close(self) -> bool:
        """A kept connection that broke before any byte of an answer."""
        return self.turn > FIRST and not self._seen and self._broken is not None

    async def ask(self, request: bytes) -> None:
        """Send a whole request; return when status and headers of the answer are here."""
        self._begin()
        if self._transport is not None:
            self._transport.write(request)
        while not self._told:
            await self._news()

    async def read(self) -> bytes:
        """What has come since the last call, b"" at the end. Raises UpstreamFailed when it breaks off."""
        while not self._pieces:
            if self._over:
                return b""
            await self._news()
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._ahead = 0
        if self._paused and self._broken is None and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return piece

    def __aiter__(self) -> "Connection":
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    def release(self, turn: int) -> None:
        """Keep the connection for the next request, or break it off when its answer has not ended.

        `turn` is the caller's, so that whoever lets go twice takes nothing from the next one.
        """
        if turn != self.turn or self.idle_since:
            return
        self.idle_since = time.monotonic()
        if self.usable and not self._paused:
            self._home.keep(self)
        else:
            self.hang_up()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # What the transport and the parser report.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport, self._keep = transport, True

    def data_received(self, data: bytes) -> None:
        if not self._told:
            self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._break("the engine sent something that is not HTTP")
        else:
            if not self._told and self._seen > HEAD_BYTES:
                self._break(f"the engine's headers exceed {HEAD_BYTES} bytes")
        if self._ahead > AHEAD_BYTES and not self._paused and self._broken is None:
            assert self._transport is not None
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        # Without a length an answer ends with its connection.
        if self._told and not self._over and self._unbounded:
            self._over = True
        self._break("the engine broke the connection")
        self._transport = None
        self._wake()

    def on_message_begin(self) -> None:
        if self._over:
            self._break("the engine spoke without being asked")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._told = self.status >= 200
        self._keep = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._ahead += len(body)

    def on_message_complete(self) -> None:
        if self._told:
            self._over = True
        else:
            self.headers.clear()

    @property
    def _unbounded(self) -> bool:
        return b"content-length" not in self.headers and b"transfer-encoding" not in self.headers

    def _begin(self) -> None:
        self.turn += 1
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.idle_since = 0.0
        self._pieces: list[bytes] = []
        self._told = self._over = self._keep = False
        self._ahead = self._seen = 0

    async def _news(self) -> None:
        if self._broken is not None:
            raise self._broken
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, why: str) -> None:
        if self._broken is None:
            self._broken = UpstreamFailed(why, source="engine", code=BROKE)
            self.hang_up()


class ConnectionPool:
    """All connections to all engines; as many at once as requests need."""

    def __init__(self) -> None:
        self._idle: dict[Place, list[Connection]] = {}
        self._round: asyncio.TimerHandle | None = None

    @cached_property
    def secure(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def open(self, place: Place, *, new: bool = False) -> Connection:
        """A connection to `place`, kept or new. Raises Unavailable when nobody accepts."""
        idle = None if new else self._idle.get(place)
        while idle:
            line = idle.pop()
            if line.usable:
                return line
        host, port, secure = place
        try:
            async with asyncio.timeout(SECURE_S if secure else CONNECT_S):
                _, line = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self, place), host, port, ssl=self.secure if secure else None
                )
        except OSError as exc:
            raise Unavailable("the engine is not reachable", source="engine", retry_after=1) from exc
        return line

    def keep(self, line: Connection) -> None:
        self._idle.setdefault(line.place, []).append(line)
        if self._round is None:
            self._round = asyncio.get_running_loop().call_later(KEEP_S / 4, self._look)

    def close(self) -> None:
        if self._round is not None:
            self._round.cancel()
        for lines in self._idle.values():
            for line in lines:
                line.hang_up()
        self._idle.clear()

    def _look(self) -> None:
        """Hang up what nobody has used for long, in one round for all."""
        self._round = None
        due = time.monotonic() - KEEP_S * 0.75
        for place, lines in list(self._idle.items()):
            for line in lines:
                if line.idle_since <= due:
                    line.hang_up()
            self._idle[place] = [line for line in lines if line.usable and line.idle_since > due]
            if not self._idle[place]:
                del self._idle[place]
        if self._idle:
            self._round = asyncio.get_running_loop().call_later(KEEP_S / 4, self._look)


@lru_cache(maxsize=1024)
def address(url: str, key: str | None) -> tuple[Place, bytes]:
    """Where to POST JSON for `url`, and the request up to the value of its content-length."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        place = (parts.hostname or "", parts.port or (443 if secure else 80), secure)
    except ValueError as exc:
        raise Unavailable(f"the engine's address has no valid port: {exc}", source="pool") from exc
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"host: {parts.netloc.rpartition('@')[2]}",
        "accept: */*",
        "accept-encoding: identity",
        "content-type: application/json",
    ]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if not all(line.isprintable() and line.isascii() for line in lines):
        raise Unavailable("the engine's address or key can not be sent as they are", source="pool")
    return place, "\r\n".join([*lines, "content-length: "]).encode()
