"""A cache of the collections' rows, half a second old at most, so that few vector searches ask PostgreSQL.

What was moved stays readable where it was for longer than a row is cached; that one is missing is not cached.
"""

import asyncio
import time
from collections.abc import Callable

from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import CollectionRow

TTL_S = 0.5
MAX_ROWS = 1_024


class CollectionCache:
    """Rows by tenant and name, at most `TTL_S` seconds old by `clock`."""

    def __init__(self, repository: Repository, clock: Callable[[], float] = time.monotonic) -> None:
        self.repository, self.clock = repository, clock
        self.rows: dict[tuple[str, str], tuple[float, CollectionRow]] = {}
        self.queries: dict[tuple[str, str], asyncio.Task[CollectionRow | None]] = {}

    async def collection(self, tenant: str, name: str) -> CollectionRow | None:
        """As `Repository.collection`; those that ask meanwhile share one query."""
        key = tenant, name
        at, row = self.rows.get(key, (0.0, None))
        if row is not None and self.clock() - at < TTL_S:
            return row
        query = self.queries.get(key)
        if query is None:
            query = self.queries[key] = asyncio.create_task(self._query(key))
            query.add_done_callback(lambda task: self._finish(key, task))
        # A caller that is cancelled does not cancel it for the others.
        return await asyncio.shield(query)

    def forget(self, tenant: str, name: str) -> None:
        """Drop a row; a query that is under way may bring one as old, so its answer is not cached."""
        self.rows.pop((tenant, name), None)
        self.queries.pop((tenant, name), None)

    async def _query(self, key: tuple[str, str]) -> CollectionRow | None:
        asked_at = self.clock()
        row = await self.repository.collection(*key)
        if row is not None and self.queries.get(key) is asyncio.current_task():
            if len(self.rows) >= MAX_ROWS:
                self.rows.clear()
            self.rows[key] = asked_at, row
        return row

    def _finish(self, key: tuple[str, str], task: asyncio.Task[CollectionRow | None]) -> None:
        if self.queries.get(key) is task:
            del self.queries[key]
        if not task.cancelled():
            task.exception()  # raised for each of those who waited
