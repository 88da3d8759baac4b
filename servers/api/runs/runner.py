"""The runner executes accepted runs in this process: one at a time per thread, followed and cancelled by id.

One event loop owns all state; nothing is decided across an `await`. It knows no HTTP. Rows are written by
`repository.py`; the agents themselves are `agents/runtime.py`.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from agents.context import Context, RunConfig
from agents.conversation import history
from agents.conversation.ownership import thread_id_of
from agents.conversation.persistence import Persistence
from agents.events import Failed, Interrupted
from agents.runtime import AgentRequest, CompiledAgent, stream
from servers.api.runs.active_run import ActiveRun, RunEvent, events_after
from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import RunRow, principal_of
from servers.api.runs.turns import events_of, turn_of
from tools.access.identity import acting_as
from tools.errors import Cancelled, Capibara6Error, Conflict, QueueFull
from tools.log import get_logger
from tools.schema import Turn
from tools.settings import Agents

Strategy = Literal["reject", "enqueue", "interrupt"]
"""What becomes of a run whose thread is busy (the Agent Protocol's `multitask_strategy`)."""
MAX_ATTEMPTS = 3
REWRITE_S, MAX_REWRITE_S = 1.0, 30.0
"""Pauses between tries to write an ending that a store did not take."""
STORE_ERRORS = (SQLAlchemyError, sqlite3.Error, psycopg.Error, OSError)

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
        if strategy == "interrupt":
            await asyncio.gather(*(self.cancel(other.row.run_id) for other in ahead))
        self._create_tasks(run)
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
        if not self.closing:
            status, failed = _outcome(run, task)
            if failed is not None:
                run.publish(failed.model_dump(mode="json"))
            await self._record(run, status)
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
        await self.repository.finish(run.row, status, run.events)
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

    async def _execute(self, run: ActiveRun) -> None:
        """Wait for the thread and for a slot, then publish the agent's events."""
        queue = self.queues[run.row.thread_id]
        while queue[0] is not run:
            await queue[0].ended.wait()
        while run.row.thread_id in self.reserved:
            await self.reserved[run.row.thread_id].wait()
        async with self.slots:
            restarted = await self.repository.mark_running(run.row)
            if run.row.attempt > MAX_ATTEMPTS:
                raise Capibara6Error("the run was killed too often", code="run_crashed", source="api")
            order = _agent_order(run.row, restarted=restarted)
            context = self.build_context(RunConfig(**run.row.request.get("wishes", {})))
            with acting_as(principal_of(run.row)):
                async for event in stream(self.agents, order, context=context):
                    run.publish(event.model_dump(mode="json"))

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


def _agent_order(row: RunRow, *, restarted: bool) -> AgentRequest:
    thread_id = thread_id_of(row.thread_id)
    return AgentRequest(
        row.agent_id,
        row.request.get("messages", []),
        instructions=row.request.get("instructions", ""),
        thread_id=thread_id,
        owner=row.thread_id.removesuffix(thread_id),
        run_id=row.run_id,
        durable=True,
        again=restarted,
        command=row.request.get("command"),
    )


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
