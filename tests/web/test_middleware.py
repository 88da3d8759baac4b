"""What every service shares: envelope, key, bounds, request ids, and work that ends with its client."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from servers.web.app import create_app
from servers.web.serve import bounded_protocol
from servers.web.sse import respond
from tests.conftest import settings_in
from tools.clients.http import open_http
from tools.errors import ModelNotFound, QueueFull, Unavailable, UpstreamFailed
from tools.settings import Limits, Settings

LIMITS = Limits(body_bytes=64_000, header_bytes=4_096, header_s=2.0, body_s=2.0)


class Sum(BaseModel):
    numbers: list[float] = Field(max_length=10)


class Seen:
    """What the app under test noticed."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.cancelled = threading.Event()


def build(settings: Settings, seen: Seen) -> FastAPI:  # noqa: C901  (many small routes)
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    async def checks() -> dict[str, Any]:
        return {"status": "ok"}

    app = create_app("test", settings, lifespan=lifespan, checks=checks)

    @app.post("/sum")
    async def total(body: Sum) -> float:
        return sum(body.numbers)

    @app.get("/missing")
    async def missing() -> None:
        raise ModelNotFound("no such model", param="model", source="pool")

    @app.get("/full")
    async def full() -> None:
        raise QueueFull("come back later", source="pool", retry_after=7)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret internals")

    @app.get("/slow")
    async def slow() -> None:
        seen.begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.cancelled.set()
            raise

    @app.get("/stream")
    async def stream() -> Any:
        async def events() -> AsyncGenerator[dict[str, Any], None]:
            yield {"n": 1}
            raise UpstreamFailed("the model died", source="pool")

        return await respond(events())

    return app


@contextmanager
def serving(app: Any, limits: Limits = LIMITS) -> Iterator[int]:
    config = uvicorn.Config(
        app, port=0, http=bounded_protocol(limits), log_config=None, lifespan="on", ws="none"
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, seen: Seen) -> Iterator[int]:
    settings = settings_in(tmp_path_factory.mktemp("web"), limits=LIMITS)
    with serving(build(settings, seen)) as port:
        yield port


