"""Carries requests of JSON to a service of ours and their answers back, as bytes: what `http.py` would spend
on a request costs more than all else that is done to one which is only passed on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from tools.clients.http import Auth, Response, error_of
from tools.clients.raw.connection import Connection, ConnectionPool, request_head
from tools.errors import Unavailable, UpstreamFailed, UpstreamSilent

WHOLE_BYTES = 64 * 2**20
"""So much of an answer with a length is held."""


class Carried:
    """An answer whose status and headers are here; `headers` are named in lower case."""

    def __init__(self, connection: Connection, carrier: "Carrier") -> None:
        self._connection, self._carrier = connection, carrier
        self.status, self.headers = connection.status, connection.headers

    async def read(self) -> bytes:
        """What has come since the last call, b"" at the end. Raises UpstreamFailed, UpstreamSilent."""
        with self._carrier.translated():
            if self._connection.readable:
                return await self._connection.read()
            async with asyncio.timeout(self._carrier.timeout):
                return await self._connection.read()

    async def rest(self) -> bytes:
        """All of it. Raises what `read` raises, and UpstreamFailed beyond `WHOLE_BYTES`."""
        whole = await self.read()
        if int(self.headers.get(b"content-length", b"-1")) == len(whole):
            return whole
        grown = bytearray(whole)
        while piece := await self.read():
            grown += piece
            if len(grown) > WHOLE_BYTES:
                raise UpstreamFailed(f"an answer exceeds {WHOLE_BYTES} bytes", source=self._carrier.source)
        return bytes(grown)


class Carrier:
    """POSTs to one service; `timeout` are the seconds to its headers and between two pieces."""

    def __init__(
        self, connections: ConnectionPool, base_url: str, source: str, *, auth: Auth, timeout: float
    ) -> None:
        self.connections, self.base_url, self.source = connections, base_url.rstrip("/"), source
        self.auth, self.timeout = auth, timeout

    @asynccontextmanager
    async def post(self, path: str, body: bytes) -> AsyncIterator[Carried]:
        """The answer, open; leaving the block before its end breaks it off, which ends the work behind it.

        A status of 400 or more becomes the error that the service named. Raises Unavailable, UpstreamFailed,
        UpstreamSilent."""
        connection = await self._asked(path, body)
        serial = connection.serial
        try:
            answer = Carried(connection, self)
            if answer.status >= 400:
                headers = {
                    name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers.items()
                }
                raise error_of(Response(answer.status, headers, await answer.rest()), self.source)
            yield answer
        finally:
            connection.release(serial)

    async def _asked(self, path: str, body: bytes) -> Connection:
        shown = dict(self.auth.headers())
        token = shown.pop("authorization", "").removeprefix("Bearer ") or None
        address, head = request_head(self.base_url + path, token)
        lines = "".join(f"{name}: {value}\r\n" for name, value in shown.items()).encode("latin-1")
        request = b"%b%d\r\n%b\r\n%b" % (head, len(body), lines, body)
        with self.translated():
            connection = await self.connections.open(address)
            try:
                async with asyncio.timeout(self.timeout):
                    try:
                        await connection.ask(request)
                    except UpstreamFailed:
                        if not connection.met_a_close:
                            raise
                        # It was closed while it was idle: nothing was read of the request.
                        connection.release(connection.serial)
                        connection = await self.connections.open(address, new=True)
                        await connection.ask(request)
            except BaseException:
                connection.release(connection.serial)
                raise
        return connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors name the service."""
        try:
            yield
        except TimeoutError as exc:
            raise UpstreamSilent(f"{self.source} did not answer in time", source=self.source) from exc
        except Unavailable as exc:
            why = f"{self.source} is not reachable"
            raise Unavailable(why, source=self.source, retry_after=1) from exc
        except UpstreamFailed as exc:
            raise UpstreamFailed(f"{self.source} broke the connection", source=self.source) from exc


@asynccontextmanager
async def open_carrier(base_url: str, source: str, *, auth: Auth, timeout: float) -> AsyncIterator[Carrier]:
    """A carrier to one service; connections live as long as the block."""
    connections = ConnectionPool()
    try:
        yield Carrier(connections, base_url, source, auth=auth, timeout=timeout)
    finally:
        connections.close()
