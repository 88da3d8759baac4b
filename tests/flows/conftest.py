"""One real Prefect server and worker for the session, and a small real bridge and API that speak the wire."""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy import deploy, read_manifest
from flows.server import prefect_environment, server_command
from tests.conftest import settings_in
from tests.serving import serving
from tools.clients.prefect import open_prefect
from tools.errors import BadRequest, Capibara6Error, DocumentNotFound, StoreUnavailable
from tools.settings import Settings

UNCLOSED = "ignore:Exception ignored in. <(socket|ssl)[.]:pytest.PytestUnraisableExceptionWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect leaves sockets of its background threads to the garbage collector."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(UNCLOSED))
            item.add_marker(pytest.mark.timeout(300))  # the first one waits for Prefect's server


@dataclass
class Peer:
    """A bridge that keeps documents in a dictionary. `away` requests fail; `refused` ids never enter."""

    collections: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    away: int = 0
    refused: set[str] = field(default_factory=set)
    requests: list[int] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    wait_s: float = 0.0
    writes: int = 0

    def put(self, collection: str, document: dict[str, Any]) -> bool:
        """True when it changed something."""
        held = self.collections.setdefault(collection, {})
        if document["id"] in held and held[document["id"]]["text"] == document["text"]:
            return False
        self.writes += 1
        held[document["id"]] = {**document, "updated_at": f"2026-11-22T00:00:{self.writes:09}"}
        return True

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.exception_handler(Capibara6Error)
        async def ours(_: Request, exc: Capibara6Error) -> JSONResponse:
            return JSONResponse(exc.envelope(), exc.status)

        self._documents(app)

        @app.get("/health")
        async def health() -> dict[str, Any]:
            return {"status": "ok"}

        @app.get("/health/detailed")
        async def detailed() -> dict[str, Any]:
            return {"postgres": {"status": "connected", "host": "here", "latency_ms": 0.4}}

        return app

    def _documents(self, app: FastAPI) -> None:
        @app.post("/api/v1/documents")
        async def write(request: Request) -> dict[str, Any]:
            body = await request.json()
            self.requests.append(len(body["documents"]))
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            await asyncio.sleep(self.wait_s)
            self.busy -= 1
            if self.away:
                self.away -= 1
                raise StoreUnavailable("postgres is away", source="postgres")
            if any(document["id"] in self.refused for document in body["documents"]):
                raise BadRequest("poison", param="documents")
            changed = sum(self.put(body["collection"], document) for document in body["documents"])
            return {"accepted": changed, "unchanged": len(body["documents"]) - changed, "failed": []}

        @app.get("/api/v1/documents")
        async def documents(collection: str, limit: int, offset: int) -> dict[str, Any]:
            held = sorted(self.collections.get(collection, {}).values(), key=lambda item: item["id"])
            return {"documents": held[offset : offset + limit], "total": len(held)}

        @app.get("/api/v1/documents/{document_id:path}")
        async def document(document_id: str, collection: str) -> dict[str, Any]:
            if document_id not in self.collections.get(collection, {}):
                raise DocumentNotFound(document_id)
            return self.collections[collection][document_id]

        @app.post("/api/v1/embeddings")
        async def embed(request: Request) -> dict[str, Any]:
            texts = (await request.json())["texts"]
            return {"vectors": [[1.0, 0.0] if "tres" in text else [0.0, 1.0] for text in texts]}

        @app.delete("/api/v1/documents/{document_id:path}")
        async def delete(document_id: str, collection: str) -> dict[str, Any]:
            if self.collections.get(collection, {}).pop(document_id, None) is None:
                raise DocumentNotFound(document_id)
            return {"deleted": True}


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose Prefect server and worker run; every other port is free."""
    settings = settings_in(tmp_path_factory.mktemp("prefect"), language="es")
    home = settings.home / "prefect"
    home.mkdir(parents=True)
    environment = {**os.environ, **prefect_environment(settings)}
    with (home / "log").open("wb") as log:
        processes = [
            subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            for command in (server_command(), [sys.executable, "-m", "flows", "worker"])
        ]
        try:
            _wait(settings, processes, home / "log")
            yield settings
        finally:
            APILogHandler().flush()
            for process in reversed(processes):
                process.terminate()
                process.wait(timeout=30)


@pytest.fixture(scope="session")
def deployed(prefect: Settings) -> Settings:
    """The same settings with every deployment registered; schedules planned their runs and are paused."""

    async def register() -> None:
        await deploy(prefect)
        async with open_prefect(prefect) as client:
            planned = {"state": {"type": {"any_": ["SCHEDULED"]}}, "deployment_id": {"is_null_": False}}
            for _ in range(200):
                if await client.call("POST", "/flow_runs/count", json={"flow_runs": planned}):
                    break
                await asyncio.sleep(0.3)
            else:
                raise AssertionError("Prefect's scheduler plans no runs")
            for entry in read_manifest():
                await client.schedule(entry["name"], active=False)

    asyncio.run(register())
    return prefect


@pytest.fixture
def peer(prefect: Settings) -> Iterator[Peer]:
    peer = Peer()
    with serving(peer.app(), prefect.ports.bridge):
        yield peer


@pytest.fixture
def run(prefect: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Awaitable[State[Any]]]]:
    """Run a flow in this process against the session's server; returns its final state."""
    for name, value in prefect.environment().items():
        monkeypatch.setenv(name, value)

    async def start(flow: Flow[..., Any], **parameters: Any) -> State[Any]:
        with temporary_settings({PREFECT_API_URL: prefect.prefect_url}):
            return await flow(**parameters, return_state=True)

    yield start
    gc.collect()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `notes` with two documents."""
    root = tmp_path / "notes"
    (root / "es").mkdir(parents=True)
    (root / "es" / "uno.md").write_text("# Uno\n\nEl puente es la única puerta.\n", encoding="utf-8")
    (root / "two.txt").write_text("The second document.\n", encoding="utf-8")
    return root


def _wait(settings: Settings, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert all(process.poll() is None for process in processes), log.read_text()
        try:
            if httpx.get(f"{settings.prefect_url}/health", trust_env=False, timeout=5).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
