"""The product for one benchmark: its stores and servers, each a process as `capibara6 up` starts it, with the
settings it ships but for ports and a folder that goes with the block. What their processes have used so far.
"""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from servers.services import Service, plan
from tests.conftest import settings_in
from tools.clients.bridge import Bridge
from tools.schema import Document, SearchRequest, SearchResponse
from tools.settings import Settings

REPO = Path(__file__).parents[2]
STORES = ("postgres", "redis", "milvus", "graph")
PATIENCE_S = 180.0
TRIES = 20
SENT, AT_ONCE = 50, 2
"""Documents a request and requests under way, as the flow `ingest` sends them."""


@dataclass(frozen=True)
class Running:
    """Settings that reach the product, and the process of each of its services by name."""

    settings: Settings
    processes: dict[str, psutil.Popen]


class Spent:
    """What a process spends on some works: the seconds that each takes, and in all of CPU and page faults."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        self.times: list[float] = []
        self.cpu_s, self.faults = 0.0, 0

    async def add(self, work: Callable[[], Awaitable[None]]) -> None:
        before, faults, began = self.process.cpu_times(), page_faults(self.process), time.perf_counter()
        await work()
        self.times.append(time.perf_counter() - began)
        after = self.process.cpu_times()
        self.cpu_s += after.user + after.system - before.user - before.system
        self.faults += page_faults(self.process) - faults

    def each(self, count: int) -> str:
        """A share of it, where every work was of `count` things."""
        things = count * len(self.times)
        return f"{1_000 * self.cpu_s / things:.1f} ms of CPU and {self.faults / things:.0f} page faults"


@contextmanager
def running(*servers: str, stores: Sequence[str] = STORES, **changes: Any) -> Iterator[Running]:
    """The embedded `stores` and the named `servers`, each answering; `changes` are settings that differ.

    Raises AssertionError, with the log, when one ends or does not answer within `PATIENCE_S`.
    """
    with tempfile.TemporaryDirectory(prefix="c6-") as home, ExitStack() as stack:
        settings = settings_in(Path(home), **changes)
        known = {service.name: service for service in plan(settings)}
        found: dict[str, psutil.Popen] = {}
        for names in (stores, servers):
            found |= {name: stack.enter_context(started(settings, known[name])) for name in names}
            for name in names:
                wait_healthy(settings, known[name], found[name])
        yield Running(settings, found)


@contextmanager
def started(settings: Settings, service: Service) -> Iterator[psutil.Popen]:
    """One service of `plan`, ended with the block; its output goes where `up` sends it."""
    log = log_of(settings, service)
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **settings.environment(), **service.environment}
    with log.open("ab") as output:
        child = psutil.Popen(service.command, cwd=REPO, env=environment, stdout=output, stderr=output)
    try:
        yield child
    finally:
        child.send_signal(signal.Signals[f"SIG{service.stop_signal}"])
        try:
            child.wait(30)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            child.kill()
            child.wait()


def log_of(settings: Settings, service: Service) -> Path:
    return settings.log_dir.absolute() / f"{service.name}.log"


def wait_healthy(settings: Settings, service: Service, child: psutil.Popen) -> None:
    until = time.monotonic() + PATIENCE_S
    while not service.healthy():
        assert child.poll() is None and time.monotonic() < until, log_of(settings, service).read_text()
        time.sleep(0.05)


def page_faults(process: psutil.Process) -> int:
    """How often it touched a page that was not there, since it began."""
    return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[7])


def megabytes(process: psutil.Process) -> int:
    """Resident memory."""
    return process.memory_info().rss >> 20


def peak(process: psutil.Process) -> int:
    """The most that was ever resident, in megabytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


async def ingested(bridge: Bridge, documents: Sequence[Document], *, collection: str) -> int:
    """How many were written through the bridge's door, sent as the flow `ingest` sends them."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(part: Sequence[Document]) -> int:
        async with free:
            return (await bridge.ingest(part, collection=collection)).accepted

    return sum(
        await asyncio.gather(*(one(documents[at : at + SENT]) for at in range(0, len(documents), SENT)))
    )


async def answered(bridge: Bridge, request: SearchRequest) -> SearchResponse:
    """The answer of every leg: quality is no matter of a leg that was late. Raises AssertionError without."""
    degraded: list[str] = []
    for _ in range(TRIES):
        response = await bridge.search(request)
        if not response.degraded:
            return response
        degraded = response.degraded
    raise AssertionError(f"{TRIES} times without {degraded}: {request.query}")
