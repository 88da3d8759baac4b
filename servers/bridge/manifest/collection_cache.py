"""A cache of what is known of collections, half a second old at most, so that few requests ask PostgreSQL.

What was moved stays readable where it was for longer than a row is cached; that one is missing is not cached.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from tools.errors import StoreUnavailable

TTL_S = 0.5
MAX_ROWS = 1_024


Known = TypeVar("Known")
Known_co = TypeVar("Known_co", covariant=True)


class Source(Protocol[Known_co]):
    """Who knows of a collection; None when there is none."""

    async def collection(self, tenant: str, name: str) -> Known_co | None:
        """Ask for one, by its tenant and name."""
        ...


class CollectionCache(Generic[Known]):
    """What `source` knows, by tenant and name, at most `TTL_S` seconds old by `clock`; while the source does
    not answer, at most `stale_s`."""

    def __init__(
        self, source: Source[Known], clock: Callable[[], float] = time.monotonic, *, stale_s: float = 0.0
    ) -> None:
        self.source, self.clock, self.stale_s = source, clock, stale_s
        self.rows: dict[tuple[str, str], tuple[float, Known]] = {}
        self.queries: dict[tuple[str, str], asyncio.Task[Known | None]] = {}

    async def collection(self, tenant: str, name: str) -> Known | None:
        """As the source's; those that ask meanwhile share one query."""
        key = tenant, name
        held = self.rows.get(key)
        if held is not None and self.clock() - held[0] < TTL_S:
            return held[1]
        query = self.queries.get(key)
        if query is None:
            query = self.queries[key] = asyncio.create_task(self._query(key))
            query.add_done_callback(lambda task: self._finish(key, task))
        try:
            # A caller that is cancelled does not cancel it for the others.
            return await asyncio.shield(query)
        except StoreUnavailable:
            if held is not None and self.clock() - held[0] < self.stale_s:
                return held[1]
            raise

    def forget(self, tenant: str, name: str) -> None:
        """Drop a row; a query that is under way may bring one as old, so its answer is not cached."""
        self.rows.pop((tenant, name), None)
        self.queries.pop((tenant, name), None)

    async def _query(self, key: tuple[str, str]) -> Known | None:
        asked_at = self.clock()
        row = await self.source.collection(*key)
        if row is not None and self.queries.get(key) is asyncio.current_task():
            if len(self.rows) >= MAX_ROWS:
                self.rows.clear()
            self.rows[key] = asked_at, row
        return row

    def _finish(self, key: tuple[str, str], task: asyncio.Task[Known | None]) -> None:
        if self.queries.get(key) is task:
            del self.queries[key]
        if not task.cancelled():
            task.exception()  # raised for each of those who waited
