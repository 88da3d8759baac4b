"""The calls that a search makes to stores and embedder, to be made again without the bridge around them.

Not a benchmark by itself.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from servers.bridge.stores import Stores, open_stores
from tests.bench.hashed import NAME
from tools.schema import SearchRequest
from tools.settings import Settings


class Recorder:
    """Runs a search in this process and keeps what it asked of others."""

    def __init__(self, stores: Stores) -> None:
        self.calls: list[Callable[[], Awaitable[Any]]] = []
        self.stores, self.on = stores, False
        self._watch(stores.milvus.client, "search", "get")
        self._watch(stores.nebula, "execute")
        self._watch(stores.library, "collection")
        self._watch(stores.search.legs.titles, "telling")
        self._watch(stores.redis, "get", "set")
        self._watch(stores.search.near, "asked", "remember")
        self._watch(stores.embedders.get(NAME), "embed")

    async def record(self, request: SearchRequest) -> None:
        """What this search asks for."""
        self.calls.clear()
        self.on = True
        await self.stores.search.run("default", request)
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
    apart = SecretStr(settings.redis_url.removesuffix("/0") + "/1")
    changed = settings.stores.model_copy(update={"redis_url": apart})
    async with open_stores(settings.model_copy(update={"stores": changed})) as stores:
        yield Recorder(stores)


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1_000
