"""Server-sent events: written here, read by our own client and by the standard's rules."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI

from servers.web.sse import DONE, error_event, format_event, respond
from tests.ports import free_port
from tests.serving import serving
from tools.clients.http import open_http
from tools.errors import QueueFull

TEXTS = ["hola", "a\nb\r\nc", "line\u2028separator\u2029and\x85next\x0bline\x0c", "", "data: x\n\n", "🦫"]


def test_an_event_is_its_id_its_name_and_one_line_of_json() -> None:
    assert format_event({"a": "ñ"}) == 'data: {"a":"ñ"}\n\n'.encode()
    assert format_event(None, event="end") == b"event: end\ndata: null\n\n"
    assert format_event([1], event="token", id="1-2") == b"id: 1-2\nevent: token\ndata: [1]\n\n"


def test_a_number_of_any_size_is_written() -> None:
    assert format_event({"n": 10**30}) == b'data: {"n":1000000000000000000000000000000}\n\n'


def test_an_error_event_holds_the_envelope() -> None:
    exc = QueueFull("full", source="pool")
    assert json.loads(error_event(exc).removeprefix(b"data: ")) == exc.envelope()


async def test_our_client_reads_what_was_written_whatever_the_text() -> None:
    app, port = FastAPI(), free_port()

    @app.get("/texts")
    async def texts() -> Any:
        async def events() -> AsyncGenerator[dict[str, Any], None]:
            for text in TEXTS:
                yield {"text": text}

        return await respond(events())

    with serving(app, port):
        async with open_http(f"http://127.0.0.1:{port}", "test") as http:
            read = [data["text"] async for _, data in http.events("GET", "/texts")]
    assert read == TEXTS


@pytest.mark.parametrize("events", [0, 2])
async def test_a_stream_ends_with_done(events: int) -> None:
    async def some() -> AsyncGenerator[dict[str, Any], None]:
        for n in range(events):
            yield {"n": n}

    response = await respond(some())
    chunks = [chunk async for chunk in response.body_iterator]
    assert chunks == [*(format_event({"n": n}) for n in range(events)), DONE]
