"""The door in front of an app that is not ours, and the end of what would never end."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from servers.web.door import Door
from servers.web.gateway import Gateway
from tests.conftest import settings_in
from tools.settings import Settings

GUEST = "https://chat.example.org"


class App:
    """Reads all of a body, then answers what Gradio and Prefect say of themselves: that anybody may read."""

    def __init__(self) -> None:
        self.called = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.called += 1
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            headers = [(b"access-control-allow-origin", b"*"), (b"x-own", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"ok"})


async def ask(
    app: App, home: Path, *pieces: bytes, kind: str = "http", method: str = "GET", **named: str
) -> list[dict[str, Any]]:
    """What leaves the gateway in front of `app`."""
    settings = Settings.model_validate({"home": home, "origins": (GUEST,)})
    gateway = Gateway(app, door=Door(settings, "test"), body_bytes=2_000)
    named = {"host": "localhost", **named}
    scope = {"type": kind, "method": method, "path": "/", "extensions": {"websocket.http.response": {}}}
    scope["headers"] = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    if kind == "websocket":
        del scope["method"]
    coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await gateway(scope, receive, send)
    return sent


def headers_of(sent: list[dict[str, Any]]) -> dict[bytes, bytes]:
    return dict(sent[0]["headers"])


@pytest.mark.pure
async def test_the_door_alone_says_which_origins_may_read(tmp_path: Path) -> None:
    own = headers_of(await ask(App(), tmp_path))
    assert own == {b"x-own": b"1", b"vary": b"origin"}
    invited = headers_of(await ask(App(), tmp_path, origin=GUEST))
    assert (invited[b"access-control-allow-origin"], invited[b"x-own"]) == (GUEST.encode(), b"1")


@pytest.mark.pure
async def test_who_is_refused_does_not_reach_the_app(tmp_path: Path) -> None:
    app = App()
    assert (await ask(app, tmp_path, host="evil.example"))[0]["status"] == 421
    assert (await ask(app, tmp_path, origin="http://evil.example"))[0]["status"] == 403
    asks = {"origin": GUEST, "access_control_request_method": "POST"}
    assert (await ask(app, tmp_path, method="OPTIONS", **asks))[0]["status"] == 204
    assert app.called == 0


@pytest.mark.pure
async def test_a_socket_is_refused_with_a_status_and_the_envelope(tmp_path: Path) -> None:
    app = App()
    start, *rest = await ask(app, tmp_path, kind="websocket", origin="http://evil.example")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert json.loads(b"".join(piece["body"] for piece in rest))["error"]["code"] == "foreign_origin"
    await ask(app, tmp_path, kind="websocket", origin=GUEST)
    assert app.called == 1


@pytest.mark.pure
async def test_a_body_that_grows_too_large_is_answered_once_and_not_by_the_app(tmp_path: Path) -> None:
    chunked = {"transfer_encoding": "chunked", "content_type": "application/json", "method": "POST"}
    assert (await ask(App(), tmp_path, b"x" * 1_000, b"x" * 1_000, **chunked))[0]["status"] == 200
    sent = await ask(App(), tmp_path, b"x" * 1_000, b"x" * 1_000, b"x", **chunked)
    assert [message["status"] for message in sent if "status" in message] == [413]
    declared = {"content_length": "2001", "content_type": "application/json", "method": "POST"}
    app = App()
    assert (await ask(app, tmp_path, **declared))[0]["status"] == 413
    assert app.called == 0


SERVER = """
from tools.settings import load_settings
from servers.web.serve import listen

async def app(scope, receive, send):
    await receive()
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass

settings = load_settings()
listen(app, settings=settings, port=settings.ports.prefect, websockets=True)
"""


async def test_an_open_socket_does_not_keep_a_server_from_stopping(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, limits={"drain_s": 200.0})
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, env=settings.environment())
    try:
        async with asyncio.timeout(100):
            while True:
                try:
                    line = await websockets.connect(f"ws://127.0.0.1:{settings.ports.prefect}/", proxy=None)
                    break
                except OSError:
                    await asyncio.sleep(0.1)
            server.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await line.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
            assert await server.wait() == 0
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
