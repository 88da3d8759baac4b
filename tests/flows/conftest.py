"""One real Prefect server and worker for the session, and a small real bridge and API that speak the wire."""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    temporary_settings,
)

from flows.health import check
from flows.orchestration.deploy import deploy, read_deployments
from flows.orchestration.launch import prefect_environment, server_command
from tests.conftest import settings_in
from tests.flows.fake_bridge import FakeBridge
from tests.flows.real_bridge import bridge_settings, proxy, real_services, stores_of_flows  # noqa: F401  (fixtures)
from tests.serving import serving
from tools.clients.prefect import WORK_POOL, open_prefect
from tools.settings import Settings

# What the server does in the background for its own UI; it writes to the same SQLite as everybody.
UNUSED = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in ("TASK_RUN_RECORDER", "FOREMAN", "PAUSE_EXPIRATIONS", "CANCELLATION_CLEANUP", "LATE_RUNS")
} | {"PREFECT_API_BLOCKS_REGISTER_ON_START": "false"}
UNCLOSED = "ignore:Exception ignored in. <(socket|ssl)[.]:pytest.PytestUnraisableExceptionWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect leaves sockets of its background threads to the garbage collector."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(UNCLOSED))
            item.add_marker(pytest.mark.timeout(300))  # the first one waits for Prefect's server


def reaching(settings: Settings) -> dict[Any, Any]:
    """What Prefect's own client must be told to speak to the server of `settings`."""
    return {PREFECT_API_URL: settings.prefect_url, PREFECT_API_AUTH_STRING: settings.prefect_auth}


class PrefectProcesses:
    """Prefect's server, and a worker if it is told so, as processes that can be killed and started again."""

    def __init__(self, settings: Settings, *, working: bool = True) -> None:
        self.settings = settings
        self.log = settings.home / "prefect" / "log"
        self.log.parent.mkdir(parents=True)
        self.environment = {**os.environ, **prefect_environment(settings), **UNUSED}
        self.server = self._start(server_command())
        self.worker = self._start([sys.executable, "-m", "flows", "worker"]) if working else None

    def ready(self) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            assert self.server.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.settings.prefect_url}/health", trust_env=False, timeout=5).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def kill_server(self) -> None:
        _kill(self.server)

    def start_server(self) -> None:
        self.server = self._start(server_command())
        self.ready()

    def kill_worker(self) -> None:
        """The worker and the runs it started, all at once."""
        _kill(self._working())

    def start_worker(self) -> None:
        self.worker = self._start([sys.executable, "-m", "flows", "worker"])

    def runs(self) -> list[psutil.Process]:
        """The processes of the runs that the worker has under way."""
        return psutil.Process(self._working().pid).children(recursive=True)

    def stop(self) -> None:
        for process in filter(None, (self.worker, self.server)):
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                # It finishes its runs first; here nobody waits for them.
                _kill(process)

    def _working(self) -> subprocess.Popen[bytes]:
        assert self.worker is not None
        return self.worker

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)


@contextmanager
def running(home: Path, *, working: bool = True) -> Iterator[PrefectProcesses]:
    """Prefect in a home of its own; every other port of its settings is free."""
    processes = PrefectProcesses(settings_in(home, language="es"), working=working)
    try:
        processes.ready()
        yield processes
    finally:
        APILogHandler().flush()
        processes.stop()


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectProcesses]:
    """Prefect for the session."""
    with running(tmp_path_factory.mktemp("prefect")) as processes:
        yield processes


@pytest.fixture(scope="session")
def prefect(processes: PrefectProcesses) -> Settings:
    """Settings whose Prefect server and worker run."""
    return processes.settings


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
            for entry in read_deployments():
                await client.schedule(entry["name"], active=False)

    asyncio.run(register())
    return prefect


@pytest.fixture
def paused(deployed: Settings) -> Iterator[Settings]:
    """The worker starts nothing: what is asked for meanwhile is forgotten, and disturbs no later test."""

    async def rest(*, paused: bool) -> None:
        async with open_prefect(deployed) as prefect:
            planned = {"state": {"type": {"any_": ["SCHEDULED"]}}, "deployment_id": {"is_null_": False}}
            for run in [] if paused else await prefect.pages("/flow_runs/filter", {"flow_runs": planned}):
                await prefect.call("DELETE", f"/flow_runs/{run['id']}")
            await prefect.call("PATCH", f"/work_pools/{WORK_POOL}", json={"is_paused": paused})

    asyncio.run(rest(paused=True))
    try:
        yield deployed
    finally:
        asyncio.run(rest(paused=False))


@pytest.fixture
def bridge(prefect: Settings) -> Iterator[FakeBridge]:
    bridge = FakeBridge()
    with serving(bridge.app(), prefect.ports.bridge):
        yield bridge


@pytest.fixture
def run(prefect: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Awaitable[State[Any]]]]:
    """Run a flow in this process against the session's server; returns its final state."""
    for name, value in prefect.environment().items():
        monkeypatch.setenv(name, value)

    async def start(flow: Flow[..., Any], **parameters: Any) -> State[Any]:
        with temporary_settings({**reaching(prefect), PREFECT_API_REQUEST_TIMEOUT: 90.0}):
            return await flow(**parameters, return_state=True)

    yield start
    gc.collect()


@pytest.fixture
def no_retry_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is away is asked three times as ever, without a second between."""
    monkeypatch.setattr(check, "retry_delay_seconds", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `notes` with two documents."""
    root = tmp_path / "notes"
    (root / "es").mkdir(parents=True)
    (root / "es" / "uno.md").write_text("# Uno\n\nEl puente es la única puerta.\n", encoding="utf-8")
    (root / "two.txt").write_text("The second document.\n", encoding="utf-8")
    return root


def _kill(root: subprocess.Popen[bytes]) -> None:
    """A process and all it has started, at once."""
    family = [*psutil.Process(root.pid).children(recursive=True), psutil.Process(root.pid)]
    for process in family:
        process.kill()
    root.wait()
    psutil.wait_procs(family, timeout=30)
