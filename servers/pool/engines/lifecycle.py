"""The lifecycle of engine processes: starts, watches, puts to sleep and ends them, and reports what happened.

The scheduler orders, this carries out. One task a model at a time works here; a later order cancels the
earlier one and takes over its process.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import aiohttp

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.engines import process
from servers.pool.engines.availability import Availability
from servers.pool.engines.handle import EngineHandle, free_port, new_key
from servers.pool.engines.memory import Memory
from servers.pool.engines.pidfile import Pidfile
from servers.pool.scheduling.instance import Phase
from servers.pool.scheduling.scheduler import Scheduler
from servers.pool.upstream.backend import Endpoint, Health, Launch, ManagedBackend
from tools.errors import Capibara6Error, ModelUnavailable, UpstreamFailed
from tools.log import get_logger
from tools.settings import Settings

PORTS_TRIED = 3
EXIT_S = 0.1
"""So long after an engine failed a request its process may still be about to exit."""
VERDICT_S = 0.6
"""So long the client of a failed request waits to hear whether its engine died."""
MEMORY_RETURN_S = 15.0
"""How long memory may take to come back after an engine's death before nobody waits for it any more."""

log = get_logger("pool.lifecycle")


class Lifecycle:
    """The engines of one pool. `scheduler` hears the reports; whoever builds both sets it."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        availability: Availability,
        session: aiohttp.ClientSession,
        memory: Memory,
    ) -> None:
        self.settings, self.catalog, self.availability = settings, catalog, availability
        self.session, self.memory = session, memory
        self.owner = f"{settings.run_dir}:{settings.ports.pool}"
        self.pidfile = Pidfile(settings.run_dir / f"pool-{settings.ports.pool}.groups")
        self.engines: dict[str, EngineHandle] = {}
        """By instance; an engine that starts or ends is among them."""
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._died: dict[str, int] = {}
        """The generation of each instance's last engine that died by itself."""
        self._probes: dict[EngineHandle, asyncio.Task[bool]] = {}
        self._scheduler: Scheduler | None = None

    @property
    def scheduler(self) -> Scheduler:
        """Hears what happened to engines."""
        assert self._scheduler is not None, "whoever builds the lifecycle gives it its scheduler"
        return self._scheduler

    @scheduler.setter
    def scheduler(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def start(self, name: str, generation: int) -> None:
        """Launch an engine; `ready` or `load_failed` is reported."""
        self._replace_task(name, generation, self._start(self.catalog.spec(name), generation))

    def stop(self, name: str, generation: int) -> None:
        """End an engine; `stopped` is reported once memory is back."""
        self._replace_task(name, generation, self._stop(name, generation))

    def sleep(self, name: str, generation: int) -> None:
        """Put an engine to sleep; `slept` is reported."""
        self._replace_task(name, generation, self._sleep(self.catalog.spec(name), generation))

    def wake(self, name: str, generation: int) -> None:
        """Wake an engine; `ready` or `load_failed` is reported."""
        self._replace_task(name, generation, self._wake(name, generation))

    async def check(self, name: str, generation: int) -> Health:
        """An engine failed a request: before the client hears of it, know whether the engine is well.

        A process closes its sockets some milliseconds before it is gone, and vLLM's front goes on answering
        errors when the engine behind it is dead; either way the next request must find a new one.
        """
        engine = self.engines.get(name)
        if engine is not None and engine.generation == generation and engine.serving:
            await asyncio.wait({engine.process.exit}, timeout=EXIT_S)
            if engine.serving and engine.process.alive:
                probe = self._probe(engine)
                await asyncio.wait({probe}, timeout=VERDICT_S)
                if probe.done() and not probe.cancelled() and probe.result():
                    return "well"
        # One that was told to stop has not died of its requests.
        return "died" if self._died.get(name) == generation else "unknown"

    async def close(self) -> None:
        """End every engine; nothing is reported any more."""
        running = [*self.tasks.values(), *self._probes.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        grace = self.settings.pool.unload_grace_s
        engines = list(self.engines.values())
        self.engines.clear()
        await asyncio.gather(*(engine.process.end(grace) for engine in engines))
        for engine in engines:
            self.pidfile.remove(engine.process.pid)

    def _probe(self, engine: EngineHandle) -> asyncio.Task[bool]:
        """The one look at an engine's health that all its failed requests wait for; it outlives them."""
        probe = self._probes.get(engine)
        if probe is None:
            probe = self._probes[engine] = asyncio.ensure_future(self._looked(engine))
            probe.add_done_callback(lambda _: self._probes.pop(engine))
        return probe

    async def _looked(self, engine: EngineHandle) -> bool:
        well = await engine.healthy(self.session)
        if not well and engine.serving:
            self._has_died(engine, "is not healthy any more")
        return well

    def _has_died(self, engine: EngineHandle, how: str) -> None:
        self._died[engine.name] = engine.generation
        cause = UpstreamFailed(f"the engine of {engine.name} {how}", source="engine")
        self.scheduler.died(engine.name, engine.generation, cause, time.monotonic())

    def _replace_task(self, name: str, generation: int, work: Coroutine[Any, Any, None]) -> None:
        earlier = self.tasks.get(name)
        task = asyncio.ensure_future(self._after(earlier, work))
        self.tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, generation, done))

    async def _after(self, earlier: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
        try:
            if earlier is not None and not earlier.done():
                earlier.cancel()
                await asyncio.wait({earlier})
        except asyncio.CancelledError:
            work.close()
            raise
        await work

    def _ended(self, name: str, generation: int, task: asyncio.Task[None]) -> None:
        if self.tasks.get(name) is task:
            del self.tasks[name]
        if task.cancelled() or task.exception() is None:
            return
        # Never expected: the instance must not wait for ever for a report.
        log.error("order_failed", model=name, exc_info=task.exception())
        broken = UpstreamFailed(f"{name}: the pool failed to handle its engine", source="pool")
        now = time.monotonic()
        self.scheduler.load_failed(name, generation, broken, now)
        self.scheduler.died(name, generation, broken, now)
        if self.scheduler.instances[name].phase is Phase.STOPPING and name not in self.tasks:
            asyncio.get_running_loop().call_later(1.0, self.stop, name, generation)

    async def _start(self, spec: ModelSpec, generation: int) -> None:
        try:
            engine = await self._launch(spec, generation)
        except Capibara6Error as exc:
            await self._end(spec.id)
            self.memory.settle(spec.id)
            self.scheduler.load_failed(spec.id, generation, exc, time.monotonic())
            return
        can_sleep = bool(spec.sleep_level) and await self._can_sleep(engine, spec.sleep_level)
        memory_bytes = await self._memory_taken(engine)
        engine.serving = True
        engine.process.exit.add_done_callback(lambda _: self._exited(engine))
        self.scheduler.ready(
            spec.id, generation, time.monotonic(), memory_bytes=memory_bytes, can_sleep=can_sleep
        )

    async def _launch(self, spec: ModelSpec, generation: int) -> EngineHandle:
        """An engine that is ready; another port is tried when somebody else took the first."""
        for attempt in range(1, PORTS_TRIED + 1):
            engine = self._spawn(spec, generation)
            self.engines[spec.id] = engine
            try:
                await engine.wait_ready(self.session)
                return engine
            except ModelUnavailable:
                if attempt == PORTS_TRIED or not await engine.replaced(self.session):
                    raise
                await self._end(spec.id)
        raise AssertionError("the loop returns or raises")

    def _spawn(self, spec: ModelSpec, generation: int) -> EngineHandle:
        available = self.availability.of(spec)
        backend = available.backend
        if not isinstance(backend, ManagedBackend):
            raise ModelUnavailable(f"{spec.id}: {available.reason}", param="model", source="pool")
        size = self.scheduler.instances[spec.id].memory_bytes
        count = backend.device_count(spec)
        gpus = self.memory.claim(spec.id, size, count=count, devices=spec.devices)
        launch = Launch(
            free_port(),
            new_key(),
            process.new_nonce(),
            memory_bytes=size,
            gpu_bytes=min((gpu.total for gpu in gpus), default=None),
            gpus=tuple(gpu.name for gpu in gpus),
        )
        running = process.spawn(
            backend.command(spec, launch),
            env=backend.environment(spec, launch),
            nonce=launch.nonce,
            owner=self.owner,
            log=self.settings.log_dir / f"pool-{spec.id}.log",
        )
        self.pidfile.add(running.pid)
        endpoint = Endpoint(f"http://127.0.0.1:{launch.port}", launch.key)
        return EngineHandle(spec.id, endpoint, running, generation)

    async def _can_sleep(self, engine: EngineHandle, level: int) -> bool:
        """Try it once: an engine that sleeps badly would hang requests behind a green health."""
        return await engine.fall_asleep(self.session, level) and await engine.wake(self.session)

    async def _memory_taken(self, engine: EngineHandle) -> int:
        """Measured in RAM; on GPUs, where others may take memory meanwhile, what was predicted stands."""
        if self.memory.gpus:
            await self.memory.refresh()
            self.memory.settle(engine.name)
            return 0
        marked = await asyncio.to_thread(process.find, engine.process.nonce, group=engine.process.pid)
        return process.resident_bytes(marked)

    def _exited(self, engine: EngineHandle) -> None:
        if self.engines.get(engine.name) is not engine or not engine.serving:
            return
        self._has_died(engine, f"ended with code {engine.process.exit.result()}")

    async def _stop(self, name: str, generation: int) -> None:
        engine = self.engines.get(name)
        if engine is not None:
            engine.serving = False
        before = self.memory.gpu_free
        await self._end(name)
        self.memory.settle(name)
        if before is not None and engine is not None:
            await self._memory_back(before)
        self.scheduler.stopped(name, generation, time.monotonic())

    async def _end(self, name: str) -> None:
        engine = self.engines.get(name)
        if engine is None:
            return
        # Shielded: an engine half ended must not be forgotten because the task was overtaken.
        await asyncio.shield(engine.process.end(self.settings.pool.unload_grace_s))
        self.pidfile.remove(engine.process.pid)
        if self.engines.get(name) is engine:
            del self.engines[name]

    async def _memory_back(self, before: int) -> None:
        """On a GPU memory returns after the process is gone; wait until some of it has."""
        deadline = time.monotonic() + MEMORY_RETURN_S
        await self.memory.refresh()
        while (self.memory.gpu_free or 0) <= before and time.monotonic() < deadline:
            await asyncio.sleep(0.25)
            await self.memory.refresh()

    async def _sleep(self, spec: ModelSpec, generation: int) -> None:
        engine = self.engines.get(spec.id)
        asleep = engine is not None and await engine.fall_asleep(self.session, spec.sleep_level)
        self.scheduler.slept(spec.id, generation, time.monotonic(), asleep=asleep)

    async def _wake(self, name: str, generation: int) -> None:
        engine = self.engines.get(name)
        if engine is not None and await engine.wake(self.session):
            self.scheduler.ready(name, generation, time.monotonic())
            return
        await self._end(name)
        failed = ModelUnavailable(f"{name} did not wake up", param="model", source="engine")
        self.scheduler.load_failed(name, generation, failed, time.monotonic())
