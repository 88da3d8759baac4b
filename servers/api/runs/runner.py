"""The runner executes accepted runs in this process: one at a time per thread, followed and cancelled by id.

One event loop owns all state; nothing is decided across an `await`. It knows no HTTP. Rows are written by
`repository.py`; the agents themselves are `agents/runtime.py`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from agents.context import Context, RunConfig
from agents.conversation import history, snapshots
from agents.conversation.ownership import thread_id_of
from agents.conversation.persistence import Persistence
from agents.events import Failed, Interrupted
from agents.runtime import CompiledAgent, stream_parts
from agents.stream_parts import Part
from servers.api.runs.active_run import ActiveRun, RunEvent, events_after
from servers.api.runs.orders import agent_of, order_of
from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import STORE_ERRORS, RunRow, now, principal_of
from servers.api.runs.turns import events_of, turn_of
from tools.access.identity import acting_as
from tools.errors import Cancelled, Capibara6Error, Conflict, QueueFull
from tools.log import get_logger
from tools.schema import JsonObject, Turn
from tools.settings import Agents

Strategy = Literal["reject", "enqueue", "interrupt", "rollback"]
"""What becomes of a run whose thread is busy (the Agent Protocol's `multitask_strategy`)."""
MAX_ATTEMPTS = 3
REWRITE_S, MAX_REWRITE_S = 1.0, 30.0
"""Pauses between tries to write an ending that a store did not take."""

log = get_logger("runs")


class Runner:
    """Owns every run of this process. `build_context` makes a run's context from its caller's choices."""

    def __init__(
        self,
        repository: RunRepository,
        memory: Persistence,
        agents: Mapping[str, CompiledAgent],
        build_context: Callable[[RunConfig], Context],
        limits: Agents,
    ) -> None:
        self.repository = repository
        self.memory = memory
        self.agents = agents
        self.build_context = build_context
        self.limits = limits
        self.active: dict[str, ActiveRun] = {}
        """By run id: waiting or executing."""
        self.queues: dict[str, deque[ActiveRun]] = {}
        """By the thread's key: the first executes, the others wait."""
        self.reserved: dict[str, asyncio.Event] = {}
        """By the thread's key, set when the thread is free again."""
        self.finishing: set[asyncio.Task[None]] = set()
        self.rewriting: set[asyncio.Task[None]] = set()
        """Endings that a store did not take at first."""
        self.accepted = asyncio.Event()
        """Set, and another one put in its place, when the next run is accepted."""
        self.closing = False
        self.slots = asyncio.Semaphore(limits.active_runs)

    async def start(self, row: RunRow, strategy: Strategy = "reject") -> ActiveRun:
        """Accept a run: when this returns its row is durable.

        Raises `Conflict` when its thread is busy and `strategy` is `reject`, `QueueFull` when too many wait.
        """
        if len(self.active) >= self.limits.active_runs + self.limits.waiting_runs:
            raise QueueFull("too many runs are waiting", source="api", retry_after=1)
        if strategy == "reject" and self.is_busy(row.thread_id):
            raise _busy(row.thread_id)
        run = ActiveRun(row)
        ahead = list(self.queues.get(row.thread_id, ()))
        self._enqueue(run)
        try:
            await self.repository.insert(row)
        except BaseException:
            self._dequeue(run)
            raise
        if strategy in ("interrupt", "rollback"):
            await asyncio.gather(*(self.cancel(other.row.run_id) for other in ahead))
        if strategy == "rollback":
            for other in reversed(ahead):
                await self._forget(other.row)
        self._create_tasks(run)
        self.accepted.set()
        self.accepted = asyncio.Event()
        return run

    @asynccontextmanager
    async def reserve(self, thread_id: str) -> AsyncIterator[None]:
        """Keep runs off the thread while the block lasts. Raises `Conflict` when it is busy."""
        if self.is_busy(thread_id):
            raise _busy(thread_id)
        self.reserved[thread_id] = free = asyncio.Event()
        try:
            yield
        finally:
            del self.reserved[thread_id]
            free.set()

    def is_busy(self, thread_id: str) -> bool:
        """True when the thread is reserved or has a run that has not ended."""
        return thread_id in self.reserved or bool(self.queues.get(thread_id))

    async def follow(self, run_id: str, after: str | None = None) -> AsyncGenerator[RunEvent, None]:
        """The run's events after the id `after`, as they come or from its row. Raises `NotFound`."""
        run = self.active.get(run_id)
        if run is None:
            row = await self.repository.get(run_id)
            for event in events_after(events_of(row), after):
                yield event
            return
        async for event in run.subscribe(after):
            yield event

    def turn(self, row: RunRow) -> Turn:
        """The turn that a run is: as far as it is known now when it has not ended."""
        run = self.active.get(row.run_id)
        return turn_of(row, events_of(row) if run is None else run.events)

    async def wait(self, run_id: str) -> RunRow:
        """The run's row once it has ended. Raises `NotFound`."""
        run = self.active.get(run_id)
        if run is not None:
            await run.ended.wait()
        return await self.repository.get(run_id)

    async def cancel(self, run_id: str) -> RunRow:
        """End the run and the model call behind it; its status becomes `cancelled` unless it has ended."""
        self.request_cancel(run_id)
        return await self.wait(run_id)

    def request_cancel(self, run_id: str) -> None:
        """Cancel the run without waiting until it has ended."""
        run = self.active.get(run_id)
        if run is not None and run.task is not None:
            run.task.cancel()

    async def roll_back(self, run_id: str) -> RunRow:
        """End the run and undo it: its row goes, and its thread is as it was before. Raises `NotFound`."""
        row = await self.cancel(run_id)
        await self._forget(row)
        return row

    async def values(self, row: RunRow) -> JsonObject:
        """What the run's thread holds, shown; of one that left none behind, what it ended with."""
        if row.stateless:
            return row.outcome or {}
        return await self._state(row)

    async def resume(self) -> None:
        """Start again, oldest first, what a killed process had accepted and not finished."""
        for row in await self.repository.unfinished():
            run = ActiveRun(row)
            self._enqueue(run)
            self._create_tasks(run)

    async def close(self) -> None:
        """Stop everything; what has not ended stays accepted and goes on at the next start."""
        self.closing = True
        for run in self.active.values():
            if run.task is not None:
                run.task.cancel()
        await asyncio.gather(*self.finishing)
        for later in self.rewriting:
            later.cancel()
        await asyncio.gather(*self.rewriting, return_exceptions=True)

    def _create_tasks(self, run: ActiveRun) -> None:
        run.task = asyncio.create_task(self._execute(run))
        finishing = asyncio.create_task(self._finish(run, run.task))
        self.finishing.add(finishing)
        finishing.add_done_callback(self.finishing.discard)

    async def _finish(self, run: ActiveRun, task: "asyncio.Task[None]") -> None:
        """Write how the run ended, whatever happened to it, and let the next one of its thread begin."""
        await asyncio.wait({task})
        try:
            if not self.closing:
                status, failed = _outcome(run, task)
                if failed is not None:
                    run.publish(failed.model_dump(mode="json"))
                await self._record(run, status)
        finally:
            self._dequeue(run)
            run.close()

    async def _record(self, run: ActiveRun, status: str) -> None:
        """Write the ending. A store that fails keeps no thread locked: it is tried again until it is written,
        and what a process leaves unwritten goes on at the next start."""
        try:
            await self._write_ending(run, status)
        except STORE_ERRORS as exc:
            log.error("ending_not_written", run_id=run.row.run_id, reason=str(exc))
            later = asyncio.create_task(self._write_later(run, status))
            self.rewriting.add(later)
            later.add_done_callback(self.rewriting.discard)

    async def _write_ending(self, run: ActiveRun, status: str) -> None:
        told = "webhook" in run.row.request
        values = await self._state(run.row) if run.row.stateless or told else {}
        run.row.outcome = values if run.row.stateless else None
        await self.repository.finish(run.row, status, run.events, values)
        if run.row.stateless:
            await history.delete(self.memory, run.row.thread_id)

    async def _write_later(self, run: ActiveRun, status: str) -> None:
        pause = REWRITE_S
        while True:
            await asyncio.sleep(pause)
            try:
                await self._write_ending(run, status)
            except STORE_ERRORS:
                pause = min(2 * pause, MAX_REWRITE_S)
            else:
                log.info("ending_written", run_id=run.row.run_id)
                return

    async def _state(self, row: RunRow) -> JsonObject:
        """What the thread holds; nothing for an agent that there no longer is."""
        agent = self.agents.get(agent_of(row))
        return {} if agent is None else (await snapshots.state(agent.threaded, row.thread_id))["values"]

    async def _forget(self, row: RunRow) -> None:
        graph = self.agents[agent_of(row)].threaded
        if not await snapshots.roll_back(graph, row.thread_id, row.run_id):
            await history.delete(self.memory, row.thread_id)
        await self.repository.delete(row.run_id)

    async def _execute(self, run: ActiveRun) -> None:
        """Wait for its time, the thread and a slot, then publish the agent's events."""
        waited_s = (now() - run.row.created_at).total_seconds()
        await asyncio.sleep(max(0.0, run.row.request.get("after_s", 0.0) - waited_s))
        queue = self.queues[run.row.thread_id]
        while queue[0] is not run:
            await queue[0].ended.wait()
        while run.row.thread_id in self.reserved:
            await self.reserved[run.row.thread_id].wait()
        async with self.slots:
            restarted = await self.repository.mark_running(run.row)
            if run.row.attempt > MAX_ATTEMPTS:
                raise Capibara6Error("the run was killed too often", code="run_crashed", source="api")
            order = order_of(run.row, restarted=restarted)
            context = self.build_context(RunConfig(**run.row.request.get("wishes", {})))
            with acting_as(principal_of(run.row)):
                async for item in stream_parts(self.agents, order, context=context):
                    if isinstance(item, Part):
                        run.publish(item.data, part=item.name)
                    else:
                        run.publish(item.model_dump(mode="json"))

    def _enqueue(self, run: ActiveRun) -> None:
        self.active[run.row.run_id] = run
        self.queues.setdefault(run.row.thread_id, deque()).append(run)

    def _dequeue(self, run: ActiveRun) -> None:
        self.active.pop(run.row.run_id, None)
        queue = self.queues.get(run.row.thread_id, deque())
        if run in queue:
            queue.remove(run)
        if not queue:
            self.queues.pop(run.row.thread_id, None)


def _outcome(run: ActiveRun, task: "asyncio.Task[None]") -> tuple[str, Failed | None]:
    """A run's final status, and the event to publish when it gave no answer."""
    exc: BaseException | None = Cancelled("the run was cancelled") if task.cancelled() else task.exception()
    if exc is None:
        interrupted = Interrupted.model_fields["event"].default
        waits = bool(run.events) and run.events[-1].data["event"] == interrupted
        return ("interrupted" if waits else "success"), None
    if not isinstance(exc, Capibara6Error):
        log.error("run_broke", run_id=run.row.run_id, exc_info=exc)
        exc = Capibara6Error("internal error; see the service's log", source="api")
    status = {"cancelled": "cancelled", "run_deadline": "timeout"}.get(exc.code, "error")
    return status, Failed(run_id=run.row.run_id, error=exc.envelope()["error"])


def _busy(thread_id: str) -> Conflict:
    message = f"thread {thread_id_of(thread_id)} has a run that has not ended"
    return Conflict(message, param="multitask_strategy", source="api", code="thread_busy")
