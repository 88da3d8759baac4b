"""The engine behind OpenAI's wire over HTTP: our own vLLM children and any compatible URL.

Bytes go through as they are. One session serves all engines; connections are kept, never limited here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache

import aiohttp
from yarl import URL

from servers.pool.reply import Reply
from tools.errors import Capibara6Error, Unavailable, UpstreamFailed

CONNECT_S = 0.8
"""An engine that does not accept a connection within this time is taken for dead."""
KEEP_S = 4.0
"""Engines on uvicorn close an idle connection after 5 s: ours go first, or a request could meet the close."""
BROKE = "engine_broke"
WHOLE_BYTES = 64 * 2**20


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """The pool's one HTTP session. Answers are never decompressed: engines are asked for plain bytes."""
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
    session: aiohttp.ClientSession, url: str, body: bytes, *, key: str | None, stream: bool
) -> Reply:
    """POST `body` to an engine. A status below 300 of a stream comes back open, all else read whole.

    Raises Unavailable when it can not be reached and UpstreamFailed when it breaks off.
    """
    headers = None if key is None else {"authorization": f"Bearer {key}"}
    try:
        response = await session.post(_parsed(url), data=body, headers=headers, allow_redirects=False)
    except (aiohttp.ClientError, OSError) as exc:
        raise translated(exc) from exc
    try:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise UpstreamFailed("the engine sent an encoding that was not asked for", source="engine")
        if stream and response.status < 300:
            return Reply(status=response.status, events=_events(response), close=response.close)
        whole = await _read(response)
    except BaseException:
        response.close()
        raise
    wait = response.headers.get("retry-after", "")
    return Reply(status=response.status, body=whole, retry_after=int(wait) if wait.isdecimal() else None)


def translated(exc: BaseException) -> Capibara6Error:
    """An aiohttp failure in this platform's words."""
    if isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError | asyncio.TimeoutError):
        return Unavailable("the engine is not reachable", source="engine", retry_after=1)
    return UpstreamFailed("the engine broke the connection", source="engine", code=BROKE)


@lru_cache(maxsize=256)
def _parsed(url: str) -> URL:
    return URL(url, encoded=True)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body. A reply without a length may not grow without bound."""
    length = response.content_length
    try:
        if length is not None and length <= WHOLE_BYTES:
            return await response.read()
        if length is None:
            whole = bytearray()
            async for part in response.content.iter_any():
                whole += part
                if len(whole) > WHOLE_BYTES:
                    break
            else:
                return bytes(whole)
    except (aiohttp.ClientError, OSError) as exc:
        raise translated(exc) from exc
    raise UpstreamFailed(f"the engine's answer exceeds {WHOLE_BYTES} bytes", source="engine")


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    content = response.content
    try:
        while True:
            part = await content.readany()
            if not part:
                return
            yield part
    except (aiohttp.ClientError, OSError) as exc:
        raise translated(exc) from exc
    finally:
        response.close()
