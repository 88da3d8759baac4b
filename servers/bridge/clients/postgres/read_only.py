"""Connections for strangers' statements: one at a time in each, and each given back as new or not at all.

A round trip is what costs most here, so statements travel in pipelines and an idle connection is not asked
whether it lives: one that the server left shows it at its socket.
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

from servers.bridge.clients.postgres.rows import Portion, as_printed

CURSOR = "question"
DECLARE = f'DECLARE "{CURSOR}" CURSOR FOR '
Statement = tuple[str, list[Any]]
BEGIN: Statement = ("BEGIN READ ONLY", [])


class Readers:
    """At most `most` connections, made when they are needed."""

    def __init__(self, dsn: str, *, most: int, **options: Any) -> None:
        self.dsn, self.options = dsn, options
        self.slots = asyncio.Semaphore(most)
        self.idle: list[AsyncConnection[Any]] = []

    async def close(self) -> None:
        while self.idle:
            await self.idle.pop().close()


class Reading:
    """One connection in one slot, until `cleaned` or `dropped` gives the slot back."""

    def __init__(self, readers: Readers) -> None:
        self.readers = readers
        self.connection: AsyncConnection[Any] | None = None
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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

    async def enter(self, become: Statement, *asked: Statement) -> Portion:
        """Begin a READ ONLY transaction, become in it what `become` says, and run what is `asked`: one round
        trip for all, and what the last one gave. `entered` is done as soon as the server has let us in."""
        await self.open()
        return await self.exchange([BEGIN, become], [*asked], heard=self._heard)

    async def more(self, count: int) -> Portion:
        return await self.exchange([fetch(count)])

    async def exchange(self, *groups: list[Statement], heard: Callable[[], None] | None = None) -> Portion:
        """Run the statements of all groups and give what the last one gave. The protocol's extended form
        admits nothing but one statement each, its values apart. Raises psycopg's errors.

        With `heard`, the groups are one transaction, and it is called when the first has been answered."""
        adapter = Transformer(self.raw)
        sent = [[(text.encode(), *_dumped(adapter, values)) for text, values in group] for group in groups]
        results = await self.raw.wait(_exchanged(self.raw.pgconn, sent, heard))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result, encoding=self.raw.info.encoding)
        last = results[-1]
        adapter.set_pgresult(last)
        return Portion(_columns(self.raw, last), adapter.load_rows(0, last.ntuples, tuple))

    async def cleaned(self) -> None:
        """Roll back and give the connection back as new, or not at all."""
        try:
            await self.exchange([("ROLLBACK", [])], [("DISCARD ALL", [])])
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

    def _heard(self) -> None:
        if not self.entered.done():
            self.entered.set_result(None)


def quiet(descriptor: int) -> bool:
    """Whether nothing waits to be read: between statements a server sends nothing but its farewell."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def declared(statement: str, values: list[Any], *, first: int) -> tuple[Statement, Statement]:
    """Declare the cursor of one SELECT and take its `first` rows: a cap on rows needs no rewriting."""
    return (DECLARE + statement, values), fetch(first)


def fetch(count: int) -> Statement:
    return f'FETCH FORWARD {count} FROM "{CURSOR}"', []


def _dumped(adapter: Any, values: list[Any]) -> tuple[Any, Any, Any]:
    if not values:
        return None, None, None
    dumped = adapter.dump_sequence(values, [PyFormat.AUTO] * len(values))
    return dumped, adapter.types, adapter.formats


def _exchanged(
    server: Any, groups: list[list[tuple[bytes, Any, Any, Any]]], heard: Callable[[], None] | None
) -> Generator[Wait, Any, list[Any]]:
    """Send all in one packet and read every result. The client library's own pipelines send one packet a
    statement, which costs more than the rest of a query."""
    _send(server, groups, together=heard is not None)
    while server.flush():
        yield Wait.RW
        server.consume_input()
    results: list[Any] = []
    syncs = 1 if heard is not None else len(groups)
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
        if heard is not None and len(results) == len(groups[0]):
            heard()
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


def _columns(connection: AsyncConnection[Any], result: Any) -> list[dict[str, str]]:
    found = []
    for number in range(result.nfields):
        kind = result.ftype(number)
        info = connection.adapters.types.get(kind)
        shown = info.get_type_display(oid=kind, fmod=result.fmod(number)) if info else str(kind)
        name = (result.fname(number) or b"").decode(connection.info.encoding, "replace")
        found.append({"name": name, "type": shown})
    return found
