"""The read-only connection pool for callers' SQL: one statement at a time in each connection, and each given
back as new or not at all.

A round trip is what costs most here, so statements travel in pipelines and an idle connection is not asked
whether it lives: one that the server left shows it at its socket. Which role it takes is `roles`' business.
"""

import asyncio
import select
from collections.abc import Callable, Generator
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

from servers.bridge.clients.postgres.rows import Column, RowBatch, load_as_text

CURSOR = "question"
DECLARE = f'DECLARE "{CURSOR}" CURSOR FOR '
Statement = tuple[str, list[Any]]
BEGIN: Statement = ("BEGIN READ ONLY", [])


class ReadOnlyPool:
    """At most `max_connections` connections, made when they are needed; `options` are libpq's."""

    def __init__(self, dsn: str, *, max_connections: int, **options: Any) -> None:
        self.dsn, self.options = dsn, options
        self.slots = asyncio.Semaphore(max_connections)
        self.idle: list[AsyncConnection[Any]] = []

    async def close(self) -> None:
        """Close every idle connection."""
        while self.idle:
            await self.idle.pop().close()


class ReadOnlyConnection:
    """One connection in one slot of the pool, until `release` or `discard` gives the slot back."""

    def __init__(self, pool: ReadOnlyPool) -> None:
        self.pool = pool
        self.connection: AsyncConnection[Any] | None = None
        self.admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def raw(self) -> AsyncConnection[Any]:
        """psycopg's connection, which must be open."""
        assert self.connection is not None, "it is open"
        return self.connection

    async def open(self) -> None:
        """Take an idle connection that still lives, or make one. Raises psycopg's errors."""
        idle = self.pool.idle
        while idle:
            found = idle.pop()
            if nothing_to_read(found.fileno()):
                self.connection = found
                return
            await found.close()
        self.connection = await AsyncConnection.connect(
            self.pool.dsn, autocommit=True, prepare_threshold=None, **self.pool.options
        )
        load_as_text(self.connection)

    async def begin(self, take_role: Statement, *statements: Statement) -> RowBatch:
        """Begin a READ ONLY transaction, take the role in it, and run the `statements`: one round trip for
        all. Returns the rows of the last one; `admitted` is done as soon as the server has let us in."""
        await self.open()
        return await self.run_pipeline([BEGIN, take_role], [*statements], on_first=self._admit)

    async def fetch_more(self, count: int) -> RowBatch:
        """The next `count` rows of the cursor."""
        return await self.run_pipeline([fetch(count)])

    async def run_pipeline(
        self, *groups: list[Statement], on_first: Callable[[], None] | None = None
    ) -> RowBatch:
        """Run the statements of all groups; the rows of the last one. The extended query protocol admits
        nothing but one statement each, its values apart. Raises psycopg's errors.

        With `on_first` the groups are one transaction, and it is called when the first has been answered."""
        adapter = Transformer(self.raw)
        sent = [[(text.encode(), *_dumped(adapter, values)) for text, values in group] for group in groups]
        results = await self.raw.wait(_pipeline(self.raw.pgconn, sent, on_first))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result, encoding=self.raw.info.encoding)
        last = results[-1]
        adapter.set_pgresult(last)
        return RowBatch(_columns(self.raw, last), adapter.load_rows(0, last.ntuples, tuple))

    async def release(self) -> None:
        """ROLLBACK and DISCARD ALL, then back to the pool; when they fail the connection is closed."""
        try:
            await self.run_pipeline([("ROLLBACK", [])], [("DISCARD ALL", [])])
            self.pool.idle.append(self.raw)
            self.connection = None
        except (psycopg.Error, OSError):
            return
        finally:
            await self.discard()

    async def discard(self) -> None:
        """Give the slot back and close the connection: after half-read results, cancelled backends or
        resource errors a fresh one is cheaper."""
        connection, self.connection = self.connection, None
        self.pool.slots.release()
        if connection is not None:
            await connection.close()

    def _admit(self) -> None:
        if not self.admitted.done():
            self.admitted.set_result(None)


def nothing_to_read(descriptor: int) -> bool:
    """Whether nothing waits to be read: between statements a server sends nothing but its farewell."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def declare_cursor(statement: str, values: list[Any], *, first: int) -> tuple[Statement, Statement]:
    """Declare the cursor of one SELECT and take its `first` rows: a cap on rows needs no rewriting."""
    return (DECLARE + statement, values), fetch(first)


def fetch(count: int) -> Statement:
    """The statement that takes the next `count` rows of the cursor."""
    return f'FETCH FORWARD {count} FROM "{CURSOR}"', []


def _dumped(adapter: Any, values: list[Any]) -> tuple[Any, Any, Any]:
    if not values:
        return None, None, None
    dumped = adapter.dump_sequence(values, [PyFormat.AUTO] * len(values))
    return dumped, adapter.types, adapter.formats


def _pipeline(
    server: Any, groups: list[list[tuple[bytes, Any, Any, Any]]], on_first: Callable[[], None] | None
) -> Generator[Wait, Any, list[Any]]:
    """Send all in one packet and read every result. The client library's own pipelines send one packet a
    statement, which costs more than the rest of a query."""
    _send(server, groups, together=on_first is not None)
    while server.flush():
        yield Wait.RW
        server.consume_input()
    results: list[Any] = []
    syncs = 1 if on_first is not None else len(groups)
    ended = True
    while syncs:
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
        # None follows a statement's result, but not a sync's.
        ended = result.status == ExecStatus.PIPELINE_SYNC
        if ended:
            syncs -= 1
            continue
        results.append(result)
        if on_first is not None and len(results) == len(groups[0]):
            on_first()
    server.exit_pipeline_mode()
    return results


def _send(server: Any, groups: list[list[tuple[bytes, Any, Any, Any]]], *, together: bool) -> None:
    """`together`, they are one transaction of which each group is answered as soon as it has run."""
    server.enter_pipeline_mode()
    for number, group in enumerate(groups, 1):
        for text, values, types, formats in group:
            server.send_query_params(text, values, types, formats)
        if together and number < len(groups):
            server.send_flush_request()
        else:
            server.pipeline_sync()


def _columns(connection: AsyncConnection[Any], result: Any) -> list[Column]:
    found = []
    for number in range(result.nfields):
        kind = result.ftype(number)
        info = connection.adapters.types.get(kind)
        shown = info.get_type_display(oid=kind, fmod=result.fmod(number)) if info else str(kind)
        name = (result.fname(number) or b"").decode(connection.info.encoding, "replace")
        found.append(Column(name=name, type=shown))
    return found
