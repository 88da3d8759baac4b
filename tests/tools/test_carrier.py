"""What is carried to a service and back: bytes as they are, errors by its name, no wait without end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.ports import free_ports
from tools.clients.raw.carrier import Carrier, open_carrier
from tools.errors import ModelNotFound, Unavailable, UpstreamFailed, UpstreamSilent

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
MISSING = b'{"error": {"message": "no x", "code": "model_not_found"}}'


class Shown:
    """Headers as a client of ours shows them."""

    def headers(self) -> dict[str, str]:
        return {"authorization": "Bearer k", "x-request-id": "r1"}


@asynccontextmanager
async def carrying(*answers: bytes, timeout: float = 5.0) -> AsyncIterator[tuple[Carrier, list[bytes]]]:
    """A carrier, and the requests that its peer heard; each connection gets the next answer and is
    closed; after an empty one nothing is said."""
    heard: list[bytes] = []
    left, ended = list(answers), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        if answer := left.pop(0):
            writer.write(answer)
        else:
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    (port,) = free_ports(1)
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    url = f"http://127.0.0.1:{port}"
    async with server, open_carrier(url, "pool", auth=Shown(), timeout=timeout) as carrier:
        yield carrier, heard
        await ended.wait()


async def test_body_goes_there_and_back_as_it_is_with_what_is_shown() -> None:
    async with (
        carrying(HEAD + b"3\r\none\r\n0\r\n\r\n") as (carrier, heard),
        carrier.post("/v1/x", b"{}") as answer,
    ):
        assert answer.headers[b"content-type"] == b"text/event-stream"
        assert await answer.rest() == b"one"
    assert heard[0].startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert b"authorization: Bearer k\r\n" in heard[0] and b"x-request-id: r1\r\n" in heard[0]
    assert heard[0].endswith(b"\r\n\r\n{}")


async def test_error_of_the_service_is_raised_as_its_own() -> None:
    answer = b"HTTP/1.1 404 No\r\ncontent-length: %d\r\n\r\n%b" % (len(MISSING), MISSING)
    async with carrying(answer) as (carrier, _):
        with pytest.raises(ModelNotFound, match="no x"):
            async with carrier.post("/v1/x", b"{}"):
                pass


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", UpstreamSilent),
        (HEAD, UpstreamFailed),
        (HEAD + b"3\r\non", UpstreamFailed),
        (b"hm", UpstreamFailed),
    ],
)
async def test_silence_and_broken_answers_name_the_service(answer: bytes, error: type[Exception]) -> None:
    async with carrying(answer, timeout=0.3) as (carrier, _):
        with pytest.raises(error, match="pool"):
            async with carrier.post("/v1/x", b"{}") as carried:
                while await carried.read():
                    pass


async def test_nobody_there_is_unavailable() -> None:
    (port,) = free_ports(1)
    async with open_carrier(f"http://127.0.0.1:{port}", "pool", auth=Shown(), timeout=1) as carrier:
        with pytest.raises(Unavailable, match="pool is not reachable"):
            async with carrier.post("/v1/x", b"{}"):
                pass
