"""HTTP clients of the services behind the MCP tools, and their errors as text that a model can act on."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tools.clients.api import Api, open_api
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.speech import SpeechClient, open_speech
from tools.errors import Capibara6Error
from tools.settings import Settings


@dataclass(frozen=True)
class Clients:
    """What a tool may call."""

    settings: Settings
    api: Api
    bridge: Bridge
    pool: Pool
    speech: SpeechClient


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncIterator[Clients]:
    """The clients, open while the block lasts."""
    async with AsyncExitStack() as stack:
        yield Clients(
            settings,
            api=await stack.enter_async_context(open_api(settings)),
            bridge=await stack.enter_async_context(open_bridge(settings)),
            pool=await stack.enter_async_context(open_pool(settings)),
            speech=await stack.enter_async_context(open_speech(settings)),
        )


def explain(exc: Capibara6Error) -> str:
    """What went wrong, and whether changing the arguments or waiting would help."""
    where = f" (argument: {exc.param})" if exc.param else ""
    if exc.status < 500 and exc.status != 429:
        return f"{exc.message}{where} [{exc.code}]"
    wait = f"in {exc.retry_after} s" if exc.retry_after else "later"
    return f"{exc.message} [{exc.code}]; the arguments are fine, try again {wait}"