@pytest.fixture
def http(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client


def error(response: httpx.Response) -> dict[str, Any]:
    body = response.json()["error"]
    assert set(body) == {"message", "type", "code", "param", "source"}
    return body


def raw(port: int, sent: bytes) -> bytes:
    """What the server answers to exactly these bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        answer = b""
        while piece := _received(connection):
            answer += piece
        return answer


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionResetError:
        return b""


def test_an_error_of_ours_keeps_its_status_code_and_place(http: httpx.Client) -> None:
    response = http.get("/missing")
    assert response.status_code == 404
    assert error(response) == {
        "message": "no such model",
        "type": "not_found_error",
        "code": "model_not_found",
        "param": "model",
        "source": "pool",
    }


def test_a_busy_service_says_when_to_come_back(http: httpx.Client) -> None:
    response = http.get("/full")
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


def test_an_unexpected_failure_shows_no_internals(http: httpx.Client) -> None:
    response = http.get("/broken")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert error(response)["code"] == "internal_error"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"numbers": "no"}',
        b'{"numbers": [NaN]}' + b"x",
        b"\xff\xfe",
        b"[" * 5_000,
        b'{"numbers": [1' + b",1" * 99,
    ],
    ids=["cut", "type", "nan", "utf8", "deep", "cut list"],
)
def test_a_malformed_body_is_a_400_in_the_envelope(http: httpx.Client, body: bytes) -> None:
    response = http.post("/sum", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    error(response)


def test_a_wrong_field_is_named(http: httpx.Client) -> None:
    assert error(http.post("/sum", json={"numbers": ["x"]}))["param"] == "numbers.0"


def test_unknown_paths_and_methods_get_the_envelope(http: httpx.Client) -> None:
    assert (http.get("/nowhere").status_code, http.delete("/sum").status_code) == (404, 405)
    error(http.get("/nowhere"))
    error(http.delete("/sum"))


def test_a_request_id_is_kept_when_it_is_sound_and_made_when_not(http: httpx.Client) -> None:
    assert http.get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert http.get("/health", headers={"x-request-id": "a b\tc"}).headers["x-request-id"] != "a b\tc"
    assert http.get("/nowhere").headers["x-request-id"]


def test_metrics_count_requests_by_route(http: httpx.Client) -> None:
    http.post("/sum", json={"numbers": [1, 2]})
    assert 'http_requests_total{method="POST",route="/sum",status="200"}' in http.get("/metrics").text


def test_metrics_tell_of_minutes_of_the_process_and_of_the_version(http: httpx.Client) -> None:
    http.post("/sum", json={"numbers": [1, 2]})
    told = http.get("/metrics").text
    assert 'http_request_duration_seconds_bucket{le="300.0",route="/sum"}' in told
    assert f'capibara6_build_info{{service="test",version="{version("capibara6")}"}} 1.0' in told
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"):
        assert f"\n{name} " in told


def test_a_body_over_the_limit_is_refused_declared_or_chunked(http: httpx.Client) -> None:
    json_headers = {"content-type": "application/json"}
    declared = http.post("/sum", content=b"x" * 70_000, headers=json_headers)
    chunked = http.post("/sum", content=iter([b"x" * 10_000] * 7), headers=json_headers)
    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert error(declared)["code"] == "too_large"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HT",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
        b"POST /sum HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
    ],
    ids=["silent", "request line", "header", "body"],
)
def test_a_sender_that_stalls_is_cut_off(port: int, sent: bytes) -> None:
    assert b"200" not in raw(port, sent)


def test_headers_over_the_limit_are_refused(port: int) -> None:
    assert raw(
        port, b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-big: " + b"a" * 9_000 + b"\r\n\r\n"
    ).startswith(b"HTTP/1.1 400")


def test_bytes_that_are_no_http_get_the_envelope(port: int) -> None:
    head, _, body = raw(port, b"\x16\x03\x01 hello\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["code"] == "malformed_request"


def test_work_ends_when_its_client_leaves_without_a_stream(port: int, seen: Seen) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert seen.begun.wait(60)
    assert seen.cancelled.wait(60)


async def test_an_error_inside_a_stream_is_an_event_and_then_the_end(port: int) -> None:
    received: list[Any] = []
    with pytest.raises(UpstreamFailed, match="the model died"):
        async with open_http(f"http://127.0.0.1:{port}", "test") as http:
            async for _, data in http.events("GET", "/stream"):
                received.append(data)
    assert received == [{"n": 1}]


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="pool is not reachable"):
        async with open_http("http://127.0.0.1:9", "pool") as http:
            await http.json("GET", "/health")


PATHS = (
    "/sum /sum/ //sum /%73um /health/../sum /health/%2e%2e/sum /sum;/health /sum?x=/health /Health/live "
    "/health/ /health//live /health/live/ /metrics /HEALTH /health%2f /health/live%00"
).split()


@pytest.mark.parametrize("path", PATHS)
def test_no_spelling_of_a_path_opens_the_door_without_the_key(tmp_path: Path, path: str) -> None:
    settings = settings_in(tmp_path, api_key="the-key", limits=LIMITS)
    with serving(build(settings, Seen())) as port:
        poisoned = f"GET {path} HTTP/1.1\r\nhost: x/health?a=\r\nx-api-key: the-key\r\n\r\n"
        assert raw(port, poisoned.encode()).startswith(b"HTTP/1.1 421")
        head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        assert raw(port, f"{head}\r\n".encode()).startswith(b"HTTP/1.1 401")
        for given in ("x-api-key: the-key", "authorization: Bearer the-key", "authorization: bearer the-key"):
            assert not raw(port, f"{head}{given}\r\n\r\n".encode()).startswith(b"HTTP/1.1 401")
        for wrong in (
            "x-api-key: the-keys",
            "authorization: Bearer ",
            "authorization: Basic the-key",
            "x-api-key:",
        ):
            assert raw(port, f"{head}{wrong}\r\n\r\n".encode()).startswith(b"HTTP/1.1 401")
