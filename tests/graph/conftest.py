"""A running graph server for the whole session, and clients of it: the stock nebula3-python."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nebula3.Config import Config
from nebula3.data.ResultSet import ResultSet
from nebula3.gclient.net import ConnectionPool
from pydantic import SecretStr

from servers.graph.main import open_listener
from tests.conftest import settings_in
from tools.sections import Stores
from tools.settings import Settings

Ask = Callable[..., ResultSet]
PASSWORD = "a-password-of-the-tests"
STORES = Stores(nebula_password=SecretStr(PASSWORD))


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, int]]:
    """The server on a free port, in a thread of this process."""
    with open_listener(settings, port=0) as listener:
        thread = threading.Thread(target=listener.serve, daemon=True)
        thread.start()
        yield listener.address
    thread.join(60)


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[ConnectionPool]:
    """A pool of the stock client's connections to the server."""
    config = Config()
    config.max_connection_pool_size = 80
    pool = ConnectionPool()
    assert pool.init([address], config)
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    settings = settings_in(tmp_path_factory.mktemp("graph"), stores=STORES)
    with serving(settings) as address:
        yield address


@pytest.fixture(scope="session")
def pool(address: tuple[str, int]) -> Iterator[ConnectionPool]:
    with connected(address) as pool:
        yield pool


@pytest.fixture
def session(pool: ConnectionPool) -> Iterator[Any]:
    session = pool.get_session("root", PASSWORD)
    yield session
    session.release()


@pytest.fixture
def ask(session: Any) -> Ask:
    """Run a statement that must succeed."""

    def run(statement: str, parameters: dict[str, Any] | None = None) -> ResultSet:
        result = session.execute_py(statement, parameters) if parameters else session.execute(statement)
        assert result.is_succeeded(), f"{statement}: {result.error_msg()}"
        return result

    return run


_spaces = iter(range(1_000_000))


@pytest.fixture
def space(ask: Ask) -> str:
    """A fresh space, in use."""
    name = f"space_{next(_spaces)}"
    ask(f"CREATE SPACE {name} (vid_type = FIXED_STRING(32)); USE {name}")
    return name


def table(result: ResultSet) -> list[list[Any]]:
    """A result's rows as the client prints their values."""
    return [[str(value) for value in result.row_values(at)] for at in range(result.row_size())]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "home", stores=STORES)
