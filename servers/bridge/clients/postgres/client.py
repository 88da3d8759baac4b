"""The PostgreSQL client: a session for the manifest, and the read-only door for other people's SQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from servers.bridge.clients.postgres import sqlstate
from servers.bridge.clients.postgres.explain import without_costs
from servers.bridge.clients.postgres.migrate import upgrade
from servers.bridge.clients.postgres.read_only import DECLARE, Readers, Reading, Statement, declared
from servers.bridge.clients.postgres.roles import ENTER, STATEMENT_MS, entering, grants
from servers.bridge.clients.postgres.rows import TABLES, Portion, collect, grouped, portion
from servers.bridge.clients.postgres.statement_check import check
from servers.bridge.clients.store_client import Store
from servers.bridge.clients.tenants import DEFAULT
from tools.errors import BadRequest, Forbidden, StoreUnavailable
from tools.settings import Settings

SHORT = 2_000
"""Statements up to here are checked sooner than a thread is woken."""
ROWS = 1_000
READERS = 16
GRANTS_S = 5.0
"""A table that is new is looked for at most so often."""
MIGRATION_LOCK = 6_006_001


class Postgres(Store):
    """`session()` is for the bridge's own tables; `query()` runs a stranger's SELECT with nothing to lose."""

    source = "postgres"

    def __init__(self, dsn: str, host: str, *, deadline_s: float) -> None:
        super().__init__(host, deadline_s=deadline_s)
        url = dsn.replace("postgresql://", "postgresql+psycopg://", 1)
        options: dict[str, Any] = {
            "connect_timeout": max(2, int(deadline_s)),
            "application_name": "capibara6-bridge",
        }
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,
            pool_timeout=deadline_s,
            connect_args=options,
        )
        self.readers = Readers(dsn, most=READERS, **options)
        self.looks = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.left: set[asyncio.Task[Any]] = set()
        self.prepared = False
        self.granted_at = -GRANTS_S
        self.preparing = asyncio.Lock()

    async def close(self) -> None:
        # Connections on their way back come home; one that was cancelled before it set out would be lost.
        if self.left:
            await asyncio.wait(self.left, timeout=self.deadline_s)
        for task in self.left:
            task.cancel()
        await asyncio.gather(*self.left, return_exceptions=True)
        await self.engine.dispose()
        await self.readers.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back on an error."""
        with self.counted():
            if self.open:
                raise self.unavailable("is not reachable")
            await self.prepare()
            with self.translated():
                async with (
                    self._lent(self.engine) as connection,
                    AsyncSession(connection, expire_on_commit=False) as session,
                    session.begin(),
                ):
                    yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one quick look at our own tables: no transaction around it."""
        with self.counted():
            if self.open:
                raise self.unavailable("is not reachable")
            await self.prepare()
            with self.translated():
                async with self._lent(self.looks) as connection:
                    yield connection

    async def prepare(self) -> None:
        """Bring the tables and the roles up to date once, by whichever replica comes first."""
        if self.prepared:
            return
        async with self.preparing:
            if self.prepared:
                return
            with self.translated():
                async with self.engine.begin() as connection:
                    await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
                    await connection.run_sync(upgrade)
                    await _granted(connection)
            self.prepared = True

    async def _regrant(self) -> bool:
        """Let the reader see tables that others have made since; False when that was done just now."""
        if time.monotonic() - self.granted_at < GRANTS_S:
            return False
        self.granted_at = time.monotonic()
        async with self.session() as session:
            await session.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            await _granted(await session.connection())
        return True

    async def version(self) -> str:
        with self.translated():
            async with self._lent(self.engine) as connection:
                return str((await connection.execute(text("SHOW server_version"))).scalar_one()).split()[0]

    async def query(
        self, statement: str, params: Sequence[Any], *, tenant: str, max_rows: int
    ) -> dict[str, Any]:
        """`{columns, rows, row_count, truncated}` of one checked SELECT; always rolled back."""
        if len(statement) <= SHORT:
            allowed, explained = _known(statement, tenant)
        else:
            allowed, explained = await asyncio.to_thread(_allowed, statement, tenant)
        await self.prepare()
        for again in (True, False):
            reading = self._read(allowed, params, tenant, min(max_rows, ROWS), explained=explained)
            try:
                return await self.call(reading, deadline_s=STATEMENT_MS / 1_000 + 2)
            except Forbidden:
                if not again or tenant != DEFAULT or not await self._regrant():
                    raise
        raise AssertionError("the loop returns or raises")

    async def tables(self, *, tenant: str) -> list[dict[str, Any]]:
        """Tables and views that the SQL door may read: `{name, kind, columns:[{name, type}]}`."""
        await self.prepare()
        await self._regrant()

        async def work() -> list[dict[str, Any]]:
            async with self._reading(tenant, (TABLES, [])) as (_, found):
                return grouped(found.rows)

        return await self.call(work())

    async def _read(
        self, statement: str, params: Sequence[Any], tenant: str, most: int, *, explained: bool
    ) -> dict[str, Any]:
        values = [Jsonb(value) if isinstance(value, dict) else value for value in params]
        if explained:  # which no cursor takes
            async with self._reading(tenant, (statement, values)) as (_, found):
                return await collect(found, most)
        try:
            asked = declared(statement, values, first=portion(most))
            async with self._reading(tenant, *asked) as (reading, found):
                return await collect(found, most, reading.more)
        except psycopg.Error as exc:
            raise self._error(exc, skip=len(DECLARE)) from exc

    @asynccontextmanager
    async def _reading(self, tenant: str, *asked: Statement) -> AsyncIterator[tuple[Reading, Portion]]:
        """A READ ONLY transaction as the reader's role, within limits, and what it was `asked` first;
        ROLLBACK and DISCARD ALL after it. A server that does not let us in within the deadline is silent."""
        await self.turn(self.readers.slots)
        reading = Reading(self.readers)
        answer = self._alone(reading.enter((ENTER, entering(tenant)), *asked))
        try:
            await self._within(answer, reading.entered)
            yield reading, answer.result()
        except BaseException:
            # Nobody closes a connection under what still waits at it.
            self._alone(_dropped(answer, reading))
            raise
        # The answer does not wait for it; the next borrower gets another connection or waits for this one.
        self._alone(reading.cleaned())

    @asynccontextmanager
    async def _lent(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """A connection that answers, within the deadline."""
        connection = engine.connect()
        await self._within(self._alone(connection.start()))
        try:
            yield connection
        finally:
            await connection.close()

    def _alone(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do `work` whether or not anybody waits for it; `close` does."""
        task = asyncio.create_task(work)
        self.left.add(task)
        task.add_done_callback(self.left.discard)
        return task

    async def _within(self, task: asyncio.Task[Any], sign: asyncio.Future[None] | None = None) -> None:
        """Wait for `task`, of which the end or the first `sign` comes within the deadline. What a silent
        server holds up is given up and left to end alone: the client library waits ten seconds more for the
        server to agree to a cancellation."""
        signs, started = {task} if sign is None else {task, sign}, time.monotonic()
        try:
            done, _ = await asyncio.wait(signs, timeout=self.deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if done and not task.done():
                await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            task.add_done_callback(_heard)
            raise
        if not done:
            task.cancel()
            task.add_done_callback(_heard)
            raise self.silent(started)
        await task

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as exc:
            raise self._error(exc.orig if isinstance(exc.orig, psycopg.Error) else None) from exc
        except psycopg.Error as exc:
            raise self._error(exc) from exc
        except UnicodeError as exc:
            raise BadRequest("a text is not Unicode", source="postgres", code="invalid_value") from exc
        except PoolTimeout as exc:
            raise StoreUnavailable("postgres is busy", source="postgres", retry_after=1) from exc
        except OSError as exc:
            self.trip()
            raise self.unavailable("is not reachable") from exc

    def _error(self, exc: psycopg.Error | None, *, skip: int = 0) -> Exception:
        known = sqlstate.judged(exc, skip=skip, limit_ms=STATEMENT_MS)
        if known is None:
            self.trip()
            return self.unavailable("is not reachable")
        return known


@asynccontextmanager
async def open_postgres(settings: Settings) -> AsyncIterator[Postgres]:
    """Engines that connect on first use."""
    parts = conninfo_to_dict(settings.postgres_dsn)
    host = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"
    store = Postgres(settings.postgres_dsn, host, deadline_s=settings.stores.deadline_s)
    try:
        yield store
    finally:
        await store.close()


def _allowed(statement: str, tenant: str) -> tuple[str, bool]:
    """What may run, and whether it is an EXPLAIN. Estimates count every tenant's rows: the deployment's own
    tenant alone is shown them."""
    checked = check(statement)
    explained = checked.lstrip().lower().startswith("explain")
    return without_costs(checked) if explained and tenant != DEFAULT else checked, explained


_known = lru_cache(maxsize=256)(_allowed)


async def _granted(connection: AsyncConnection) -> None:
    for statement in grants():
        await connection.execute(text(statement))


def _heard(task: asyncio.Task[Any]) -> None:
    """Nobody waits for it any more: its error is taken, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()


async def _dropped(entered: asyncio.Task[Any], reading: Reading) -> None:
    await asyncio.wait({entered})
    await reading.dropped()
