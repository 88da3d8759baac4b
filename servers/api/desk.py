"""What the API's routes work with: settings, clients and agents, opened once and closed with the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agents.context import Clients, Context, Wishes, open_clients
from agents.memory import open_memory
from agents.runtime import Ready, compile_agents
from tools.clients.http import Http
from tools.errors import Capibara6Error
from tools.settings import Settings


@dataclass(frozen=True)
class Desk:
    settings: Settings
    clients: Clients
    ready: dict[str, Ready]

    def context(self, wishes: Wishes) -> Context:
        return Context(self.clients, self.settings.chat, wishes)

    async def health(self) -> dict[str, Any]:
        """`ok`, or `degraded` naming the peers that do not answer; the API itself lives without them."""
        peers = (self.clients.pool.http, self.clients.bridge.http, self.clients.speech.http)
        states = dict(
            zip(("pool", "bridge", "speech"), await asyncio.gather(*map(_lives, peers)), strict=True)
        )
        return {"status": "ok" if set(states.values()) == {"ok"} else "degraded", "peers": states}


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    async with open_clients(settings) as clients, open_memory(settings) as memory:
        yield Desk(settings, clients, compile_agents(memory))


async def _lives(peer: Http) -> str:
    try:
        await peer.send("GET", "/health/live", timeout=1.0)
    except Capibara6Error as exc:
        return exc.code
    return "ok"
