"""The pool itself: catalogue, scheduler and engines in one place; the doors ask it and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from servers.pool.catalog.catalog import Catalog, ModelSpec, load_catalog
from servers.pool.consensus.stats import Tally
from servers.pool.counters import Counters
from servers.pool.decisions import Decisions
from servers.pool.engines import process, sockets
from servers.pool.engines.availability import Availability
from servers.pool.engines.lifecycle import Lifecycle
from servers.pool.engines.memory import Memory, predict
from servers.pool.routing.choose import State
from servers.pool.scheduling.instance import Instance, Phase, Reservation
from servers.pool.scheduling.scheduler import Scheduler
from servers.pool.upstream import openai
from servers.pool.upstream.circuit_breaker import Budget
from servers.pool.upstream.connection import ConnectionPool
from servers.pool.upstream.replicas import Replicas
from tools.errors import ModelUnavailable
from tools.settings import Settings

TICK_S = 0.1
LOOK_S = 10.0
"""How often a running Ollama and the GPU's memory are looked at."""


class Pool:
    """Also the scheduler's `Effects`: it passes orders to the lifecycle and wakes those who wait."""

    def __init__(self, settings: Settings, catalog: Catalog, session: aiohttp.ClientSession) -> None:
        self.settings, self.catalog, self.session = settings, catalog, session
        self.lines = ConnectionPool()
        self.availability = Availability(settings, catalog, session)
        self.memory, self.events, self.meter, self.budget = Memory(), Decisions(), Counters(), Budget()
        self.lifecycle = Lifecycle(settings, catalog, self.availability, session, self.memory)
        self.scheduler = Scheduler(self._instances(), settings.pool, self)
        self.lifecycle.scheduler = self.scheduler
        self.remotes = self._remotes()
        self.consensus = Tally()
        self.since = int(time.time())
        self.ticked = time.monotonic()
        self._keys: dict[str, str] = {}
        self.start, self.stop = self.lifecycle.start, self.lifecycle.stop
        self.sleep, self.wake = self.lifecycle.sleep, self.lifecycle.wake
        self.record, self.free_memory = self.events.record, self.memory.free

    def notify(self, reservation: Reservation) -> None:
        if reservation.waiter is not None and not reservation.waiter.done():
            reservation.waiter.set_result(None)

    def instances(self, spec: ModelSpec) -> list[str]:
        """The instances that could serve `spec` now, best first. Raises ModelUnavailable with the reason."""
        own = self.scheduler.instances.get(spec.id)
        if own is not None and own.managed and own.phase is Phase.READY:
            return [spec.id]
        engine = self.availability.engine(spec)
        if engine.kind is None:
            raise ModelUnavailable(
                f"{spec.id} is not available: {engine.reason}", param="model", source="pool"
            )
        if engine.kind != "vllm":
            return [instance_name(spec, engine.kind)]
        if own is not None and own.phase in (Phase.COLD, Phase.FAILED) and not own.loads:
            own.memory_bytes = predict(spec, self.availability.folder(spec))
        return [spec.id, instance_name(spec, "ollama")] if self.availability.in_ollama(spec) else [spec.id]

    async def wait(self, reservation: Reservation, *, pause: float | None = None) -> bool:
        """Wait until the reservation is settled, or for `pause` seconds; whether it is settled."""
        if reservation.granted or reservation.refused is not None:
            return True
        if reservation.waiter is None:
            reservation.waiter = asyncio.get_running_loop().create_future()
        try:
            done, _ = await asyncio.wait({reservation.waiter}, timeout=pause)
        except asyncio.CancelledError:
            self.scheduler.release(reservation, time.monotonic())
            raise
        return bool(done)

    async def load(self, spec: ModelSpec) -> None:
        """Load a model and return when it is ready. Raises what its waiters would hear."""
        name = self.instances(spec)[0]
        self.scheduler.load(name, time.monotonic())
        reservation = self.scheduler.request(name, time.monotonic())
        try:
            await self.wait(reservation)
            if reservation.refused is not None:
                raise reservation.refused
        finally:
            self.scheduler.release(reservation, time.monotonic())

    def key(self, spec: ModelSpec) -> str | None:
        """The key of a remote engine, from the file that the catalogue names."""
        if spec.key_file is None:
            return None
        if spec.id not in self._keys:
            self._keys[spec.id] = spec.key_file.read_text(encoding="utf-8").strip()
        return self._keys[spec.id]

    def state(self) -> State:
        """What the router may choose from."""
        now = time.monotonic()
        here, loaded, load_s = set[str](), set[str](), dict[str, float]()
        for spec in self.catalog.models.values():
            instance = self.scheduler.instances[spec.id]
            kind = self.availability.engine(spec).kind
            broken = instance.retry_at > now and not self.availability.in_ollama(spec)
            if kind is not None and not broken:
                here.add(spec.id)
            if kind not in (None, "vllm") or instance.phase is Phase.READY:
                loaded.add(spec.id)
            load_s[spec.id] = instance.load_s
        return State(available=frozenset(here), loaded=frozenset(loaded), load_s=load_s)

    async def tick(self) -> None:
        """The pool's clock."""
        while True:
            await asyncio.sleep(TICK_S)
            self.ticked = time.monotonic()
            self.scheduler.tick(self.ticked)

    async def look(self) -> None:
        """Keep an eye on what other programs start and take."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.availability.look()
            if self.memory.gpu_total is not None:
                await self.memory.look()

    def _instances(self) -> list[Instance]:
        instances: list[Instance] = []
        for spec in self.catalog.models.values():
            idle_s = spec.idle_s or self.settings.pool.idle_s
            instance = Instance(spec.id, spec.concurrency, spec.local, idle_s, pinned=spec.pinned)
            instances.append(instance)
            if spec.local and spec.ollama:
                instances.append(Instance(instance_name(spec, "ollama"), spec.concurrency, False, idle_s))
        return instances

    def _remotes(self) -> dict[str, Replicas]:
        remotes: dict[str, Replicas] = {}
        for spec in self.catalog.models.values():
            if spec.ollama:
                remotes[instance_name(spec, "ollama")] = Replicas([self.availability.ollama_url])
            if spec.backend == "openai":
                remotes[spec.id] = Replicas(spec.urls)
        return remotes


def instance_name(spec: ModelSpec, kind: str) -> str:
    """The instance of `spec` on a kind of engine: its own, or the one beside it on Ollama."""
    return f"{spec.id}@ollama" if kind == "ollama" and spec.local else spec.id


@asynccontextmanager
async def open_pool(settings: Settings) -> AsyncIterator[Pool]:
    """A running pool; leaving the block ends its engines. What an earlier pool left behind is ended first."""
    catalog = load_catalog(settings.pool.catalog)
    async with openai.open_session() as session:
        pool = Pool(settings, catalog, session)
        owner = pool.lifecycle.owner
        swept = await process.sweep(owner, pool.lifecycle.register.left_behind(owner))
        sockets.sweep(owner)
        if swept:
            pool.events.record("swept", "", pids=swept)
        await asyncio.gather(pool.availability.look(), pool.memory.look())
        for spec in catalog.models.values():
            if spec.pinned and spec.local and pool.availability.engine(spec).kind == "vllm":
                pool.scheduler.load(spec.id, time.monotonic())
        clocks = [asyncio.ensure_future(pool.tick()), asyncio.ensure_future(pool.look())]
        try:
            yield pool
        finally:
            for clock in clocks:
                clock.cancel()
            await asyncio.gather(*clocks, return_exceptions=True)
            await pool.lifecycle.close()
            pool.lines.close()
