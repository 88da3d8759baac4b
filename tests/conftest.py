"""Fixtures that every folder of tests shares: settings on free ports in a temporary home, running stores."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import hypothesis
import pytest

from servers.local.embedded_stores import open_stores
from tests import debian
from tests.isolation import default_home, isolate, watched
from tests.ports import free_ports
from tests.purity import PURITY
from tools.settings import Ports, Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stores",
        default="wheels",
        choices=["wheels", "debian"],
        help="whose PostgreSQL and Redis to test with",
    )
    parser.addoption(
        "--milvus-server",
        default="",
        help="a virtual environment with milvus==2.3.5, to test with its server",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The usual run tries the same cases everywhere; the soak tries new ones each time. Both are isolated."""
    isolate()
    hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
    hypothesis.settings.register_profile("wide", deadline=None, print_blob=True)
    hypothesis.settings.load_profile("wide" if config.getoption("markexpr") == "soak" else "steady")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test that says it is pure is held to it; CI runs those first and by themselves."""
    with PURITY.held() if item.get_closest_marker("pure") else nullcontext():
        return (yield)


def settings_in(home: Path, **changes: object) -> Settings:
    """Settings whose every port is free and whose home is `home`; the caller's environment plays no part."""
    names = list(Ports.model_fields)
    ports = Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
    values = {"home": home, "ports": ports, "ollama_url": "http://127.0.0.1:9", **changes}
    return Settings.model_validate(values)


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    """Fails the test that went for a default port or for the default home."""
    with watched():
        yield
    assert not default_home().exists(), "a process of a test used the default home"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "home")


@pytest.fixture(scope="session")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a running PostgreSQL, Valkey and Milvus Lite, shared by the whole session."""
    settings = settings_in(tmp_path_factory.mktemp("stores"))
    if request.config.getoption("--stores") == "debian":
        assert not debian.missing(), debian.missing()
        with debian.running(settings), open_stores(settings, "milvus"):
            yield settings
        return
    with open_stores(settings):
        yield settings
