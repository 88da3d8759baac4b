"""The real bridge over its real stores, PostgreSQL at the end of a proxy that can be cut."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from pydantic import SecretStr

from servers.local.embedded_stores import open_stores
from tests.bridge.graphs import lend_graphs
from tests.conftest import settings_in
from tests.flows.tcp_proxy import TcpProxy
from tests.ports import free_ports
from tools.settings import Settings


@pytest.fixture(scope="session")
def stores_of_flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Stores of their own: what the bridge's tests leave half-done in theirs is in every backup of all."""
    settings = settings_in(tmp_path_factory.mktemp("flows"))
    with open_stores(settings):
        yield settings


@pytest.fixture(scope="module")
def proxy(stores_of_flows: Settings) -> Iterator[TcpProxy]:
    proxy = TcpProxy(stores_of_flows.postgres_socket_dir / f".s.PGSQL.{stores_of_flows.ports.postgres}")
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def bridge_settings(stores_of_flows: Settings, prefect: Settings, proxy: TcpProxy) -> Iterator[Settings]:
    """Settings of running stores, graph server and bridge, and of the session's Prefect."""
    stores = stores_of_flows
    bridge, nebula = free_ports(2)
    ports = stores.ports.model_copy(
        update={"bridge": bridge, "nebula": nebula, "prefect": prefect.ports.prefect}
    )
    dsn = SecretStr(f"postgresql://postgres@127.0.0.1:{proxy.port}/capibara6")
    external = stores.stores.model_copy(update={"postgres_dsn": dsn})
    settings = stores.model_copy(update={"ports": ports, "stores": external})
    with _serving(settings, "graph", "bridge"):
        yield settings


@contextmanager
def another_bridge(settings: Settings) -> Iterator[Settings]:
    """A bridge that has just been started over the same stores; settings that name it."""
    ports = settings.ports.model_copy(update={"bridge": free_ports(1)[0]})
    settings = settings.model_copy(update={"ports": ports})
    with _serving(settings, "bridge"):
        yield settings


@contextmanager
def _serving(settings: Settings, *names: str) -> Iterator[None]:
    lend_graphs(settings)
    environment = {**os.environ, **settings.environment()}
    command = [sys.executable, "-m", "servers", "serve"]
    with (settings.log_dir / "flows-test.log").open("ab") as log:
        children = [
            subprocess.Popen([*command, name], env=environment, stdout=log, stderr=log) for name in names
        ]
        try:
            _until_whole(settings)
            yield
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(60)


async def wait_for(check: Callable[[], object]) -> None:
    """What the bridge repairs by itself takes it a few seconds."""
    deadline = time.monotonic() + 180
    while not check():
        assert time.monotonic() < deadline, "the bridge did not repair"
        await asyncio.sleep(0.02)


def _until_whole(settings: Settings) -> None:
    deadline, seen = time.monotonic() + 180, ""
    while time.monotonic() < deadline:
        try:
            seen = httpx.get(f"{settings.bridge_url}/health/detailed", trust_env=False, timeout=5).text
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if seen.count("connected") >= 4:
            return
        time.sleep(0.2)
    raise AssertionError(seen)


@pytest.fixture
def real_services(bridge_settings: Settings, monkeypatch: pytest.MonkeyPatch, run) -> Settings:
    """`run` speaks to the real services."""
    for name, value in bridge_settings.environment().items():
        monkeypatch.setenv(name, value)
    return bridge_settings
