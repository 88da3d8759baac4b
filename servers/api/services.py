"""What the API's routes work with: clients, agents, threads and the runner, opened and closed together."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from agents.context import Clients, Context, RunConfig, open_clients
from agents.conversation.ownership import owner_prefix
from agents.conversation.persistence import Persistence, open_persistence
from agents.events import Event
from agents.runtime import AgentRequest, CompiledAgent, compile_agents, stream
from servers.api.runs.leader_lock import leader_lock
from servers.api.runs.repository import RunRepository
from servers.api.runs.runner import Runner
from servers.api.runs.tables import now, open_engine
from servers.api.runs.threads import Threads
from servers.api.stored.files import StoredFiles
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

log = get_logger("api")


@dataclass(frozen=True)
class Services:
    """What a route may use; `agents` are the compiled ones by name."""

    settings: Settings
    clients: Clients
    memory: Persistence
    agents: dict[str, CompiledAgent]
    threads: Threads
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
        repository, responses, files = RunRepository(engine), StoredResponses(engine), StoredFiles(engine)
        await responses.open()
        await files.open()
        runner = Runner(repository, memory, agents, of_run, settings.agents)
        await runner.resume()
        pruning = asyncio.create_task(_prune(repository, responses, settings.agents.keep_runs_days))
        try:
            threads = Threads(engine, memory)
            yield Services(settings, clients, memory, agents, threads, runner, responses, files, carrier)
        finally:
            pruning.cancel()
            await asyncio.gather(pruning, return_exceptions=True)
            await runner.close()


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


async def _peer_state(peer: Http) -> str:
    """`ok`, or the code of the error that the peer's health check gave."""
    try:
        await peer.send("GET", "/health/live", timeout=1.0)
    except Capibara6Error as exc:
        return exc.code
    return "ok"
