"""The doors of the platform, one row each, and its stores: what the matrix of tricks is made of.

A service without a row fails `test_matrix.py`: whoever adds a door says here how it is tried.
"""

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from servers.local.services import planned_services
from tools.settings import Settings


def shown(settings: Settings, name: str) -> dict[str, str]:
    """What a door asks of everybody: Prefect's has its auth string on every installation."""
    if name != "prefect":
        return {}
    auth = base64.b64encode((settings.prefect_auth or "").encode()).decode()
    return {"authorization": f"Basic {auth}"}


def get(settings: Settings, name: str, path: str) -> httpx.Response:
    port = getattr(settings.ports, name)
    return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60, trust_env=False)


def counted(*marks: str) -> Callable[[Settings, str], float]:
    """How many requests a door's metrics count under these labels."""

    def count(settings: Settings, name: str) -> float:
        lines = get(settings, name, "/metrics").text.splitlines()
        found = [line for line in lines if line.startswith("http_requests_total{")]
        return sum(float(line.split()[-1]) for line in found if all(mark in line for mark in marks))

    return count


def flows(settings: Settings, name: str) -> float:
    """How many flows Prefect knows."""
    url = f"http://127.0.0.1:{getattr(settings.ports, name)}/api/flows/count"
    headers = shown(settings, name)
    return float(httpx.post(url, json={}, headers=headers, timeout=60, trust_env=False).json())


@dataclass(frozen=True)
class Door:
    """How a door is tried: `read` is a path that answers a GET, `act` takes a POST of JSON that does
    something, `done` is how often it was done.

    `pages` when people may arrive by a link; `socket` is a WebSocket's path; `live` is open without a key."""

    read: str
    act: str
    body: Callable[[], Mapping[str, Any]]
    done: Callable[[Settings, str], float]
    live: str = "/health/live"
    pages: bool = False
    socket: str | None = None

    def content(self) -> bytes:
        return json.dumps(self.body()).encode()


ASKED = {"messages": [{"role": "user", "content": "hola"}], "model": "extractive"}
CLIENT = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}
BEGUN = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": CLIENT}
JOINED = {"data": [], "fn_index": 0, "session_hash": "evil"}

DOORS = {
    "bridge": Door(
        "/api/v1/keys",
        "/api/v1/keys",
        lambda: {"scopes": ["read"]},
        counted('route="/api/v1/keys"', 'method="POST"'),
    ),
    "api": Door("/v1/models", "/threads", dict, counted('route="/threads"', 'method="POST"')),
    "pool": Door(
        "/v1/models", "/v1/chat/completions", lambda: ASKED, counted('route="/v1/chat/completions"')
    ),
    # The GET works as much as the POST does.
    "speech": Door("/api/tts?text=hola", "/tts", lambda: {"text": "hola"}, counted('route="/', "tts")),
    "mcp": Door("/health", "/mcp", lambda: BEGUN, counted('method="POST"', 'status="200"')),
    "ui": Door(
        "/config",
        "/gradio_api/queue/join",
        lambda: JOINED,
        counted('method="POST"', 'status="200"'),
        pages=True,
    ),
    "prefect": Door(
        "/api/version",
        "/api/flows/",
        lambda: {"name": uuid.uuid4().hex},
        flows,
        live="/api/health",
        pages=True,
        socket="/api/events/out",
    ),
}

STORES = ("postgres", "redis", "milvus", "graph")
"""They do not speak HTTP: nothing but this machine may reach them."""
SILENT = ("worker",)
"""They ask others and listen to nobody."""

PLANNED = [service.name for service in planned_services(Settings.model_validate({}))]
EVERY_DOOR = [name for name in PLANNED if name not in (*STORES, *SILENT)]
