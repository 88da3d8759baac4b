"""Server-sent events: written here, read by our own client and by the standard's rules."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI

from servers.web.sse import DONE, WAITING, error_event, format_event, respond
from tests.ports import free_port
from tests.serving import serving
from tools.clients.http import open_http
from tools.errors import QueueFull

TEXTS = ["hola", "a\nb\r\nc", "line\u2028separator\u2029and\x85next\x0bline\x0c", "", "data: x\n\n", "🦫"]


async def read_all(pieces: AsyncIterable[Any]) -> bytes:
    return b"".join([piece async for piece in pieces])


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
    body = await read_all(response.body_iterator)
    assert body == b"".join([*(format_event({"n": n}) for n in range(events)), DONE])


async def test_what_comes_at_once_leaves_in_one_piece_and_what_comes_later_later() -> None:
    asked = asyncio.Event()

    async def some() -> AsyncGenerator[dict[str, Any], None]:
        for n in range(4):
            yield {"n": n}
        await asked.wait()
        yield {"n": 4}

    pieces = (await respond(some())).body_iterator
    assert isinstance(pieces, AsyncGenerator)
    assert await anext(pieces) == format_event({"n": 0})
    assert await anext(pieces) == b"".join(format_event({"n": n}) for n in (1, 2, 3))
    asked.set()
    assert await read_all(pieces) == format_event({"n": 4}) + DONE


async def test_who_does_not_read_is_not_written_for() -> None:
    made: list[int] = []

    async def endless() -> AsyncGenerator[dict[str, Any], None]:
        try:
            for n in count():
                made.append(n)
                yield {"n": n}
        finally:
            made.append(-1)

    pieces = (await respond(endless())).body_iterator
    assert isinstance(pieces, AsyncGenerator)
    for _ in range(3):
        await anext(pieces)
        await asyncio.sleep(0.01)
    assert len(made) < 4 * WAITING
    await pieces.aclose()
    assert made[-1] == -1, "the events are closed with their reader"


async def test_an_error_after_the_first_event_is_the_last_one() -> None:
    async def failing() -> AsyncGenerator[dict[str, Any], None]:
        yield {"n": 0}
        raise QueueFull("full", source="pool")

    body = await read_all((await respond(failing())).body_iterator)
    assert body == format_event({"n": 0}) + error_event(QueueFull("full", source="pool"))


async def test_what_nobody_foresaw_breaks_the_stream() -> None:
    async def failing() -> AsyncGenerator[dict[str, Any], None]:
        yield {"n": 0}
        raise ZeroDivisionError

    pieces = (await respond(failing())).body_iterator
    with pytest.raises(ZeroDivisionError):
        _ = [piece async for piece in pieces]


@pytest.mark.parametrize(("events", "fails"), [(0, False), (2, False), (2, True)])
async def test_a_response_ends_once_and_in_the_same_message_as_its_stream(events: int, fails: bool) -> None:
    async def some() -> AsyncGenerator[dict[str, Any], None]:
        for n in range(events):
            yield {"n": n}
        if fails:
            raise QueueFull("full", source="pool")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the middleware listens")

    await (await respond(some()))({"type": "http"}, receive, send)
    assert sent[0]["type"] == "http.response.start"
    assert [message.get("more_body", False) for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    assert sent[-1]["body"].endswith(DONE) is not fails
