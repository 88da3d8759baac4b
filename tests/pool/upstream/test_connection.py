"""Connections to engines, against a server that answers with the bytes it is told to."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest

from servers.pool.upstream import openai
from tools.clients.raw import connection
from tools.clients.raw.connection import ConnectionPool
from tools.errors import Unavailable, UpstreamFailed

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Scripted:
    """Answers every request with the same bytes and counts connections; `sent` is how much it could send."""

    def __init__(self, answer: bytes, *, close: bool) -> None:
        self.answer, self.close = answer, close
        self.connections = self.sent = 0
        self.asked: list[bytes] = []
        self.gone = asyncio.Event()
        self.serving: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.append(asyncio.current_task())
        try:
            while True:
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(2)
                for start in range(0, len(self.answer), 2**16):
                    writer.write(self.answer[start : start + 2**16])
                    await writer.drain()
                    self.sent = start
                if self.close:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def scripted(answer: bytes, *, close: bool = False):
    server = Scripted(answer, close=close)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    lines = ConnectionPool()
    async with listening:
        yield server, lines, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/x"
        lines.close()
        await asyncio.gather(*filter(None, server.serving))


def ask(lines: ConnectionPool, url: str, *, stream: bool = False):
    return openai.ask(lines, url, b"{}", key="k", stream=stream)


@pytest.mark.parametrize("answer", [OK, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + OK])
async def test_a_connection_serves_one_request_after_another(answer):
    async with scripted(answer) as (server, lines, url):
        for _ in range(5):
            assert (await ask(lines, url)).body == b"{}"
        assert server.connections == 1
        assert (
            b"authorization: Bearer k\r\n" in server.asked[0] and b"content-length: 2\r\n" in server.asked[0]
        )


async def test_requests_at_the_same_time_get_connections_of_their_own():
    async with scripted(OK) as (server, lines, url):
        replies = await asyncio.gather(*(ask(lines, url) for _ in range(20)))
        assert {reply.body for reply in replies} == {b"{}"}
        assert 1 < server.connections <= 20


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n{}"],
)
async def test_an_answer_may_end_with_its_connection(answer):
    async with scripted(answer, close=True) as (server, lines, url):
        assert [(await ask(lines, url)).body for _ in range(2)] == [b"{}", b"{}"]
        assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 2**17,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}}",
    ],
    ids=["silence", "short", "chunk missing", "not HTTP", "endless headers", "two lengths"],
)
async def test_an_answer_that_breaks_off_is_never_a_whole_one(answer):
    async with scripted(answer, close=True) as (_, lines, url):
        with pytest.raises(UpstreamFailed):
            await ask(lines, url)


async def test_an_idle_connection_that_the_engine_closed_is_not_used_again(monkeypatch):
    async with scripted(OK) as (server, lines, url):
        monkeypatch.setattr(connection, "KEEP_S", 0.2)
        await ask(lines, url)
        await asyncio.wait_for(server.gone.wait(), 30)
        assert (await ask(lines, url)).body == b"{}"
        assert server.connections == 2


async def test_letting_go_of_a_stream_ends_it_at_the_engine():
    async with scripted(LONG + b"2\r\n{}\r\n") as (server, lines, url):
        reply = await ask(lines, url, stream=True)
        assert reply.events is not None and await anext(aiter(reply.events)) == b"{}"
        reply.close()
        reply.close()
        await asyncio.wait_for(server.gone.wait(), 30)
        (await ask(lines, url, stream=True)).close()
        assert server.connections == 2


async def test_who_lets_go_twice_takes_nothing_from_the_next_one():
    async with scripted(OK) as (server, lines, url):
        first = await ask(lines, url, stream=True)
        assert first.events is not None and [piece async for piece in first.events] == [b"{}"]
        first.close()
        second = await ask(lines, url, stream=True)
        first.close()
        assert second.events is not None and [piece async for piece in second.events] == [b"{}"]
        second.close()
        assert server.connections == 1


async def test_an_engine_is_held_back_while_nobody_reads():
    flood = LONG + b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    async with scripted(flood + flood[len(LONG) :] * 1000) as (server, lines, url):
        reply = await ask(lines, url, stream=True)
        still = -1
        while still != server.sent:
            still = server.sent
            await asyncio.sleep(0.3)
        assert still < 2**25, "the rest waits at the engine"
        assert reply.events is not None
        got = 0
        async for piece in reply.events:
            got += len(piece)
            if got == 1001 * 0xFFFF:
                break
        reply.close()


async def test_a_whole_answer_may_not_grow_without_bound(monkeypatch):
    monkeypatch.setattr(openai, "WHOLE_BYTES", 2**17)
    async with scripted(LONG + b"fffff\r\n" + b"x" * 0xFFFFF + b"\r\n") as (_, lines, url):
        with pytest.raises(UpstreamFailed, match="exceeds"):
            await ask(lines, url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://127.0.0.1:99999999/x", "http://127.0.0.1/x\r\n"]
)
async def test_an_address_that_nobody_answers_at_is_unavailable(url):
    with pytest.raises(Unavailable):
        await ask(ConnectionPool(), url)


async def test_a_remote_engine_that_closes_a_kept_connection_is_asked_once_more_over_a_new_one():
    asked = []

    async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (OK, b""):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(2)
            writer.write(answer)
        writer.close()

    lines = ConnectionPool()
    async with await asyncio.start_server(answers_once, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x"
        assert (await ask(lines, url)).body == b"{}"
        again = await openai.ask(lines, url, b"{}", key=None, stream=False, remote=True)
        assert (again.body, len(asked)) == (b"{}", 3)
        with pytest.raises(UpstreamFailed):
            await ask(lines, url)
        lines.close()
