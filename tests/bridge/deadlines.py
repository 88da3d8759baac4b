"""The bridge's services without its deadlines: for tests of what a search answers, not of when.

A retriever has 1.2 s, a cache 0.1 s and a store 2 s: right for the person who waits, too short for a test
machine that runs everything at once, where the answer is then degraded or not cached.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from servers.bridge.search import answer_cache, semantic_cache
from servers.bridge.services import Services, open_services
from tools.settings import Settings

DEADLINE_S = 120.0


@asynccontextmanager
async def open_without_deadlines(settings: Settings) -> AsyncIterator[Services]:
    """As `open_services`, with `DEADLINE_S` for whatever a search waits for."""
    stores = settings.stores.model_copy(update={"deadline_s": DEADLINE_S})
    with pytest.MonkeyPatch.context() as patch:
        for cache in (answer_cache, semantic_cache):
            patch.setattr(cache, "DEADLINE_S", DEADLINE_S)
        async with open_services(settings.model_copy(update={"stores": stores})) as services:
            services.search.retrievers.deadline_s = DEADLINE_S
            yield services
