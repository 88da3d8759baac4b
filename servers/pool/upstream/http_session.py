"""The aiohttp session for what is asked now and then (Ollama, health of engines), its errors translated.

Completions to engines on OpenAI's wire go through `tools/clients/raw/connection.py`, which costs less CPU.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tools.clients.raw.connection import BROKE, CONNECT_S, KEEP_S
from tools.errors import Capibara6Error, Unavailable, UpstreamFailed


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session without cookies, decompression or an overall timeout."""
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


def translated(exc: BaseException) -> Capibara6Error:
    """An aiohttp failure in this platform's words."""
    if isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError | asyncio.TimeoutError):
        return Unavailable("the engine is not reachable", source="engine", retry_after=1)
    return UpstreamFailed("the engine broke the connection", source="engine", code=BROKE)
