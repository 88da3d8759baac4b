"""supervisord under the platform's processes: restarts with backoff, logs to files, one instance a home.

Owns supervisord's configuration, its start and its end. Which processes run is decided in `services.py`.
"""

import configparser
import ctypes
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from servers.local.orphans import INSTANCE_VARIABLE, Children, stop_orphans
from servers.local.services import LAYERS, Service
from tools.errors import Conflict, Unavailable
from tools.settings import Settings

START_RETRIES = 3
STOP_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ProcessStatus:
    """One process as supervisord sees it; `state`: STARTING RUNNING BACKOFF FATAL EXITED STOPPED; `pid` is 0
    for one that does not run."""

    name: str
    state: str
    pid: int
    uptime_s: float


class Supervisor:
    """A running supervisord. Get one with `open_supervisor`."""

    def __init__(self, settings: Settings, config: Path) -> None:
        self.settings, self.config = settings, config
        self.log_dir, self.socket = settings.log_dir, socket_of(settings)
        self.children = Children(settings.home)
        self.process = self._start()

    def revive(self) -> bool:
        """Start supervisord again where it was killed: nobody else would start a service that ends. What it
        ran is ended first, and starts anew. True when that was so."""
        if self.process.poll() is None:
            return False
        ours = psutil.Process().children()
        stop_orphans(self.settings.home, spared=[child.pid for child in ours])
        self.process = self._start()
        return True

    def stop(self, seconds: int) -> None:
        """End it and with it every service, the layers of `services.py` one after another; it is killed when
        that takes longer."""
        self.process.terminate()
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > until:
                self.process.kill()
            self.statuses()  # a call wakes it; by itself it looks once a second who has ended
            time.sleep(STOP_POLL_S)
        stop_orphans(self.settings.home)
        self.socket.unlink(missing_ok=True)

    def statuses(self) -> list[ProcessStatus]:
        """Every process; empty while supervisord itself is starting."""
        # A transport a call: one that failed while supervisord was starting can not be used again.
        with closing(SupervisorTransport("", "", serverurl=f"unix://{self.socket}")) as transport:
            try:
                rows = ServerProxy("http://127.0.0.1", transport=transport).supervisor.getAllProcessInfo()
            except (OSError, HTTPException, Fault):
                return []
        assert isinstance(rows, list)
        self.children.note(row["pid"] for row in rows if row["pid"])
        return [
            ProcessStatus(row["name"], row["statename"], row["pid"], float(row["now"] - row["start"]))
            for row in rows
        ]

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The last `lines` of a service's log; empty before it has one."""
        file = self.log_dir / f"{name}.log"
        if not file.exists():
            return ""
        return "\n".join(file.read_text("utf-8", errors="replace").splitlines()[-lines:])

    def _start(self) -> subprocess.Popen[bytes]:
        home = str(self.settings.home.absolute())
        environment = {**os.environ, **self.settings.environment(), INSTANCE_VARIABLE: home}
        libc = ctypes.CDLL(None)

        def stop_with_parent() -> None:
            # If `up` itself is killed, supervisord is told to stop, and stops the rest.
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        self.socket.unlink(missing_ok=True)
        with (self.log_dir / "supervisord.out").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is ours to handle: children are stopped in order.
                preexec_fn=stop_with_parent,  # noqa: PLW1509  (one thread at this point)
            )


@contextmanager
def open_supervisor(settings: Settings, services: Sequence[Service]) -> Iterator[Supervisor]:
    """Start every service; stop them all, and whatever they left behind, at the end.

    Raises `Conflict` when this home is already in use or a port is taken (with the process that holds it),
    and `Unavailable` when the home is no folder that can be written to.
    """
    _make_folders(settings)
    with _locked(settings.run_dir / "up.lock"):
        stop_orphans(settings.home)
        _refuse_taken_ports(services)
        config = settings.run_dir / "supervisord.conf"
        config.write_text(supervisord_config(settings, services, socket_of(settings)), "utf-8")
        supervisor = Supervisor(settings, config)
        try:
            yield supervisor
        finally:
            supervisor.stop(stop_timeout_s(settings) + 10 * len(services))


def socket_of(settings: Settings) -> Path:
    """Where supervisord answers."""
    return settings.run_dir / "supervisor.sock"


def supervisord_config(settings: Settings, services: Sequence[Service], socket: Path) -> str:
    """supervisord's configuration; it holds no secret, those travel in the environment."""
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": str(socket), "chmod": "0700"}
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    config["supervisord"] = {
        "nodaemon": "true",
        "logfile": str(settings.log_dir / "supervisord.log"),
        "logfile_maxbytes": "5MB",
        "logfile_backups": "1",
        "pidfile": str(settings.run_dir / "supervisord.pid"),
        "childlogdir": str(settings.log_dir),
        "minfds": "4096",
    }
    for position, layer in enumerate(LAYERS):
        if names := [service.name for service in services if service.layer == layer]:
            config[f"group:{layer}"] = {"programs": ",".join(names), "priority": str(position)}
    for service in services:
        config[f"program:{service.name}"] = {
            "command": _escaped(shlex.join(service.command)),
            "autorestart": "true",
            "startsecs": "2",
            "startretries": str(START_RETRIES),
            "stopsignal": service.stop_signal,
            "stopwaitsecs": str(stop_timeout_s(settings)),
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": _escaped(str(settings.log_dir / f"{service.name}.log")),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "3",
        }
    lines: list[str] = []
    for section in config.sections():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in config[section].items()), ""]
    return "\n".join(lines)


def stop_timeout_s(settings: Settings) -> int:
    """Seconds a service has to stop: answers in progress may end, and the pool may end its engines."""
    return int(settings.limits.drain_s + settings.pool.unload_grace_s) + 2


def port_owner(port: int) -> str | None:
    """The process that listens on a TCP port of this machine, as `name (pid N)`; None when it is free."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port:
            if connection.pid is None:
                return "a process of another user"
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None


def _refuse_taken_ports(services: Sequence[Service]) -> None:
    taken = [
        f"{service.name}: {port} ← {who}"
        for service in services
        for port in service.ports
        if (who := port_owner(port)) is not None
    ]
    if taken:
        raise Conflict("\n".join(taken), code="port_taken")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            file.seek(0)
            raise Conflict(f"pid {file.read().strip()}", code="already_running") from exc
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def _make_folders(settings: Settings) -> None:
    try:
        for folder in (settings.run_dir, settings.log_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as exc:
        reason = f"{settings.home.absolute()}: {exc.strerror}"
        raise Unavailable(reason, code="home_unusable") from exc


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
