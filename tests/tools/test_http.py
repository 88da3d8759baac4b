"""The HTTP client under every other: a stream ends with its `[DONE]`, and its connection is used again."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from tests.ports import free_ports
from tests.serving import serving
from tools.clients import http
from tools.clients.http import open_http


@pytest.fixture
def address() -> Iterator[tuple[str, list[int]]]:
    """A server of two streams, one of which stays open after its end; its URL and its callers' ports."""
    app, callers, [port] = FastAPI(), list[int](), free_ports(1)

    @app.get("/{kind}")
    async def stream(kind: str, request: Request) -> StreamingResponse:
        assert request.client is not None
        callers.append(request.client.port)

        async def lines() -> AsyncIterator[str]:
            yield 'data: {"n": 1}\n\ndata: [DONE]\n\n'
            if kind == "open":
                await asyncio.Event().wait()

        return StreamingResponse(lines(), media_type="text/event-stream")

    with serving(app, port):
        yield f"http://127.0.0.1:{port}", callers


async def test_streams_that_end_share_a_connection(address: tuple[str, list[int]]) -> None:
    url, callers = address
    async with open_http(url, "here") as client:
        for _ in range(4):
            assert [data async for _, data in client.events("GET", "/ended")] == [{"n": 1}]
    assert len(callers) == 4
    assert len(set(callers)) < 4, "a connection may lie idle too long once, not each time"


async def test_a_stream_that_stays_open_after_its_end_is_left(
    address: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, callers = address
    monkeypatch.setattr(http, "REST_S", 0.05)
    async with open_http(url, "here") as client:
        for _ in range(2):
            assert [data async for _, data in client.events("GET", "/open")] == [{"n": 1}]
    assert len(set(callers)) == 2
