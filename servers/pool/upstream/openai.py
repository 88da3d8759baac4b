"""The backend for any server that speaks OpenAI's wire, and that wire: one POST, a reply whole or open.

Bytes go through as they are: engines are asked for plain ones, and nothing is decompressed.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.upstream.backend import Backend, Endpoint, Health, Reply, UpstreamRequest
from tools import trace
from tools.clients.raw.connection import Connection, ConnectionPool, request_head
from tools.errors import Unavailable, UpstreamFailed

WHOLE_BYTES = 64 * 2**20
HEALTH_S = 0.6
"""So long a failed request waits to hear how its engine is."""


class OpenAI(Backend):
    """Servers elsewhere: `urls`, `upstream` (their name of the model) and `key_file` in models.toml."""

    name = "openai"

    def __init__(self, connections: ConnectionPool) -> None:
        self.connections = connections
        self._keys: dict[str, str] = {}

    def urls(self, spec: ModelSpec) -> Sequence[str]:
        """As the catalogue gives them."""
        return spec.urls

    async def ask(self, spec: ModelSpec, endpoint: Endpoint, request: UpstreamRequest) -> Reply:
        """The reply with the model's own key; the client's key is never handed on."""
        return await ask(
            self.connections,
            endpoint.url + request.path,
            request.body_for(spec.upstream or spec.id),
            key=self._key(spec),
            stream=request.stream,
            remote=True,
        )

    async def health(self, endpoint: Endpoint) -> Health:
        """What `/health` says at its address; one that has no such path is well."""
        try:
            async with asyncio.timeout(HEALTH_S):
                status = await _status(self.connections, f"{endpoint.url}/health")
        except TimeoutError:
            return "unknown"
        except (Unavailable, UpstreamFailed):
            return "died"
        return "died" if status >= 500 else "well"

    def _key(self, spec: ModelSpec) -> str | None:
        if spec.key_file is None:
            return None
        if spec.id not in self._keys:
            self._keys[spec.id] = spec.key_file.read_text(encoding="utf-8").strip()
        return self._keys[spec.id]


async def ask(
    connections: ConnectionPool,
    url: str,
    body: bytes,
    *,
    key: str | None,
    stream: bool,
    remote: bool = False,
) -> Reply:
    """POST `body` to an engine. A status below 300 of a stream comes back open, all else read whole.

    Raises Unavailable when it can not be reached and UpstreamFailed when it breaks off. A `remote` engine may
    close kept connections sooner than ours do: what meets the close is sent once more over a new one.
    """
    address, head = request_head(url, key)
    request = b"%b%d\r\n%b\r\n%b" % (head, len(body), _served(), body)
    connection = await connections.open(address)
    try:
        try:
            await connection.ask(request)
        except UpstreamFailed:
            if not (remote and connection.met_a_close):
                raise
            connection.release(connection.serial)
            connection = await connections.open(address, new=True)
            await connection.ask(request)
        if connection.headers.get(b"content-encoding", b"identity") != b"identity":
            raise UpstreamFailed("the engine sent an encoding that was not asked for", source="engine")
        if stream and connection.status < 300:
            close = partial(connection.release, connection.serial)
            return Reply(status=connection.status, events=connection, close=close)
        whole = await _read(connection)
    except BaseException:
        connection.release(connection.serial)
        raise
    connection.release(connection.serial)
    wait = connection.headers.get(b"retry-after", b"")
    return Reply(status=connection.status, body=whole, retry_after=int(wait) if wait.isdigit() else None)


async def _status(connections: ConnectionPool, url: str) -> int:
    """The status that a GET of `url` is answered with. Raises Unavailable and UpstreamFailed."""
    address, head = request_head(url, None, "GET")
    connection = await connections.open(address, new=True)
    try:
        await connection.ask(b"%b0\r\n\r\n" % head)
        return connection.status
    finally:
        connection.abort()


def _served() -> bytes:
    """Header lines that name the request which is served."""
    served = trace.current()
    return b"".join(b"%b: %b\r\n" % line for line in served.headers()) if served else b""


async def _read(connection: Connection) -> bytes:
    """The whole body. No reply may grow without bound."""
    whole = await connection.read()
    if not (more := await connection.read()):
        return whole
    grown = bytearray(whole)
    while more:
        grown += more
        if len(grown) > WHOLE_BYTES:
            raise UpstreamFailed(f"the engine's answer exceeds {WHOLE_BYTES} bytes", source="engine")
        more = await connection.read()
    return bytes(grown)
