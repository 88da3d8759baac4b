"""How an answer leaves: its head with the first bytes of its body, or alone when those are not there yet.

And what of a request is not taken in.
"""

import asyncio
import socket

import pytest
import uvicorn
from uvicorn.server import ServerState

from servers.web.serve import CorkedTransport, bounded_protocol
from tests.workarounds.wire import Wire, answer
from tools.settings import Limits

pytestmark = pytest.mark.pure


async def sent(*, apart: bool = False, close: bool = False) -> list[bytes]:
    """What the other end of a connection receives, packet by packet."""
    here, there = socket.socketpair(type=socket.SOCK_SEQPACKET)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=stream_like(here))
    answer = CorkedTransport(transport, loop)
    answer.write(b"head ")
    if apart:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    if not close:
        answer.write(b"body ")
        answer.write(b"more")
    answer.close()
    await asyncio.sleep(0)
    packets: list[bytes] = []
    there.settimeout(30)
    with there:
        while piece := await asyncio.to_thread(there.recv, 1024):
            packets.append(piece)
    return packets


def stream_like(packets: socket.socket) -> socket.socket:
    """asyncio takes streams only; this one keeps the borders between writes."""
    return socket.socket(packets.family, socket.SOCK_STREAM, fileno=packets.detach())


async def test_a_head_leaves_with_the_first_bytes_of_its_body():
    assert await sent() == [b"head body ", b"more"]


async def test_a_head_whose_body_is_late_leaves_alone():
    assert await sent(apart=True) == [b"head ", b"body ", b"more"]


async def test_a_head_without_a_body_is_not_lost_when_the_connection_ends():
    assert await sent(close=True) == [b"head "]


async def test_a_header_without_an_end_is_not_taken_in():
    limits = Limits(header_bytes=4_096)
    protocol, wire = connected(limits)
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: here\r\nx-big: ")
    protocol.data_received(b"a" * limits.header_bytes)
    assert not wire.closed
    protocol.data_received(b"a")
    protocol.connection_lost(None)
    assert wire.closed and wire.pieces[0].startswith(b"HTTP/1.1 400")


def connected(limits: Limits) -> tuple[asyncio.Protocol, Wire]:
    config = uvicorn.Config(answer, ws="none", log_config=None, lifespan="off")
    config.load()
    protocol, wire = bounded_protocol(limits)(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    return protocol, wire


@pytest.mark.parametrize("target", ["http://here/", "HTTP://here", "here:80", "*", "here/x", "?x"])
async def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    protocol, wire = connected(Limits())
    protocol.data_received(f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
    assert wire.closed and wire.pieces[0].startswith(b"HTTP/1.1 400")
    protocol.connection_lost(None)


async def test_empty_lines_do_not_hold_a_connection() -> None:
    protocol, wire = connected(Limits(header_s=0.05))
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
    answered = False
    for _ in range(6_000):
        await asyncio.sleep(0.01)
        if not answered:
            answered = b"".join(wire.pieces).endswith(b"ok")
            assert not wire.closed
            continue
        protocol.data_received(b"\r\n")
        if wire.closed:
            break
    assert wire.closed
    protocol.connection_lost(None)
