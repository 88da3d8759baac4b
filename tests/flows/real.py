"""The real bridge over its real stores, PostgreSQL at the end of a cable that can be cut."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from servers.stores import open_stores
from tests.conftest import settings_in
from tests.flows.cable import Cable
from tests.ports import free_ports
from tools.settings import Settings


@pytest.fixture(scope="session")
def stores_of_flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Stores of their own: what the bridge's tests leave half-done in theirs is in every backup of all."""
    settings = settings_in(tmp_path_factory.mktemp("flows"))
    with open_stores(settings):
        yield settings


@pytest.fixture(scope="module")
def cable(stores_of_flows: Settings) -> Iterator[Cable]:
    cable = Cable(stores_of_flows.postgres_socket_dir / f".s.PGSQL.{stores_of_flows.ports.postgres}")
    yield cable
    cable.close()


@pytest.fixture(scope="module")
def real(stores_of_flows: Settings, prefect: Settings, cable: Cable) -> Iterator[Settings]:
    """Settings of running stores, graph server and bridge, and of the session's Prefect."""
    stores = stores_of_flows
    bridge, nebula = free_ports(2)
    ports = stores.ports.model_copy(
        update={"bridge": bridge, "nebula": nebula, "prefect": prefect.ports.prefect}
    )
    dsn = SecretStr(f"postgresql://postgres@127.0.0.1:{cable.port}/capibara6")
    external = stores.stores.model_copy(update={"postgres_dsn": dsn})
    settings = stores.model_copy(update={"ports": ports, "stores": external})
    environment = {**os.environ, **settings.environment()}
    command = [sys.executable, "-m", "servers", "serve"]
    with (settings.log_dir / "flows-test.log").open("wb") as log:
        children = [
            subprocess.Popen([*command, name], env=environment, stdout=log, stderr=log)
            for name in ("graph", "bridge")
        ]
        try:
            _until_whole(settings)
            yield settings
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(20)


def _until_whole(settings: Settings) -> None:
    deadline, seen = time.monotonic() + 60, ""
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
def here(real: Settings, monkeypatch: pytest.MonkeyPatch, run) -> Settings:
    """`run` speaks to the real services."""
    for name, value in real.environment().items():
        monkeypatch.setenv(name, value)
    return real
