"""The calls that a search makes to stores and embedder, to be made again without the bridge around them.

Not a benchmark by itself.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from servers.bridge.services import Services, open_services
from tests.bench.parts.hashed import NAME
from tools.schema import SearchRequest
from tools.settings import Settings


class Recorder:
    """Runs a search in this process and keeps what it asked of others."""

    def __init__(self, services: Services) -> None:
        self.calls: list[Callable[[], Awaitable[Any]]] = []
        self.services, self.on = services, False
        self._watch(services.milvus.client, "search", "get")
        self._watch(services.nebula, "execute")
        self._watch(services.repository, "collection")
        self._watch(services.search.retrievers.graph.titles, "telling")
        self._watch(services.redis, "get", "set")
        self._watch(services.search.semantic_cache, "latest", "remember")
        self._watch(services.embedders.get(NAME), "embed")

    async def record(self, request: SearchRequest) -> None:
        """What this search asks for."""
        self.calls.clear()
        self.on = True
        await self.services.search.run("default", request)
        self.on = False

    async def again(self) -> float:
        """The same calls, one by one, in ms."""
        return sum([await timed(call) for call in self.calls])

    def _watch(self, owner: Any, *verbs: str) -> None:
        for verb in verbs:
            setattr(owner, verb, self._watched(getattr(owner, verb)))

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **named: Any) -> Any:
            if self.on:
                self.calls.append(lambda: real(*given, **named))
            return real(*given, **named)

        return watched


@asynccontextmanager
async def open_recorder(settings: Settings) -> AsyncIterator[Recorder]:
    """The bridge's own parts over the same stores. What they keep in Redis lies in a database of its own, or
    the bridge would find its questions answered."""
    apart = SecretStr(settings.redis_url.replace("?db=0", "?db=1"))
    changed = settings.stores.model_copy(update={"redis_url": apart})
    async with open_services(settings.model_copy(update={"stores": changed})) as services:
        yield Recorder(services)


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1_000
