"""The running pool: wires catalogue, backends, scheduler and engine processes, keeps their clocks, ends them.

It holds its parts and does nothing itself: whoever needs one takes that part.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from servers.pool.catalog.catalog import Catalog, load_user_catalog
from servers.pool.decisions import Decisions
from servers.pool.engines import process, sockets
from servers.pool.engines.availability import Availability
from servers.pool.engines.backends import Backends, build_backends, instance_name
from servers.pool.engines.lifecycle import Lifecycle
from servers.pool.engines.memory import Memory
from servers.pool.scheduling.admission import Admission, notify
from servers.pool.scheduling.instance import Instance
from servers.pool.scheduling.scheduler import Scheduler
from servers.pool.upstream.http_session import open_session
from tools.clients.raw.connection import ConnectionPool
from tools.settings import Settings

TICK_S = 0.1
REFRESH_S = 10.0
"""How often a running Ollama and the GPU's memory are looked at."""


@dataclass(frozen=True)
class Pool:
    """The parts of one running pool."""

    catalog: Catalog
    backends: Backends
    availability: Availability
    scheduler: Scheduler
    admission: Admission
    lifecycle: Lifecycle
    memory: Memory
    decisions: Decisions
    clock: "Clock"
    started_at: int = field(default_factory=lambda: int(time.time()))
    """Unix time."""


class Clock:
    """Lets time pass for the scheduler, and looks now and then at what other programs start and take."""

    def __init__(self, scheduler: Scheduler, availability: Availability, memory: Memory) -> None:
        self.scheduler, self.availability, self.memory = scheduler, availability, memory
        self.ticked_at = time.monotonic()
        """When the scheduler was last told the time: health is down when that is long ago."""

    async def tick(self) -> None:
        """Tell the scheduler the time every TICK_S, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.ticked_at = time.monotonic()
            self.scheduler.tick(self.ticked_at)

    async def refresh(self) -> None:
        """Look at other programs and the GPU every REFRESH_S, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            await self.availability.refresh()
            if self.memory.gpus:
                await self.memory.refresh()


class _Effects:
    """The scheduler's `Effects`: engines, waiters, the log and the machine's memory."""

    def __init__(self, lifecycle: Lifecycle, decisions: Decisions, memory: Memory) -> None:
        self.start, self.stop = lifecycle.start, lifecycle.stop
        self.sleep, self.wake = lifecycle.sleep, lifecycle.wake
        self.record, self.free_memory = decisions.record, memory.free
        self.notify = notify


@asynccontextmanager
async def open_pool(settings: Settings) -> AsyncIterator[Pool]:
    """A running pool; leaving the block ends its engines. What an earlier pool left behind is ended first.

    Raises ValueError and OSError for a catalogue that can not be read.
    """
    catalog = load_user_catalog(settings)
    connections = ConnectionPool()
    async with open_session() as session:
        pool = _build(settings, catalog, session, connections)
        await _sweep(pool)
        await asyncio.gather(pool.availability.refresh(), pool.memory.refresh())
        _load_pinned(pool)
        clocks = [asyncio.ensure_future(pool.clock.tick()), asyncio.ensure_future(pool.clock.refresh())]
        try:
            yield pool
        finally:
            for clock in clocks:
                clock.cancel()
            await asyncio.gather(*clocks, return_exceptions=True)
            await pool.lifecycle.close()
            connections.close()


def _build(
    settings: Settings, catalog: Catalog, session: aiohttp.ClientSession, connections: ConnectionPool
) -> Pool:
    backends = build_backends(settings, session, connections)
    instances = {each.name: each for each in _instances(settings, catalog, backends)}
    availability = Availability(catalog, backends, instances)
    memory, decisions = Memory(), Decisions()
    lifecycle = Lifecycle(settings, catalog, availability, session, memory)
    effects = _Effects(lifecycle, decisions, memory)
    scheduler = lifecycle.scheduler = Scheduler(instances.values(), settings.pool, effects)
    return Pool(
        catalog=catalog,
        backends=backends,
        availability=availability,
        scheduler=scheduler,
        admission=Admission(scheduler),
        lifecycle=lifecycle,
        memory=memory,
        decisions=decisions,
        clock=Clock(scheduler, availability, memory),
    )


def _instances(settings: Settings, catalog: Catalog, backends: Backends) -> list[Instance]:
    """One instance for each model on each of its backends."""
    instances: list[Instance] = []
    for spec in catalog.models.values():
        for backend in backends.of(spec) if spec.adapter_of is None else ():
            name = instance_name(spec, backend)
            idle_s = spec.idle_s or settings.pool.idle_s
            pinned = spec.pinned and name == spec.id
            instances.append(Instance(name, spec.concurrency, backend.managed, idle_s, pinned=pinned))
    return instances


async def _sweep(pool: Pool) -> None:
    """End the processes that an earlier pool of the same name left behind, and remove their sockets."""
    owner = pool.lifecycle.owner
    swept = await process.sweep(owner, pool.lifecycle.pidfile.left_behind(owner))
    sockets.sweep(owner)
    if swept:
        pool.decisions.record("swept", "", pids=swept)


def _load_pinned(pool: Pool) -> None:
    for spec in pool.catalog.models.values():
        backend = pool.availability.of(spec).backend
        if spec.pinned and backend is not None and backend.managed:
            pool.scheduler.load(instance_name(spec, backend), time.monotonic())
