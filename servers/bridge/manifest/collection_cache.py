"""Where collections were a moment ago: a search of vectors asks PostgreSQL for that only now and then.

What was moved stays readable where it was for longer than a row is held here; a collection that is missing is
asked for each time.
"""

import asyncio
import time
from collections.abc import Callable

from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import CollectionRow

HELD_S = 0.5
MOST = 1_024


class CollectionCache:
    """Rows of collections, at most `HELD_S` old."""

    def __init__(self, library: Repository, clock: Callable[[], float] = time.monotonic) -> None:
        self.library, self.clock = library, clock
        self.held: dict[tuple[str, str], tuple[float, CollectionRow]] = {}
        self.asking: dict[tuple[str, str], asyncio.Task[CollectionRow | None]] = {}

    async def collection(self, tenant: str, name: str) -> CollectionRow | None:
        """As `Library.collection`. A crowd asks once."""
        key = tenant, name
        at, row = self.held.get(key, (0.0, None))
        if row is not None and self.clock() - at < HELD_S:
            return row
        asking = self.asking.get(key)
        if asking is None:
            asking = self.asking[key] = asyncio.create_task(self._asked(key))
            asking.add_done_callback(lambda task: self._told(key, task))
        # Whoever leaves, the others still wait for it.
        return await asyncio.shield(asking)

    def forget(self, tenant: str, name: str) -> None:
        """What is being asked meanwhile may be as old."""
        self.held.pop((tenant, name), None)
        self.asking.pop((tenant, name), None)

    async def _asked(self, key: tuple[str, str]) -> CollectionRow | None:
        asked = self.clock()
        row = await self.library.collection(*key)
        if row is not None and self.asking.get(key) is asyncio.current_task():
            if len(self.held) >= MOST:
                self.held.clear()
            self.held[key] = asked, row
        return row

    def _told(self, key: tuple[str, str], task: asyncio.Task[CollectionRow | None]) -> None:
        if self.asking.get(key) is task:
            del self.asking[key]
        if not task.cancelled():
            task.exception()  # those who waited for it were told
