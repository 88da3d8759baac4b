"""What a run is given: the clients it may call and what its caller asked for. No node changes it."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agents.tooling.policy import granted
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.speech import SpeechClient, open_speech
from tools.registry import Tool
from tools.remote import Remotes
from tools.schema import Language
from tools.settings import Agents, Chat, Settings


@dataclass(frozen=True)
class Clients:
    pool: Pool
    bridge: Bridge
    speech: SpeechClient
    remotes: Remotes


@dataclass(frozen=True)
class Wishes:
    """The caller's choices; None leaves the choice to the agent. `options` go to the model as they are.

    `tools` is what the caller grants this task; `user` is whose facts may be remembered and recalled.
    """

    collection: str | None = None
    model: str | None = None
    language: Language | None = None
    speak: bool = False
    tools: tuple[str, ...] | None = None
    user: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """One run's surroundings, reached by nodes through `Runtime[Context]`.

    `tools` are those there are, whoever may call them; None means the registry's.
    """

    clients: Clients
    chat: Chat
    wishes: Wishes = Wishes()
    bounds: Agents = field(default_factory=Agents)
    tools: dict[str, Tool] | None = None
    run_id: str = ""
    thread_id: str | None = None

    def granted(self, default: Collection[str]) -> frozenset[str]:
        """The tools that key and task grant together."""
        return granted(self.bounds.tools, self.wishes.tools, default)

    @property
    def collection(self) -> str:
        return self.wishes.collection or self.chat.collection

    @property
    def model(self) -> str:
        return self.wishes.model or self.chat.model


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncIterator[Clients]:
    """The clients of every service an agent calls; connections live as long as the block."""
    async with AsyncExitStack() as stack:
        yield Clients(
            pool=await stack.enter_async_context(open_pool(settings)),
            bridge=await stack.enter_async_context(open_bridge(settings)),
            speech=await stack.enter_async_context(open_speech(settings)),
            remotes=Remotes(settings.agents.mcp),
        )
