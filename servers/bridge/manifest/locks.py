"""Locks of documents and of collections, for writers: few at a time, in turn, so that they starve nobody.

A writer holds a connection for its lock and needs others meanwhile: whoever waits for a turn holds none.
What is done under the lock is the writers' business.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.upsert_plan import Location
from tools.errors import QueueFull, StoreUnavailable

WRITERS = 6
"""At once, in this process: most of the store's connections (`clients.postgres.client.CONNECTIONS`) are for
what they do under their locks, and for everybody else."""
MAX_WAITING = 512
TURN_S = 60.0
"""How long a writer waits for its turn, and then for a lock that another holds."""


class Locks:
    """Turns and locks of this process's writers."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.turns = asyncio.Semaphore(WRITERS)
        self.waiting = 0

    @asynccontextmanager
    async def hold(self, location: Location, ids: Sequence[str]) -> AsyncIterator[None]:
        """Nobody else writes these documents within the block, nor moves the collection from where it is.

        Locks are taken in one order by all, so there is no deadlock. Raises QueueFull; StoreUnavailable
        when it is not our turn in time."""
        keys = sorted({lock_key(location, item) for item in ids})
        await self._turn()
        try:
            async with self.postgres.session() as session:
                await session.execute(text(f"SET LOCAL lock_timeout = '{TURN_S:.0f}s'"))
                await session.execute(text(_LOCK_COLLECTION), {"key": lock_key(location)})
                await session.execute(text(_LOCK), {"keys": keys})
                yield
        finally:
            self.turns.release()

    async def _turn(self) -> None:
        if self.waiting >= MAX_WAITING:
            raise QueueFull("too many writes are waiting", source="bridge", retry_after=5)
        self.waiting += 1
        try:
            async with asyncio.timeout(TURN_S):
                await self.turns.acquire()
        except TimeoutError as exc:
            raise StoreUnavailable("other writes take long", source="bridge", retry_after=5) from exc
        finally:
            self.waiting -= 1


def lock_key(location: Location, document_id: str = "") -> int:
    """The advisory lock of a document; without one, of the collection."""
    name = f"{location.tenant}\x1f{location.collection}\x1f{document_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


_LOCK_COLLECTION = "SELECT pg_advisory_xact_lock_shared(:key)"
# In the order of the array, which is everybody's order.
_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(CAST(:keys AS bigint[])) AS key"
