"""Runs: accepted as rows, one at a time per thread, executed here, followed and cancelled from anywhere.

One event loop owns all state; nothing is decided across an `await`. It knows no HTTP.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from agents.context import Context, RunConfig
from agents.conversation import history
from agents.conversation.persistence import Persistence
from agents.events import Failed, Interrupted
from agents.runtime import AgentRequest, CompiledAgent, stream
from servers.api.runs.broadcast import Live, Numbered, since
from servers.api.runs.repository import Ledger
from servers.api.runs.tables import RunRow
from tools.errors import Cancelled, Capibara6Error, Conflict, QueueFull
from tools.log import get_logger
from tools.settings import Agents

Strategy = Literal["reject", "enqueue", "interrupt"]
MOST_ATTEMPTS = 3

log = get_logger("runs")


class Runs:
    """Owns every run of this process. `context` builds a run's surroundings from its wishes."""

    def __init__(
        self,
        ledger: Ledger,
        memory: Persistence,
        ready: dict[str, CompiledAgent],
        context: Callable[[RunConfig], Context],
        bounds: Agents,
    ) -> None:
        self.memory = memory
        self.ledger = ledger
        self.ready = ready
        self.context = context
        self.bounds = bounds
        self.live: dict[str, Live] = {}
        self.lines: dict[str, deque[Live]] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.closing = False
        self.places = asyncio.Semaphore(bounds.active_runs)

    async def start(self, row: RunRow, strategy: Strategy = "reject") -> Live:
        """Accept a run: when this returns its row is durable. Raises `Conflict` on a busy thread."""
        if len(self.live) >= self.bounds.active_runs + self.bounds.waiting_runs:
            raise QueueFull("too many runs are waiting", source="api", retry_after=1)
        if strategy == "reject" and self.is_busy(row.thread_id):
            raise _busy(row.thread_id)
        live = Live(row)
        ahead = list(self.lines.get(row.thread_id, ()))
        self._line_up(live)
        try:
            await self.ledger.accept(row)
        except BaseException:
            self._leave(live)
            raise
        if strategy == "interrupt":
            await asyncio.gather(*(self.cancel(one.row.run_id) for one in ahead))
        self._set_off(live)
        return live

    @asynccontextmanager
    async def hold(self, thread_id: str) -> AsyncIterator[None]:
        """Keep the thread for one passing turn. Raises `Conflict` when a run has it."""
        if self.is_busy(thread_id):
            raise _busy(thread_id)
        self.held[thread_id] = free = asyncio.Event()
        try:
            yield
        finally:
            del self.held[thread_id]
            free.set()

    def is_busy(self, thread_id: str) -> bool:
        return thread_id in self.held or bool(self.lines.get(thread_id))

    async def follow(self, run_id: str, after: str | None = None) -> AsyncGenerator[Numbered, None]:
        """The run's events after the one called `after`, live or from its row."""
        live = self.live.get(run_id)
        if live is None:
            row = await self.ledger.run(run_id)
            for number, event in since([(one[0], one[1]) for one in row.events], after):
                yield number, event
            return
        async for numbered in live.follow(after):
            yield numbered

    async def wait(self, run_id: str) -> RunRow:
        """The run's row once it has ended."""
        live = self.live.get(run_id)
        if live is not None:
            await live.over.wait()
        return await self.ledger.run(run_id)

    async def cancel(self, run_id: str) -> RunRow:
        """End the run and the model call behind it; the row says `cancelled`. Ended runs stay as they are."""
        self.stop(run_id)
        return await self.wait(run_id)

    def stop(self, run_id: str) -> None:
        """Tell the run to end, without waiting until it has."""
        live = self.live.get(run_id)
        if live is not None and live.work is not None:
            live.work.cancel()

    async def resume(self) -> None:
        """Take up, in order, what a killed process had accepted and not finished."""
        for row in await self.ledger.unfinished():
            live = Live(row)
            self._line_up(live)
            self._set_off(live)

    async def close(self) -> None:
        """Stop everything; what has not ended stays accepted and goes on at the next start."""
        self.closing = True
        for live in self.live.values():
            if live.work is not None:
                live.work.cancel()
        await asyncio.gather(*self.tasks)

    def _set_off(self, live: Live) -> None:
        live.work = asyncio.create_task(self._turn(live))
        task = asyncio.create_task(self._see_out(live, live.work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _see_out(self, live: Live, work: "asyncio.Task[None]") -> None:
        """Write how the run ended, whatever happened to it, and let the next one on its thread begin."""
        await asyncio.wait({work})
        if not self.closing:
            status, failed = _verdict(work, live)
            if failed is not None:
                live.tell(failed.model_dump(mode="json"))
            await self.ledger.finish(live.row, status, live.events)
            if live.row.stateless:
                await history.delete(self.memory, live.row.thread_id)
        self._leave(live)
        live.end()

    async def _turn(self, live: Live) -> None:
        line = self.lines[live.row.thread_id]
        while line[0] is not live:
            await line[0].over.wait()
        while live.row.thread_id in self.held:
            await self.held[live.row.thread_id].wait()
        async with self.places:
            again = await self.ledger.begin(live.row)
            if live.row.attempt > MOST_ATTEMPTS:
                raise Capibara6Error("the run was killed too often", code="run_crashed", source="api")
            order = _order(live.row, again=again)
            wishes = RunConfig(**live.row.order.get("wishes", {}))
            async for event in stream(self.ready, order, context=self.context(wishes)):
                live.tell(event.model_dump(mode="json"))

    def _line_up(self, live: Live) -> None:
        self.live[live.row.run_id] = live
        self.lines.setdefault(live.row.thread_id, deque()).append(live)

    def _leave(self, live: Live) -> None:
        self.live.pop(live.row.run_id, None)
        line = self.lines.get(live.row.thread_id, deque())
        if live in line:
            line.remove(live)
        if not line:
            self.lines.pop(live.row.thread_id, None)


def _order(row: RunRow, *, again: bool) -> AgentRequest:
    return AgentRequest(
        row.agent_id,
        row.order.get("messages", []),
        instructions=row.order.get("instructions", ""),
        thread_id=row.thread_id,
        run_id=row.run_id,
        durable=True,
        again=again,
        command=row.order.get("command"),
    )


def _verdict(work: "asyncio.Task[None]", live: Live) -> tuple[str, Failed | None]:
    """How the run ended: its status, and the event that says so when there was no answer."""
    exc: BaseException | None = Cancelled("the run was cancelled") if work.cancelled() else work.exception()
    if exc is None:
        waits = bool(live.events) and live.events[-1][1]["event"] == Interrupted.model_fields["event"].default
        return ("interrupted" if waits else "success"), None
    if not isinstance(exc, Capibara6Error):
        log.error("run_broke", run_id=live.row.run_id, exc_info=exc)
        exc = Capibara6Error("internal error; see the service's log", source="api")
    status = {"cancelled": "cancelled", "run_deadline": "timeout"}.get(exc.code, "error")
    return status, Failed(run_id=live.row.run_id, error=exc.envelope()["error"])


def _busy(thread_id: str) -> Conflict:
    message = f"thread {thread_id} has a run that has not ended"
    return Conflict(message, param="multitask_strategy", source="api", code="thread_busy")
