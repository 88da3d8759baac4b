"""Connections for strangers' statements: one at a time in each, and each given back as new or not at all.

A round trip is what costs most here, so statements travel in pipelines and an idle connection is not asked
whether it lives: one that the server left shows it at its socket.
"""

import asyncio
import select
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

from servers.bridge.rows import Portion, as_printed
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
        await self.exchange(("BEGIN READ ONLY", []), (statement, values))

    async def ask(self, statement: str, values: list[Any], *, first: int) -> Portion:
        """Declare the cursor of one SELECT and take its `first` rows: a cap on rows needs no rewriting."""
        return await self.exchange((DECLARE + statement, values), (_fetch(first), []))

    async def more(self, count: int) -> Portion:
        return await self.exchange((_fetch(count), []))

    async def plain(self, statement: str, values: list[Any]) -> Portion:
        """What no cursor takes."""
        return await self.exchange((statement, values))

    async def exchange(self, *statements: tuple[str, list[Any]]) -> Portion:
        """One round trip for all, and what the last one gave. The protocol's extended form admits nothing
        but one statement each, its values apart. Raises psycopg's errors."""
        adapter = Transformer(self.raw)
        sent = [(text.encode(), *_dumped(adapter, values)) for text, values in statements]
        results = await self.raw.wait(_exchanged(self.raw.pgconn, sent))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result, encoding=self.raw.info.encoding)
        last = results[-1]
        adapter.set_pgresult(last)
        return Portion(_columns(self.raw, last), adapter.load_rows(0, last.ntuples, tuple))

    async def cleaned(self) -> None:
        """Roll back and give the connection back as new, or not at all."""
        try:
            await self.exchange(("ROLLBACK", []))
            await self.exchange(("DISCARD ALL", []))
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


def _dumped(adapter: Any, values: list[Any]) -> tuple[Any, Any, Any]:
    if not values:
        return None, None, None
    dumped = adapter.dump_sequence(values, [PyFormat.AUTO] * len(values))
    return dumped, adapter.types, adapter.formats


def _exchanged(server: Any, sent: list[tuple[bytes, Any, Any, Any]]) -> Generator[Wait, Any, list[Any]]:
    """Send all in one packet and read every result. The client library's own pipelines send one packet a
    statement, which costs more than the rest of a query."""
    server.enter_pipeline_mode()
    for text, values, types, formats in sent:
        server.send_query_params(text, values, types, formats)
    server.pipeline_sync()
    while server.flush():
        yield Wait.RW
        server.consume_input()
    results: list[Any] = []
    ended = True
    while True:
        while server.is_busy():
            yield Wait.R
            server.consume_input()
        result = server.get_result()
        if result is None:
            # One of these ends a statement; two are all that a broken connection has to say.
            if ended:
                raise psycopg.OperationalError("the connection is lost")
            ended = True
            continue
        ended = False
        if result.status == ExecStatus.PIPELINE_SYNC:
            break
        results.append(result)
    server.exit_pipeline_mode()
    return results


def _columns(connection: AsyncConnection[Any], result: Any) -> list[dict[str, str]]:
    found = []
    for number in range(result.nfields):
        kind = result.ftype(number)
        info = connection.adapters.types.get(kind)
        shown = info.get_type_display(oid=kind, fmod=result.fmod(number)) if info else str(kind)
        name = (result.fname(number) or b"").decode(connection.info.encoding, "replace")
        found.append({"name": name, "type": shown})
    return found
