"""What uvicorn and Gradio still do, or do not do, so that our doors stand on their insides."""

import asyncio
import re
import signal
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tests.workarounds.rows import REPO, Row, installed
from tests.workarounds.wire import Wire, answer

HEAD = b"POST / HTTP/1.1\r\nhost: here\r\n"


def connected(app: Any = answer, **options: Any) -> tuple[HttpToolsProtocol, Wire]:
    """uvicorn's own protocol at the server's end of a connection."""
    config = uvicorn.Config(app, http="httptools", ws="none", log_config=None, lifespan="off", **options)
    config.load()
    protocol, wire = HttpToolsProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    return protocol, wire


async def heard(protocol: HttpToolsProtocol, data: bytes) -> None:
    """The protocol has received `data`, and the app has done what it does at once."""
    protocol.data_received(data)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_uvicorn_waits_for_ever_for_the_rest_of_a_request(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    timers: list[Any] = []
    monkeypatch.setattr(loop, "call_at", lambda *given, **options: timers.append(given))
    asked = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            asked.set()

    protocol, _ = connected(app)
    await heard(protocol, HEAD)
    await heard(protocol, b"content-length: 9\r\n\r\nhalf")
    assert asked.is_set() and timers == [], row.gone
    for task in protocol.tasks:
        task.cancel()


async def test_uvicorn_takes_headers_of_any_size(row: Row) -> None:
    protocol, wire = connected()
    await heard(protocol, HEAD + b"x: %s\r\ny: z" % (b"x" * 2**20))
    assert not wire.closed and wire.pieces == [], row.gone


async def test_uvicorn_says_what_was_malformed_in_plain_text(row: Row) -> None:
    protocol, wire = connected()
    await heard(protocol, b"nonsense\r\n\r\n")
    assert b"content-type: text/plain" in b"".join(wire.pieces), row.gone


async def test_an_app_on_uvicorn_cannot_break_its_connection(row: Row) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await answer(scope, receive, send)

    protocol, _ = connected(app)
    await heard(protocol, HEAD + b"content-length: 0\r\n\r\n")
    assert "extensions" not in scopes[0], row.gone


async def test_uvicorn_sends_the_head_and_the_body_apart(row: Row) -> None:
    protocol, wire = connected()
    await heard(protocol, HEAD + b"content-length: 0\r\n\r\n")
    assert len(wire.pieces) == 2, row.gone


async def test_uvicorn_closes_its_door_while_requests_are_in_flight(row: Row) -> None:
    server = uvicorn.Server(uvicorn.Config(answer, log_config=None))
    server.server_state.tasks.add(asyncio.ensure_future(asyncio.sleep(0)))
    server.handle_exit(signal.SIGTERM, None)
    assert await server.on_tick(1), row.gone


def test_uvicorn_dies_of_the_signal_that_it_has_obeyed(row: Row) -> None:
    again: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: again.append(number))
    try:
        with uvicorn.Server(uvicorn.Config(answer, log_config=None)).capture_signals():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert again == [signal.SIGTERM], row.gone


async def test_an_open_page_outlives_the_server_of_gradio(row: Row) -> None:
    import gradio as gr
    from fastapi import FastAPI

    with gr.Blocks(analytics_enabled=False) as page:
        gr.State([])
    app = gr.mount_gradio_app(FastAPI(), page, path="/", ssr_mode=False)
    beat, left = asyncio.Event(), asyncio.Event()

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            beat.set()

    path = "/gradio_api/heartbeat/one"
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("here", 80)}
    async with app.router.lifespan_context(app):
        open_page = asyncio.ensure_future(app(scope, receive, send))
        async with asyncio.timeout(30):
            await beat.wait()
    done, _ = await asyncio.wait({open_page}, timeout=0.3)
    left.set()
    open_page.cancel()
    await asyncio.gather(open_page, return_exceptions=True)
    assert not done, row.gone


async def test_gradios_queue_polls_every_millisecond(row: Row) -> None:
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as page:
        gr.State([])
    page.queue()
    assert page._queue.sleep_when_free <= 0.001, row.gone


def test_gradio_still_uses_the_class_names_that_we_dress(row: Row) -> None:
    css, code = (
        "".join(file.read_text("utf-8") for file in (REPO / "ui").rglob(kind)) for kind in ("*.css", "*.py")
    )
    named = set(re.findall(r"\.([a-zA-Z][\w-]+)", re.sub(r"\{[^}]*\}", " ", css)))
    foreign = {name for name in named if not re.search(rf"\b{name}\b", code)}
    folder = installed("gradio") / "templates" / "frontend" / "assets"
    drawn = "".join(file.read_text("utf-8", "replace") for file in folder.glob("*.[cj]s*"))
    assert foreign
    assert {name for name in foreign if name not in drawn} == set(), row.gone
