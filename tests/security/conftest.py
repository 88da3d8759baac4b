"""The whole platform, each service a process of its own, on free ports; one for the session."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from servers.local.embedded_stores import open_stores
from tests.bench.parts.running import running
from tests.conftest import settings_in
from tests.ports import free_port
from tests.security import people
from tests.security.doors import DOORS, EVERY_DOOR, STORES, shown
from tools.sections import Limits
from tools.settings import Settings

NAME = "capibara6.example"
LIMITS = Limits(header_s=3.0, body_s=3.0, body_bytes=256_000, header_bytes=8_192)


@dataclass(frozen=True)
class Platform:
    """`page_port` is where a web server of the tests may show its pages: under the name `friend.example` they
    are of an origin that is named in the settings."""

    settings: Settings
    processes: dict[str, psutil.Popen]
    page_port: int

    def port(self, name: str) -> int:
        return getattr(self.settings.ports, name)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"

    def done(self, name: str) -> float:
        """How often the door's `act` was done."""
        return DOORS[name].done(self.settings, name)

    def act(self, name: str, **headers: str) -> httpx.Response:
        """What a program on this machine sends."""
        found = DOORS[name]
        sent = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **shown(self.settings, name),
            **headers,
        }
        url = f"{self.url(name)}{found.act}"
        return httpx.post(url, content=found.content(), headers=sent, timeout=60, trust_env=False)


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    port = free_port()
    origins = (f"http://friend.example:{port}",)
    with running(*EVERY_DOOR, stores=STORES, names=(NAME,), origins=origins, limits=LIMITS) as found:
        yield Platform(found.settings, found.processes, port)


@pytest.fixture(scope="session")
def cooperative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[people.Platform]:
    """The doors of an installation with a key, and people of two tenants, over stores that nobody shares; one
    for the session."""
    settings = settings_in(tmp_path_factory.mktemp("cooperative"))
    with open_stores(settings), people.cooperative(settings) as found:
        yield found
