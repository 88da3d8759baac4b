"""The engine behind OpenAI's wire over HTTP: our own vLLM children and any compatible URL.

Bytes go through as they are: engines are asked for plain ones, and nothing is decompressed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp

from servers.pool.upstream.connection import BROKE, CONNECT_S, KEEP_S, Connection, ConnectionPool, address
from servers.pool.upstream.reply import Reply
from tools.errors import Capibara6Error, Unavailable, UpstreamFailed

WHOLE_BYTES = 64 * 2**20


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session for what is asked now and then: health of engines, Ollama."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S)
    async with aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"content-type": "application/json", "accept-encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        read_bufsize=2**18,
    ) as session:
        yield session


async def ask(
    lines: ConnectionPool, url: str, body: bytes, *, key: str | None, stream: bool, remote: bool = False
) -> Reply:
    """POST `body` to an engine. A status below 300 of a stream comes back open, all else read whole.

    Raises Unavailable when it can not be reached and UpstreamFailed when it breaks off. A `remote` engine may
    close kept connections sooner than ours do: what meets the close is sent once more over a new one.
    """
    place, head = address(url, key)
    request = b"%b%d\r\n\r\n%b" % (head, len(body), body)
    line = await lines.open(place)
    try:
        try:
            await line.ask(request)
        except UpstreamFailed:
            if not (remote and line.met_a_close):
                raise
            line.release(line.turn)
            line = await lines.open(place, new=True)
            await line.ask(request)
        if line.headers.get(b"content-encoding", b"identity") != b"identity":
            raise UpstreamFailed("the engine sent an encoding that was not asked for", source="engine")
        if stream and line.status < 300:
            return Reply(status=line.status, events=line, close=partial(line.release, line.turn))
        whole = await _read(line)
    except BaseException:
        line.release(line.turn)
        raise
    line.release(line.turn)
    wait = line.headers.get(b"retry-after", b"")
    return Reply(status=line.status, body=whole, retry_after=int(wait) if wait.isdigit() else None)


def translated(exc: BaseException) -> Capibara6Error:
    """An aiohttp failure in this platform's words."""
    if isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError | asyncio.TimeoutError):
        return Unavailable("the engine is not reachable", source="engine", retry_after=1)
    return UpstreamFailed("the engine broke the connection", source="engine", code=BROKE)


async def _read(line: Connection) -> bytes:
    """The whole body. No reply may grow without bound."""
    whole = await line.read()
    if not (more := await line.read()):
        return whole
    grown = bytearray(whole)
    while more:
        grown += more
        if len(grown) > WHOLE_BYTES:
            raise UpstreamFailed(f"the engine's answer exceeds {WHOLE_BYTES} bytes", source="engine")
        more = await line.read()
    return bytes(grown)
