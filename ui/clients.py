"""The UI's HTTP clients: one for each service that it asks, for as long as the UI runs.

A client costs a TLS context (23 ms of CPU) and a connection: neither is paid again for each question.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tools.clients.api import Api, Files, open_api
from tools.clients.assistants import Assistants
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.speech import SpeechClient, open_speech
from tools.clients.threads import Threads
from tools.settings import Settings


@dataclass(frozen=True)
class Clients:
    """What every session of the page asks through; they keep nothing of whoever asks."""

    api: Api
    threads: Threads
    speech: SpeechClient
    pool: Pool
    bridge: Bridge
    files: Files
    assistants: Assistants


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncIterator[Clients]:
    """The clients; their connections live as long as the block."""
    async with (
        open_api(settings) as api,
        open_speech(settings) as speech,
        open_pool(settings) as pool,
        open_bridge(settings) as bridge,
    ):
        yield Clients(api, Threads(api.http), speech, pool, bridge, Files(api.http), Assistants(api.http))
