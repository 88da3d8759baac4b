"""Nothing behind the doors can be reached from another machine, nor by another user of this one."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import redis
from pydantic import SecretStr

from servers.bridge.clients.milvus.client import open_milvus
from servers.graph.health import alive
from servers.local.embedded_stores import open_stores
from servers.local.services import planned_services
from tests.bridge.conftest import serving, wait_until
from tests.conftest import settings_in
from tools.settings import Settings

KEY = SecretStr("a-key-of-the-tests")
STORES = ("postgres", "redis", "milvus", "graph")


@contextmanager
def started(settings: Settings, *names: str) -> Iterator[None]:
    with open_stores(settings, *(name for name in names if name != "graph")):
        if "graph" not in names:
            yield
            return
        with serving(settings, "graph"):
            wait_until(lambda: alive(settings.nebula_address))
            yield


def listeners(settings: Settings) -> set[tuple[str, int]]:
    """Where the children of this process listen over TCP, on the ports of `settings`."""
    family = psutil.Process().children(recursive=True)
    found = [link for process in family for link in process.net_connections(kind="inet")]
    ports = set(settings.ports.model_dump().values())
    return {
        (link.laddr.ip.removeprefix("::ffff:"), link.laddr.port)
        for link in found
        if link.status == psutil.CONN_LISTEN and link.laddr.port in ports
    }


def ports_of(settings: Settings, *names: str) -> list[int]:
    return [port for service in planned_services(settings) if service.name in names for port in service.ports]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An installation that is opened to its network, with all four stores running."""
    settings = settings_in(tmp_path_factory.mktemp("wide"), host="0.0.0.0", api_key=KEY)
    with started(settings, *STORES):
        yield settings


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The same in a home whose path is too long for unix sockets."""
    home = tmp_path_factory.mktemp("deep") / ("a" * 60) / ("b" * 60)
    settings = settings_in(home, host="0.0.0.0", api_key=KEY)
    with started(settings, "redis", "milvus"):
        yield settings


def test_with_a_wide_host_stores_listen_on_loopback_or_not_at_all(wide: Settings) -> None:
    assert listeners(wide) == {("127.0.0.1", wide.ports.nebula)}
    assert ports_of(wide, *STORES) == [wide.ports.nebula]


def test_the_sockets_are_this_users_alone(wide: Settings) -> None:
    for name in ("redis", "milvus"):
        socket = wide.store_socket(name)
        assert socket is not None
        assert socket.is_socket()
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_the_kernel_says_how_long_a_sockets_path_may_be(tmp_path: Path) -> None:
    longest = Path("/" + "a" * 50 + "/" + "b" * 200)
    for path, fits in ((longest, False), (tmp_path, True)):
        assert (settings_in(path).store_socket("redis") is not None) == fits


def test_where_no_socket_fits_they_listen_on_loopback_and_are_listed(deep: Settings) -> None:
    ours = {deep.ports.redis, deep.ports.milvus}
    assert listeners(deep) == {("127.0.0.1", port) for port in ours}
    assert set(ports_of(deep, "redis", "milvus")) == ours


async def test_there_valkey_wants_its_password_and_the_clients_know_it(deep: Settings) -> None:
    with redis.Redis(port=deep.ports.redis) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(deep.redis_url) as ours:
        assert ours.ping()
    async with open_milvus(deep) as milvus:
        assert await milvus.version() == "lite"


def test_the_password_is_on_no_command_line_and_in_no_file_of_others(deep: Settings) -> None:
    secret = deep.secrets.redis
    lines = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # one that has just ended
            lines.append(" ".join(process.cmdline()))
    assert any("valkey-server" in line for line in lines)
    assert not any(secret in line for line in lines)
    holding = [
        path for path in deep.home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert sorted(path.name for path in holding) == ["redis.conf", "secrets"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}
    assert not any(secret in service.url for service in planned_services(deep))
