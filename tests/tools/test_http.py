"""The HTTP client under every other: a stream ends with its `[DONE]`, and its connection is used again."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from tests.ports import free_ports
from tests.serving import serving
from tools.clients import http
from tools.clients.http import open_http
from tools.errors import QueueFull, Unavailable, UpstreamFailed, UpstreamSilent


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


@pytest.fixture
def mirror() -> Iterator[str]:
    """A server that tells what it was asked, byte for byte; `/slow` answers too late, `/cut` not to the end,
    `/moved` elsewhere, `/refused` with an envelope."""
    [port] = free_ports(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive()).get("body", b"")
        path, status, headers = scope["path"], 200, [(b"content-type", b"application/json")]
        told = {
            "method": scope["method"],
            "target": (
                scope["raw_path"] + b"?" * bool(scope["query_string"]) + scope["query_string"]
            ).decode(),
            "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
            "body": body.decode(),
        }
        if path == "/slow":
            await asyncio.sleep(1)
        if path == "/moved":
            status, headers = 307, [*headers, (b"location", b"/elsewhere")]
        if path == "/refused":
            status, headers = 429, [*headers, (b"retry-after", b"7")]
            told = QueueFull("full", source="there").envelope()
        if path == "/text":
            headers = [(b"content-type", b"text/plain")]
        answer = json.dumps(told).encode()
        length = len(answer) + (path == "/cut")
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"content-length", str(length).encode())],
            }
        )
        await send({"type": "http.response.body", "body": answer})

    with serving(app, port):
        yield f"http://127.0.0.1:{port}"


async def test_an_address_arrives_as_it_was_written(mirror: str) -> None:
    async with open_http(f"{mirror}/base/", "here") as client:
        for written, arrives in (
            ("/a/../b%2Fc", "/base/a/../b%2Fc"),
            ("/un nombre/ñ\r\nx: y#z", "/base/un%20nombre/%C3%B1%0D%0Ax:%20y%23z"),
            ("", "/base"),
            (f"{mirror}/elsewhere?a=1", "/elsewhere?a=1"),
        ):
            assert (await client.json("GET", written))["target"] == arrives
        told = await client.json("GET", "/list", params={"id": ["a&b", "ñ"], "limit": 3})
        assert told["target"] == "/base/list?id=a%26b&id=%C3%B1&limit=3"


async def test_a_body_is_json_as_it_stands_and_never_what_json_has_not(mirror: str) -> None:
    async with open_http(mirror, "here") as client:
        told = await client.json("POST", "/", json={"ñ": [10**30, None]})
        assert told["body"] == '{"ñ":[1000000000000000000000000000000,null]}'
        assert told["headers"]["content-type"] == "application/json"
        raw = await client.json("POST", "/", content=b"[1]", headers={"Content-Type": "text/x"})
        assert (raw["body"], raw["headers"]["content-type"]) == ("[1]", "text/x")
        with pytest.raises(ValueError, match="JSON"):
            await client.json("POST", "/", json={"n": float("nan")})


async def test_a_request_shows_whom_it_is_for_and_which_request_it_serves(mirror: str) -> None:
    class Shown:
        def headers(self) -> dict[str, str]:
            return {"authorization": "Bearer signed", "x-request-id": "of-the-task"}

    async with open_http(mirror, "here", auth=Shown()) as client:
        told = (await client.json("GET", "/"))["headers"]
        assert (told["authorization"], told["x-request-id"]) == ("Bearer signed", "of-the-task")
        given = {"Authorization": "Bearer other", "X-Request-Id": "named"}
        told = (await client.json("GET", "/", headers=given))["headers"]
        assert (told["authorization"], told["x-request-id"]) == ("Bearer signed", "named")
    async with open_http(mirror, "here", api_key="key", headers={"x-own": "1"}) as client:
        told = (await client.json("GET", "/"))["headers"]
        assert (told["authorization"], told["x-own"]) == ("Bearer key", "1")


async def test_what_fails_is_told_in_our_words(mirror: str) -> None:
    async with open_http(mirror, "there") as client:
        with pytest.raises(UpstreamSilent, match="there did not answer in time"):
            await client.json("GET", "/slow", timeout=0.1)
        with pytest.raises(UpstreamFailed, match="there broke the connection"):
            await client.json("GET", "/cut")
        with pytest.raises(QueueFull) as full:
            await client.json("GET", "/refused")
        assert (full.value.retry_after, full.value.source) == (7, "there")
        with pytest.raises(QueueFull):
            _ = [event async for event in client.events("GET", "/refused")]
        with pytest.raises(UpstreamFailed, match="no stream of events"):
            _ = [event async for event in client.events("GET", "/text")]
        moved = await client.send("GET", "/moved")
        assert (moved.status_code, moved.is_success) == (307, False)
    [port] = free_ports(1)
    async with open_http(f"http://127.0.0.1:{port}", "nowhere") as client:
        with pytest.raises(Unavailable, match="nowhere is not reachable"):
            await client.json("GET", "/")


async def test_a_stream_that_is_left_is_closed_at_once() -> None:
    closed, [port] = asyncio.Event(), free_ports(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await receive()
        kind = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        loop.call_soon_threadsafe(closed.set)

    loop = asyncio.get_running_loop()
    with serving(app, port):
        async with open_http(f"http://127.0.0.1:{port}", "here") as client:
            async with aclosing(client.events("GET", "/")) as events:
                assert await anext(events) == (None, 1)
            async with asyncio.timeout(5):
                await closed.wait()
