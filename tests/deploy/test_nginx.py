"""A real nginx with the rendered file in front of real servers: streams, names, sizes, WebSockets."""

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from websockets.sync.client import connect

from servers.deploy.plan import plan
from servers.deploy.render import render
from servers.deploy.target import Target
from servers.local.supervisor import port_owner
from servers.mcp.main import build_app as build_mcp
from tests.conftest import settings_in
from tests.ports import free_ports
from tests.serving import serving
from tools.settings import Settings
from ui.main import build_app as build_ui

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
NAME = "chat.example.org"
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@dataclass(frozen=True)
class Front:
    settings: Settings
    target: Target
    go_on: threading.Event

    @contextmanager
    def client(self, *, name: str = NAME) -> Iterator[httpx.Client]:
        """It believes the certificate, and calls the front by `name`."""
        base, host = f"https://127.0.0.1:{self.target.https}", f"{name}:{self.target.https}"
        with httpx.Client(
            base_url=base, headers={"host": host}, verify=self.tls(), trust_env=False, timeout=60
        ) as client:
            yield client

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.target.tls / "fullchain.pem"))
        context.check_hostname = False  # asked by address; the name goes in the header
        return context


def small_api(go_on: threading.Event) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def stream() -> StreamingResponse:
        async def words() -> AsyncIterator[bytes]:
            yield b"data: uno\n\n"
            await anyio.to_thread.run_sync(go_on.wait)
            yield b"data: dos\n\n"

        return StreamingResponse(words(), media_type="text/event-stream")

    @app.post("/api/size")
    async def size(request: Request) -> dict[str, object]:
        return {"bytes": len(await request.body()), "proto": request.headers["x-forwarded-proto"]}

    return app


def small_prefect() -> FastAPI:
    app = FastAPI()

    @app.websocket("/api/events")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    return app


async def ui_of(settings: Settings) -> FastAPI:
    """Built outside a running loop, Gradio would make one of its own and never close it."""
    return build_ui(settings)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    settings = settings_in(folder / "home", names=(NAME,), access={"requests_per_minute": 240})
    http, https, flows = free_ports(3)
    target = Target(tls=folder / "tls", http=http, https=https, flows=flows)
    files = render(plan("nginx", settings, target), folder)
    subprocess.run([files[1], str(target.tls)], check=True, capture_output=True)
    go_on = threading.Event()
    ports = settings.ports
    with (
        serving(small_api(go_on), ports.api),
        serving(small_prefect(), ports.prefect, websockets=True),
        serving(build_mcp(settings), ports.mcp),
        serving(asyncio.run(ui_of(settings)), ports.ui),
        running(folder, files[0], https),
    ):
        yield Front(settings, target, go_on)


@contextmanager
def running(folder: Path, site: Path, port: int) -> Iterator[None]:
    """nginx with `site`, which listens on `port`; everything that it writes lies below `folder`."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    # Its workers would be another user, who may not enter the folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{user}daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; {temporary} include {site}; }}\n"
    )
    words = [str(NGINX), "-e", f"{folder}/error.log", "-c", str(config)]
    checked = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
    process = subprocess.Popen(words)
    try:
        end = time.monotonic() + 30
        while port_owner(port) is None:
            assert process.poll() is None and time.monotonic() < end, (folder / "error.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_an_answer_passes_word_by_word(front: Front) -> None:
    """The second word is said only after the first has arrived."""
    with front.client() as client, client.stream("POST", "/v1/chat/completions", json={}) as answer:
        words = answer.iter_raw()
        assert b"uno" in next(words)
        front.go_on.set()
        assert b"dos" in b"".join(words)


def test_two_megabytes_pass_and_what_the_services_refuse_is_refused_in_their_words(front: Front) -> None:
    headers = {"content-type": "application/json"}
    with front.client() as client:
        assert client.post("/api/size", content=b"x" * 2 * 2**20, headers=headers).json() == {
            "bytes": 2 * 2**20,
            "proto": "https",
        }
        large = client.post(
            "/api/size", content=b"x" * (front.settings.limits.body_bytes + 1), headers=headers
        )
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")


def test_the_chat_page_stands_at_the_root_and_knows_its_address(front: Front) -> None:
    with front.client() as client:
        page = client.get("/")
        config = json.loads(client.get("/config").text)
    assert page.status_code == 200 and "gradio" in page.text
    assert config["root"].startswith(f"https://{NAME}")
    assert page.headers.get_list("x-content-type-options") == ["nosniff"]
    assert "max-age" in page.headers["strict-transport-security"]


def test_mcp_answers_by_the_public_name_and_by_no_other(front: Front) -> None:
    headers = {"accept": "application/json, text/event-stream"}
    with front.client() as client:
        answer = client.post("/mcp", json=INITIALIZE, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["serverInfo"]["name"] == "capibara6"
    with front.client(name="evil.example.net") as client:
        assert client.post("/mcp", json=INITIALIZE, headers=headers).status_code == 421


def test_a_websocket_passes(front: Front) -> None:
    address = f"wss://127.0.0.1:{front.target.https}/prefect/api/events"
    with connect(address, ssl=front.tls(), proxy=None) as socket:
        socket.send("hola")
        assert socket.recv(timeout=30) == "hola"


def test_prefects_page_has_a_root_of_its_own(front: Front) -> None:
    with front.client() as client:
        assert client.get("/prefect/").headers["location"] == f"https://{NAME}:{front.target.flows}/"


def test_plain_http_leads_to_tls_and_metrics_stay_inside(front: Front) -> None:
    plain = httpx.get(f"http://127.0.0.1:{front.target.http}/x?y=1", headers={"host": NAME}, trust_env=False)
    assert plain.headers["location"] == f"https://{NAME}:{front.target.https}/x?y=1"
    with front.client() as client:
        assert [client.get(path).status_code for path in ("/metrics", "/bridge/metrics")] == [404, 404]


def test_a_service_that_is_away_is_told_as_such(front: Front) -> None:
    with front.client() as client:
        answer = client.get("/bridge/health")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "unavailable")


def test_who_asks_too_often_hears_so_in_the_services_words(front: Front) -> None:
    """Without a bridge behind it: what nginx lets through is a 502, what it does not a 429."""
    with front.client() as client:
        answers = [client.get("/bridge/health", headers={"x-api-key": "busy"}) for _ in range(100)]
        other = client.get("/bridge/health", headers={"x-api-key": "idle"})
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and refused[0].json()["error"]["code"] == "rate_limited"
    assert other.status_code == 502
