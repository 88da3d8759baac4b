"""The context of a run: the clients it may call, its limits, what was asked of it. No node changes it."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from agents.tooling.policy import Grants, granted
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.speech import SpeechClient, open_speech
from tools.mcp.remote_tools import RemoteTools, open_remote_tools
from tools.registry import Tool
from tools.schema import JsonObject, Language
from tools.settings import Agents, Chat, Settings


@dataclass(frozen=True)
class Clients:
    """One client per service; a field's name is the parameter by which tools ask for it."""

    pool: Pool
    bridge: Bridge
    speech: SpeechClient
    remote_tools: RemoteTools


@dataclass(frozen=True)
class RunConfig:
    """What the caller asked for; None leaves the choice to the agent. `options` go to the model as they are.

    `collections` are searched together, `collection` being the first; `voice` reads the answer where `speak`
    asks for it. `tools` is what the caller grants this run; `user` parts the caller's own facts, where it
    asks for several people: it is nobody's identity. `calling` are OpenAI's `tools`, `tool_choice` and
    `parallel_tool_calls`: tools that the caller runs itself; `response_format` is OpenAI's. Stored runs hold
    these fields by name.
    """

    collection: str | None = None
    collections: tuple[str, ...] = ()
    model: str | None = None
    language: Language | None = None
    speak: bool = False
    voice: str | None = None
    tools: tuple[str, ...] | None = None
    user: str | None = None
    options: JsonObject = field(default_factory=dict)
    calling: JsonObject = field(default_factory=dict)
    response_format: JsonObject | None = None

    @property
    def hands_over(self) -> bool:
        """Whether the model may ask the caller for a call."""
        return bool(self.calling.get("tools")) and self.calling.get("tool_choice") != "none"


@dataclass(frozen=True)
class Context:
    """Reached by nodes through `Runtime[Context]`.

    `tools` are those there are, whoever may call them; None means the registry's. `load_wait_s` is how long
    the pool lets a request wait for a place and a load.
    """

    clients: Clients
    chat: Chat
    config: RunConfig = RunConfig()
    limits: Agents = field(default_factory=Agents)
    tools: dict[str, Tool] | None = None
    run_id: str = ""
    thread_id: str | None = None
    load_wait_s: float = 0.0

    @property
    def deadline_s(self) -> float:
        """How long the run may take: who waits for a load has the time of the load as well."""
        return self.chat.deadline_s + (self.load_wait_s if self.chat.while_loading == "wait" else 0.0)

    def granted(self, default: Collection[str]) -> Grants:
        """The tools that settings and caller grant together; `default` where the caller names none."""
        return granted(self.limits.tools, self.config.tools, default)

    @property
    def collection(self) -> str:
        """Where to search: the caller's choice, or the settings'."""
        return self.collections[0]

    @property
    def collections(self) -> tuple[str, ...]:
        """Where to search, one collection or several."""
        chosen = self.config.collection or self.chat.collection
        return tuple(self.config.collections) or (chosen,)

    @property
    def model(self) -> str:
        """What should answer (`auto` lets the pool choose): the caller's choice, or the settings'."""
        return self.config.model or self.chat.model


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncIterator[Clients]:
    """The clients of every service an agent calls; connections live as long as the block."""
    async with AsyncExitStack() as stack:
        yield Clients(
            pool=await stack.enter_async_context(open_pool(settings)),
            bridge=await stack.enter_async_context(open_bridge(settings)),
            speech=await stack.enter_async_context(open_speech(settings)),
            remote_tools=await stack.enter_async_context(open_remote_tools(settings)),
        )
