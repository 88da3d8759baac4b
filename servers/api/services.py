"""What the API's routes work with: settings, clients and agents, opened once and closed with the server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from agents.context import Clients, Context, RunConfig, open_clients
from agents.conversation.persistence import Persistence, open_persistence
from agents.events import Event
from agents.runtime import AgentRequest, CompiledAgent, compile_agents, stream
from servers.api.runs.leader_lock import sole
from servers.api.runs.repository import Ledger
from servers.api.runs.runner import Runs
from servers.api.runs.tables import now, open_rows
from servers.api.runs.threads import Threads
from tools.clients.http import Http
from tools.errors import Capibara6Error
from tools.log import get_logger
from tools.settings import Settings

PRUNE_S = 6 * 3_600.0

log = get_logger("api")


@dataclass(frozen=True)
class Desk:
    settings: Settings
    clients: Clients
    memory: Persistence
    ready: dict[str, CompiledAgent]
    threads: Threads
    runs: Runs

    async def turn(self, order: AgentRequest, wishes: RunConfig) -> AsyncGenerator[Event, None]:
        """A passing turn: nobody can rejoin it. On a thread it keeps the thread while it lasts."""
        async with AsyncExitStack() as stack:
            if order.thread_id is not None:
                await stack.enter_async_context(self.runs.hold(order.thread_id))
                await self.threads.create(order.thread_id, {}, exists="do_nothing")
            events = stream(self.ready, order, context=self.context(wishes))
            async for event in await stack.enter_async_context(aclosing(events)):
                yield event

    def context(self, wishes: RunConfig) -> Context:
        return Context(self.clients, self.settings.chat, wishes, self.settings.agents)

    async def health(self) -> dict[str, Any]:
        """`ok`, or `degraded` naming the peers that do not answer; the API itself lives without them."""
        peers = (self.clients.pool.http, self.clients.bridge.http, self.clients.speech.http)
        states = dict(
            zip(("pool", "bridge", "speech"), await asyncio.gather(*map(_lives, peers)), strict=True)
        )
        return {"status": "ok" if set(states.values()) == {"ok"} else "degraded", "peers": states}


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Everything open, and the runs of a killed process taken up again."""
    async with (
        sole(settings),
        open_clients(settings) as clients,
        open_persistence(settings) as memory,
        open_rows(settings) as engine,
    ):
        ready = compile_agents(memory)
        around = partial(Context, clients, settings.chat, limits=settings.agents)
        ledger = Ledger(engine)
        runs = Runs(ledger, memory, ready, around, settings.agents)
        await runs.resume()
        pruning = asyncio.create_task(_prune(ledger, settings.agents.keep_runs_days))
        try:
            yield Desk(settings, clients, memory, ready, Threads(engine, memory), runs)
        finally:
            pruning.cancel()
            await asyncio.gather(pruning, return_exceptions=True)
            await runs.close()


async def _prune(ledger: Ledger, days: int) -> None:
    """Ended runs are kept for a while, for those who come back to read them."""
    while True:
        removed = await ledger.prune(now() - timedelta(days=days))
        log.info("pruned", runs=removed)
        await asyncio.sleep(PRUNE_S)


async def _lives(peer: Http) -> str:
    try:
        await peer.send("GET", "/health/live", timeout=1.0)
    except Capibara6Error as exc:
        return exc.code
    return "ok"
