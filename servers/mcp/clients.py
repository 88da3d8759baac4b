"""HTTP clients of the services behind the MCP tools, and their errors as text that a model can act on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from mcp.server.mcpserver.exceptions import ToolError

from tools.clients.api import Api, open_api
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.speech import SpeechClient, open_speech
from tools.errors import Capibara6Error
from tools.log import get_logger
from tools.settings import Settings

log = get_logger("mcp")


@dataclass(frozen=True)
class Clients:
    """What a tool may call."""

    settings: Settings
    api: Api
    bridge: Bridge
    speech: SpeechClient


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncIterator[Clients]:
    """The clients, open while the block lasts."""
    async with open_api(settings) as api, open_bridge(settings) as bridge, open_speech(settings) as speech:
        yield Clients(settings, api, bridge, speech)


@contextmanager
def tool_errors() -> Iterator[None]:
    """Raises `ToolError`, whose text the model reads, for an error of our services; others pass."""
    try:
        yield
    except Capibara6Error as exc:
        log.warning("tool_failed", code=exc.code, source=exc.source)
        raise ToolError(explain(exc)) from exc


def explain(exc: Capibara6Error) -> str:
    """What went wrong, and whether changing the arguments or waiting would help."""
    where = f" (argument: {exc.param})" if exc.param else ""
    if exc.status < 500 and exc.status != 429:
        return f"{exc.message}{where} [{exc.code}]"
    wait = f"in {exc.retry_after} s" if exc.retry_after else "later"
    return f"{exc.message} [{exc.code}]; the arguments are fine, try again {wait}"
