"""Connections for strangers' statements: one at a time in each, and each given back as new or not at all.

A round trip is what costs most here, so statements travel in pipelines and an idle connection is not asked
whether it lives: one that the server left shows it at its socket.
"""

import asyncio
import select
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor

from servers.bridge.rows import as_printed
from tools.errors import StoreUnavailable

CURSOR = "question"
DECLARE = f'DECLARE "{CURSOR}" CURSOR FOR '


class Readers:
    """At most `most` connections, made when they are needed."""

    def __init__(self, dsn: str, *, most: int, deadline_s: float, **options: Any) -> None:
        self.dsn, self.deadline_s, self.options = dsn, deadline_s, options
        self.slots = asyncio.Semaphore(most)
        self.idle: list[AsyncConnection[Any]] = []

    async def slot(self) -> None:
        """Wait for the right to one connection. Raises StoreUnavailable when all stay taken."""
        try:
            async with asyncio.timeout(self.deadline_s):
                await self.slots.acquire()
        except TimeoutError as exc:
            raise StoreUnavailable("postgres is busy", source="postgres", retry_after=1) from exc

    async def close(self) -> None:
        while self.idle:
            await self.idle.pop().close()


class Reading:
    """One connection from `open` to `cleaned` or `dropped`, one of which gives its slot back."""

    def __init__(self, readers: Readers) -> None:
        self.readers = readers
        self.connection: AsyncConnection[Any] | None = None

    @property
    def raw(self) -> AsyncConnection[Any]:
        assert self.connection is not None, "it is open"
        return self.connection

    async def open(self) -> None:
        idle = self.readers.idle
        while idle:
            found = idle.pop()
            if quiet(found.fileno()):
                self.connection = found
                return
            await found.close()
        self.connection = await AsyncConnection.connect(
            self.readers.dsn, autocommit=True, prepare_threshold=None, **self.readers.options
        )
        as_printed(self.connection)

    async def enter(self, statement: str, values: list[Any]) -> None:
        """Open, begin a READ ONLY transaction, and become in it what `statement` says."""
        await self.open()
        async with self.raw.pipeline():
            await self.raw.execute("BEGIN READ ONLY")
            await AsyncRawCursor(self.raw).execute(statement, values)

    async def ask(self, statement: str, values: list[Any], *, first: int) -> AsyncRawCursor[Any]:
        """Declare the cursor of one SELECT and take its `first` rows: the protocol admits no second
        statement, and a cap on rows needs no rewriting."""
        cursor = AsyncRawCursor(self.raw)
        async with self.raw.pipeline():
            await AsyncRawCursor(self.raw).execute(DECLARE + statement, values)
            await cursor.execute(_fetch(first))
        return cursor

    async def more(self, cursor: AsyncRawCursor[Any], count: int) -> None:
        await cursor.execute(_fetch(count))

    async def plain(self, statement: str, values: list[Any]) -> AsyncRawCursor[Any]:
        """What no cursor takes; in a pipeline the protocol admits no second statement either."""
        cursor = AsyncRawCursor(self.raw)
        async with self.raw.pipeline():
            await cursor.execute(statement, values)
        return cursor

    async def cleaned(self) -> None:
        """Roll back and give the connection back as new, or not at all."""
        try:
            await self.raw.execute("ROLLBACK")
            await self.raw.execute("DISCARD ALL")
            self.readers.idle.append(self.raw)
            self.connection = None
        except (psycopg.Error, OSError):
            return
        finally:
            await self.dropped()

    async def dropped(self) -> None:
        """Half-read results, cancelled backends, resource errors: a fresh connection is cheaper."""
        held, self.connection = self.connection, None
        self.readers.slots.release()
        if held is not None:
            await held.close()


def quiet(descriptor: int) -> bool:
    """Whether nothing waits to be read: between statements a server sends nothing but its farewell."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def _fetch(count: int) -> str:
    return f'FETCH FORWARD {count} FROM "{CURSOR}"'
