"""Health checks of the machine itself: disk space, TLS certificates about to end, orphan processes."""

import asyncio
import shutil
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.operations.messages import say
from tools.settings import Language, Settings

INSTANCE_VARIABLE = "CAPIBARA6_INSTANCE"
"""How the supervisor marks the processes of a home."""
MIN_FREE_BYTES = 2 * 2**30
MIN_FREE_SHARE = 0.05
CERTIFICATE_DAYS = 14


@dataclass(frozen=True)
class Check:
    """What one health check found; `status` is ok, degraded or down, `ms` what the answer took."""

    name: str
    status: str
    detail: str
    ms: int = 0


def disk(settings: Settings) -> Check:
    """Degraded when little is left where the data lives; down when nothing is."""
    home = settings.home.absolute()
    usage = shutil.disk_usage(home if home.exists() else home.parent)
    low = usage.free < MIN_FREE_BYTES or usage.free < MIN_FREE_SHARE * usage.total
    status = "down" if usage.free < MIN_FREE_BYTES // 20 else "degraded" if low else "ok"
    text = say("disk_free", settings.language, free=round(usage.free / 2**30, 1))
    return Check("disk", status, text)


def orphans(settings: Settings) -> Check:
    """Processes of this home that no supervisor looks after any more."""
    home = str(settings.home.absolute())
    lost = [process for process in psutil.process_iter() if _is_orphan(process, home)]
    names = ", ".join(f"{process.pid} {_name(process)}" for process in lost)
    return Check("orphans", "degraded" if lost else "ok", names or say("no_orphans", settings.language))


async def certificate(address: str, language: Language) -> Check:
    """How long the TLS certificate at `host:port` is still good."""
    host, _, port = address.partition(":")
    try:
        days = await asyncio.to_thread(_days_left, host, int(port or 443))
    except (OSError, ValueError) as exc:
        return Check(f"certificate {address}", "down", str(exc))
    status = "ok" if days > CERTIFICATE_DAYS else "degraded" if days > 0 else "down"
    return Check(f"certificate {address}", status, say("days_left", language, days=days))


def _days_left(host: str, port: int) -> int:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=host) as secure,
    ):
        end = secure.getpeercert()
    assert end is not None
    return int((ssl.cert_time_to_seconds(str(end["notAfter"])) - time.time()) // 86_400)


def _is_orphan(process: psutil.Process, home: str) -> bool:
    try:
        adopted = process.ppid() == 1 and "supervisord" not in " ".join(process.cmdline())
        return adopted and process.environ().get(INSTANCE_VARIABLE) == home
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _name(process: psutil.Process) -> str:
    try:
        return Path(process.name()).name
    except psutil.NoSuchProcess:
        return ""
