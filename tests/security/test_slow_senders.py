"""Fault 27: who sends nothing, or a byte now and then, loses the connection at every door; others do not."""

import asyncio
import contextlib
import time

import httpx
import pytest

from tests.security.conftest import Platform
from tests.security.doors import DOORS, EVERY_DOOR

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

DEADLINE_S = 90.0
EACH = 4
HEAD = b"POST {act} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
WHOLE = b"GET {live} HTTP/1.1\r\nhost: localhost\r\n\r\n"
KINDS: dict[str, tuple[bytes, bytes]] = {
    "silent": (b"", b""),
    "a request line that does not end": (b"POST /", b"a"),
    "a header that does not end": (HEAD + b"x-a: b", b"a"),
    "headers that do not end": (HEAD, b"a: b\r\n"),
    "a handshake that does not end": (HEAD + b"connection: upgrade\r\nupgrade: websocket\r\nx-a: b", b"a"),
    "a body that does not end": (HEAD + b"content-length: 1000\r\n\r\n{", b" "),
    "a body that does not begin": (HEAD + b"content-length: 1000\r\n\r\n", b""),
    "chunks that do not end": (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n{", b" "),
    "silent after an answer": (WHOLE, b""),
    "empty lines after an answer": (WHOLE, b"\r\n"),
}
"""What is sent at once, and then again and again."""


async def held(port: int, start: bytes, drip: bytes) -> float:
    """For how many seconds a door puts up with a sender."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    closed = asyncio.ensure_future(until_closed(reader))
    writer.write(start)
    while not (await asyncio.wait({closed}, timeout=0.5))[0] and time.monotonic() - began < DEADLINE_S:
        writer.write(drip)
    closed.cancel()
    writer.close()
    return time.monotonic() - began


async def until_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()


@pytest.mark.parametrize("name", EVERY_DOOR)
async def test_slow_senders_are_closed_and_good_clients_are_served(platform: Platform, name: str) -> None:
    door, port = DOORS[name], platform.port(name)
    senders = {
        (kind, number): asyncio.ensure_future(held(port, written(start, door.act, door.live), drip))
        for kind, (start, drip) in KINDS.items()
        for number in range(EACH)
    }
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        for _ in range(5):
            assert (await http.get(f"http://127.0.0.1:{port}{door.live}")).status_code == 200
    seconds = dict(zip(senders, await asyncio.gather(*senders.values()), strict=True))
    assert [kind for (kind, _), spent in seconds.items() if spent >= DEADLINE_S] == []


def written(start: bytes, act: str, live: str) -> bytes:
    return start.replace(b"{act}", act.encode()).replace(b"{live}", live.encode())
