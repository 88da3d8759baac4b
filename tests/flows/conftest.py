"""One real Prefect server and worker for the session, and a small real bridge and API that speak the wire."""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy import deploy, read_manifest
from flows.server import prefect_environment, server_command
from tests.conftest import settings_in
from tests.flows.peer import Peer
from tests.serving import serving
from tools.clients.prefect import open_prefect
from tools.settings import Settings

UNCLOSED = "ignore:Exception ignored in. <(socket|ssl)[.]:pytest.PytestUnraisableExceptionWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect leaves sockets of its background threads to the garbage collector."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(UNCLOSED))
            item.add_marker(pytest.mark.timeout(300))  # the first one waits for Prefect's server


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
