"""The hand of the scheduler: starts, watches, puts to sleep and ends the engines, and reports what happened.

One task a model at a time works here; a later order cancels the earlier one and takes over its process.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import aiohttp

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.engines import process, vllm
from servers.pool.engines.availability import Availability
from servers.pool.engines.handle import EngineHandle, free_port, new_key
from servers.pool.engines.memory import Memory
from servers.pool.engines.pidfile import Pidfile
from servers.pool.scheduling.instance import Phase
from servers.pool.scheduling.scheduler import Scheduler
from tools.errors import Capibara6Error, ModelUnavailable, UpstreamFailed
from tools.log import get_logger
from tools.settings import Settings

PORTS_TRIED = 3
SEEN_S = 0.1
RETURN_S = 15.0
"""How long memory may take to come back after an engine's death before nobody waits for it any more."""

log = get_logger("pool.lifecycle")


class Lifecycle:
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
        self.register = Pidfile(settings.run_dir / f"pool-{settings.ports.pool}.groups")
        self.children: dict[str, EngineHandle] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.scheduler: Scheduler | None = None

    @property
    def reports(self) -> Scheduler:
        assert self.scheduler is not None, "the pool gives the lifecycle its scheduler"
        return self.scheduler

    def start(self, name: str, generation: int) -> None:
        self._order(name, generation, self._start(self.catalog.spec(name), generation))

    def stop(self, name: str, generation: int) -> None:
        self._order(name, generation, self._stop(name, generation))

    def sleep(self, name: str, generation: int) -> None:
        self._order(name, generation, self._sleep(self.catalog.spec(name), generation))

    def wake(self, name: str, generation: int) -> None:
        self._order(name, generation, self._wake(name, generation))

    async def doubt(self, name: str, generation: int) -> None:
        """An engine failed a request: before the client hears of it, know whether the engine is well.

        A process closes its sockets some milliseconds before it is gone, and vLLM's front goes on answering
        errors when the engine behind it is dead; either way the next request must find a new one.
        """
        child = self.children.get(name)
        if child is None or child.generation != generation or not child.serving:
            return
        await asyncio.wait({child.process.exit}, timeout=SEEN_S)
        if child.serving and child.process.alive and not await child.healthy(self.session):
            cause = UpstreamFailed(f"the engine of {name} is not healthy any more", source="engine")
            self.reports.died(name, generation, cause, time.monotonic())

    async def close(self) -> None:
        """End every engine; nothing is reported any more."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        grace = self.settings.pool.unload_grace_s
        children = list(self.children.values())
        self.children.clear()
        await asyncio.gather(*(child.process.end(grace) for child in children))
        for child in children:
            self.register.remove(child.process.pid)

    def _order(self, name: str, generation: int, work: Coroutine[Any, Any, None]) -> None:
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
        self.reports.load_failed(name, generation, broken, now)
        self.reports.died(name, generation, broken, now)
        if self.reports.instances[name].phase is Phase.STOPPING and name not in self.tasks:
            asyncio.get_running_loop().call_later(1.0, self.stop, name, generation)

    async def _start(self, spec: ModelSpec, generation: int) -> None:
        try:
            child = await self._launch(spec, generation)
        except Capibara6Error as exc:
            await self._end(spec.id)
            self.reports.load_failed(spec.id, generation, exc, time.monotonic())
            return
        sleeps = bool(spec.sleep_level) and await self._can_sleep(child, spec.sleep_level)
        need = await asyncio.to_thread(self._taken, child)
        child.serving = True
        child.process.exit.add_done_callback(lambda _: self._lost(child))
        self.reports.ready(spec.id, generation, time.monotonic(), memory_bytes=need, can_sleep=sleeps)

    async def _launch(self, spec: ModelSpec, generation: int) -> EngineHandle:
        """A child that is ready; another port is tried when somebody else took the first."""
        for attempt in range(1, PORTS_TRIED + 1):
            child = self._spawn(spec, generation)
            self.children[spec.id] = child
            try:
                await child.wait_ready(self.session)
                return child
            except ModelUnavailable:
                if attempt == PORTS_TRIED or not await child.foreign(self.session):
                    raise
                await self._end(spec.id)
        raise AssertionError("the loop returns or raises")

    def _spawn(self, spec: ModelSpec, generation: int) -> EngineHandle:
        engine = self.availability.engine(spec)
        if engine.kind != "vllm":
            raise ModelUnavailable(f"{spec.id}: {engine.reason}", param="model", source="pool")
        port, key, nonce = free_port(), new_key(), process.new_nonce()
        line = vllm.command(
            spec, python=self.availability.python, folder=self.availability.folder(spec), port=port,
            nonce=nonce,
            need=self.reports.instances[spec.id].memory_bytes, gpu=self.memory.gpu_total,
        )  # fmt: skip
        running = process.spawn(
            line, env=vllm.environment(spec, key), nonce=nonce, owner=self.owner,
            log=self.settings.log_dir / f"pool-{spec.id}.log",
        )  # fmt: skip
        self.register.add(running.pid)
        return EngineHandle(spec.id, f"http://127.0.0.1:{port}", key, running, generation)

    async def _can_sleep(self, child: EngineHandle, level: int) -> bool:
        """Try it once: an engine that sleeps badly would hang requests behind a green health."""
        return await child.fall_asleep(self.session, level) and await child.wake(self.session)

    def _taken(self, child: EngineHandle) -> int:
        if self.memory.gpu_total is not None:
            return 0
        return process.resident(process.find(child.process.nonce, group=child.process.pid))

    def _lost(self, child: EngineHandle) -> None:
        if self.children.get(child.name) is not child or not child.serving:
            return
        code = child.process.exit.result()
        cause = UpstreamFailed(f"the engine of {child.name} ended with code {code}", source="engine")
        self.reports.died(child.name, child.generation, cause, time.monotonic())

    async def _stop(self, name: str, generation: int) -> None:
        child = self.children.get(name)
        if child is not None:
            child.serving = False
        before = self.memory.gpu_free
        await self._end(name)
        if before is not None and child is not None:
            await self._memory_back(before)
        self.reports.stopped(name, generation, time.monotonic())

    async def _end(self, name: str) -> None:
        child = self.children.get(name)
        if child is None:
            return
        # Shielded: a child half ended must not be forgotten because the order was overtaken.
        await asyncio.shield(child.process.end(self.settings.pool.unload_grace_s))
        self.register.remove(child.process.pid)
        if self.children.get(name) is child:
            del self.children[name]

    async def _memory_back(self, before: int) -> None:
        """On a GPU memory returns after the process is gone; wait until some of it has."""
        deadline = time.monotonic() + RETURN_S
        await self.memory.look()
        while (self.memory.gpu_free or 0) <= before and time.monotonic() < deadline:
            await asyncio.sleep(0.25)
            await self.memory.look()

    async def _sleep(self, spec: ModelSpec, generation: int) -> None:
        child = self.children.get(spec.id)
        well = child is not None and await child.fall_asleep(self.session, spec.sleep_level)
        self.reports.slept(spec.id, generation, time.monotonic(), asleep=well)

    async def _wake(self, name: str, generation: int) -> None:
        child = self.children.get(name)
        if child is not None and await child.wake(self.session):
            self.reports.ready(name, generation, time.monotonic())
            return
        await self._end(name)
        failed = ModelUnavailable(f"{name} did not wake up", param="model", source="engine")
        self.reports.load_failed(name, generation, failed, time.monotonic())
