"""What a run is given: the clients it may call and what its caller asked for. No node changes it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.speech import SpeechClient, open_speech
from tools.schema import Language
from tools.settings import Chat, Settings


@dataclass(frozen=True)
class Clients:
    pool: Pool
    bridge: Bridge
    speech: SpeechClient


@dataclass(frozen=True)
class Wishes:
    """The caller's choices; None leaves the choice to the agent. `options` go to the model as they are."""

    collection: str | None = None
    model: str | None = None
    language: Language | None = None
    speak: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """One run's surroundings, reached by nodes through `Runtime[Context]`."""

    clients: Clients
    chat: Chat
    wishes: Wishes = Wishes()

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
        )
