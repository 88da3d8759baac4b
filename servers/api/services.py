"""What the API's routes work with: clients, agents, threads and the runner, opened and closed together."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from agents.context import Clients, Context, RunConfig, open_clients
from agents.conversation.ownership import owner_prefix
from agents.conversation.persistence import Persistence, open_persistence
from agents.events import Event
from agents.runtime import AgentRequest, CompiledAgent, compile_agents, stream
from servers.api.assistants.catalog import Assistants
from servers.api.runs.deliveries import Outbox
from servers.api.runs.leader_lock import leader_lock
from servers.api.runs.repository import RunRepository
from servers.api.runs.runner import Runner
from servers.api.runs.states import States
from servers.api.runs.tables import STORE_ERRORS, create_tables, now, open_engine
from servers.api.runs.threads import ThreadQuery, Threads
from servers.api.stored.files import StoredFiles
from servers.api.stored.ingestions import IngestionRow
from servers.api.stored.responses import StoredResponses
from tools.access.identity import Principal
from tools.clients.credentials import Credentials
from tools.clients.http import Http
from tools.clients.pool import longest_s
from tools.clients.raw.carrier import Carrier, open_carrier
from tools.errors import Capibara6Error
from tools.log import get_logger
from tools.schema import JsonObject
from tools.settings import Settings

PRUNE_S = 6 * 3_600.0
EXPIRE_S = 60.0
TABLES = (
    "assistants",
    "assistant_versions",
    "deliveries",
    "responses",
    "files",
    str(IngestionRow.__tablename__),
)
"""Beside those of threads and runs, which the engine comes with."""

log = get_logger("api")


@dataclass(frozen=True)
class Services:
    """What a route may use; `agents` are the compiled ones by name."""

    settings: Settings
    clients: Clients
    memory: Persistence
    agents: dict[str, CompiledAgent]
    assistants: Assistants
    threads: Threads
    states: States
    runner: Runner
    responses: StoredResponses
    files: StoredFiles
    carrier: Carrier
    """To the pool, for what is only passed on."""

    async def stream_turn(
        self, order: AgentRequest, wishes: RunConfig, by: Principal
    ) -> AsyncGenerator[Event, None]:
        """Events of a turn that is no run: not stored, nobody can rejoin it. Its thread, if it has one, is
        `by`'s and reserved while it lasts. Raises `Conflict` when that thread is busy."""
        order = replace(order, owner=owner_prefix(by))
        async with AsyncExitStack() as stack:
            if order.thread_key is not None:
                await stack.enter_async_context(self.runner.reserve(order.thread_key))
                await self.threads.create(order.thread_id, by, {}, if_exists="do_nothing")
            events = stream(self.agents, order, context=self.context(wishes))
            async for event in await stack.enter_async_context(aclosing(events)):
                yield event

    async def delete_threads(self, metadata: JsonObject, by: Principal) -> None:
        """Delete the threads of `by` whose metadata hold these, but those in which a run has not ended."""
        for row in await self.threads.search(by, ThreadQuery(metadata=metadata)):
            if not self.runner.is_busy(row.thread_id):
                await self.threads.delete(row.thread_id)

    def context(self, wishes: RunConfig) -> Context:
        """A turn's context, from its caller's choices."""
        return build_context(self.settings, self.clients, wishes)

    async def health(self) -> JsonObject:
        """`{status, peers}`: `ok`, or `degraded` when a peer does not answer, which ends nothing here."""
        peers = (self.clients.pool.http, self.clients.bridge.http, self.clients.speech.http)
        states = await asyncio.gather(*map(_peer_state, peers))
        named = dict(zip(("pool", "bridge", "speech"), states, strict=True))
        return {"status": "ok" if set(states) == {"ok"} else "degraded", "peers": named}


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Everything open, and the runs of a killed process started again. Raises `Conflict` when another
    process serves this database."""
    async with (
        leader_lock(settings),
        open_clients(settings) as clients,
        open_carrier(
            settings.pool_url, "pool", auth=Credentials(settings), timeout=longest_s(settings)
        ) as carrier,
        open_persistence(settings) as memory,
        open_engine(settings) as engine,
    ):
        agents = compile_agents(memory)
        of_run = partial(build_context, settings, clients)
        await create_tables(engine, *TABLES)
        outbox, responses = Outbox(engine, settings.fetch), StoredResponses(engine)
        repository = RunRepository(engine, outbox)
        runner = Runner(repository, memory, agents, of_run, settings.agents)
        await runner.resume()
        threads, assistants = Threads(engine, memory), Assistants(engine)
        await assistants.load()
        opened = (settings, clients, memory, agents, assistants, threads, States(agents), runner)
        keeping = (
            _prune(repository, responses, settings.agents.keep_runs_days),
            _expire(threads, memory),
            outbox.run(),
        )
        async with _in_background(*keeping):
            try:
                yield Services(*opened, responses, StoredFiles(engine), carrier)
            finally:
                await runner.close()


@asynccontextmanager
async def _in_background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """What goes on as long as the block lasts."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def build_context(settings: Settings, clients: Clients, wishes: RunConfig) -> Context:
    """A turn's context, from its caller's choices."""
    wait_s = settings.pool.queue_wait_s + settings.pool.load_s
    return Context(clients, settings.chat, wishes, settings.agents, load_wait_s=wait_s)


async def _prune(repository: RunRepository, responses: StoredResponses, days: int) -> None:
    """Ended runs and responses are kept for `days`, for those who come back to read them."""
    while True:
        before = now() - timedelta(days=days)
        log.info("pruned", runs=await repository.prune(before), responses=await responses.prune(before))
        await asyncio.sleep(PRUNE_S)


async def _expire(threads: Threads, memory: Persistence) -> None:
    """Threads and kept items end when their time is over. A store that fails is asked again."""
    while True:
        try:
            removed = {"threads": await threads.expire(), "items": await memory.sweep()}
            if any(removed.values()):
                log.info("expired", **removed)
        except STORE_ERRORS as exc:
            log.error("not_expired", reason=str(exc))
        await asyncio.sleep(EXPIRE_S)


async def _peer_state(peer: Http) -> str:
    """`ok`, or the code of the error that the peer's health check gave."""
    try:
        await peer.send("GET", "/health/live", timeout=1.0)
    except Capibara6Error as exc:
        return exc.code
    return "ok"
