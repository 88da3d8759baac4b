"""The PostgreSQL client: SQLAlchemy sessions for the bridge's own tables, and read-only queries for callers.

Which statement a caller may run is `statement_check`'s, as which role `roles`', on which connection
`read_only`'s.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from servers.bridge.clients.postgres import read_only, sqlstate
from servers.bridge.clients.postgres.explain import checked, checked_short
from servers.bridge.clients.postgres.migrate import upgrade
from servers.bridge.clients.postgres.roles import STATEMENT_MS, TAKE_ROLE, grant, role_params
from servers.bridge.clients.postgres.rows import (
    TABLES,
    QueryResult,
    RowBatch,
    TableView,
    batch_size,
    collect,
    tables_of,
)
from servers.bridge.clients.store_client import StoreClient
from servers.bridge.clients.tenants import DEFAULT
from tools.access.identity import Principal
from tools.errors import BadRequest, Forbidden, StoreUnavailable
from tools.settings import Settings

THREAD_CHARS = 2_000
"""Statements up to so long are checked sooner than a thread is woken."""
MAX_ROWS = 1_000
CONNECTIONS, READ_ONLY_CONNECTIONS, QUEUE_S = 16, 16, 10.0
"""Of each pool; and the seconds for which work on our own tables waits for one that others have."""
GRANTS_S = 5.0
"""Between two grants of the tables that others have made since."""
MIGRATION_LOCK = 6_006_001
"""The advisory lock under which one replica at a time migrates and grants."""


class Postgres(StoreClient):
    """`session()` and `autocommit()` are for the bridge's own tables; `query()` runs a caller's SELECT.

    Raises StoreUnavailable, BadRequest, Forbidden, TooLarge, StorageFull, UpstreamFailed."""

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
            pool_size=CONNECTIONS // 2,
            max_overflow=CONNECTIONS - CONNECTIONS // 2,
            pool_pre_ping=True,
            pool_timeout=deadline_s,
            connect_args=options,
        )
        self.slots = asyncio.Semaphore(CONNECTIONS)
        self.read_only_pool = read_only.ReadOnlyPool(dsn, max_connections=READ_ONLY_CONNECTIONS, **options)
        self.autocommit_engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.background: set[asyncio.Task[Any]] = set()
        self.prepared = False
        self.granted_at = -GRANTS_S
        self.preparing = asyncio.Lock()

    async def close(self) -> None:
        """Wait for what runs in the background, then close every connection."""
        # Connections on their way back come home; one that was cancelled before it set out would be lost.
        if self.background:
            await asyncio.wait(self.background, timeout=self.deadline_s)
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.engine.dispose()
        await self.read_only_pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back on an error."""
        with self.counted():
            if self.breaker.open:
                raise self.unavailable("is not reachable")
            await self.prepare()
            with self.translated():
                async with (
                    self._connect(self.engine) as connection,
                    AsyncSession(connection, expire_on_commit=False) as session,
                    session.begin(),
                ):
                    yield session

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a transaction around it: for one quick query of our own tables."""
        with self.counted():
            if self.breaker.open:
                raise self.unavailable("is not reachable")
            await self.prepare()
            with self.translated():
                async with self._connect(self.autocommit_engine) as connection:
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
                    await grant(connection)
            self.prepared = True

    async def _regrant(self) -> bool:
        """Grant the reader the tables that others have made since; False when that was done just now."""
        if time.monotonic() - self.granted_at < GRANTS_S:
            return False
        self.granted_at = time.monotonic()
        async with self.session() as session:
            await session.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            await grant(await session.connection())
        return True

    async def version(self) -> str:
        """`server_version`, as "18.4"."""
        with self.translated():
            async with self._connect(self.engine) as connection:
                return str((await connection.execute(text("SHOW server_version"))).scalar_one()).split()[0]

    async def query(
        self, statement: str, params: Sequence[Any], *, principal: Principal, max_rows: int
    ) -> QueryResult:
        """At most `max_rows` rows of one SELECT or EXPLAIN with `$1`, `$2`, … bound, as the principal may see
        them; always rolled back. Raises BadRequest `forbidden_statement` for what may not run."""
        if len(statement) <= THREAD_CHARS:
            allowed, is_explain = checked_short(statement, _sees_costs(principal))
        else:
            allowed, is_explain = await asyncio.to_thread(checked, statement, _sees_costs(principal))
        await self.prepare()
        for again in (True, False):
            work = self._query(allowed, params, principal, min(max_rows, MAX_ROWS), is_explain=is_explain)
            try:
                return await self.call(work, deadline_s=STATEMENT_MS / 1_000 + 2)
            except Forbidden:
                if not again or principal.tenant != DEFAULT or not await self._regrant():
                    raise
        raise AssertionError("the loop returns or raises")

    async def tables(self, *, principal: Principal) -> list[TableView]:
        """Tables and views that the principal's SQL may read, by name."""
        await self.prepare()
        await self._regrant()

        async def work() -> list[TableView]:
            async with self._transaction(principal, (TABLES, [])) as (_, batch):
                return tables_of(batch.rows)

        return await self.call(work())

    async def _query(
        self, statement: str, params: Sequence[Any], principal: Principal, max_rows: int, *, is_explain: bool
    ) -> QueryResult:
        values = [Jsonb(value) if isinstance(value, dict) else value for value in params]
        if is_explain:  # which no cursor takes
            async with self._transaction(principal, (statement, values)) as (_, batch):
                return await collect(batch, max_rows)
        try:
            statements = read_only.declare_cursor(statement, values, first=batch_size(max_rows))
            async with self._transaction(principal, *statements) as (connection, batch):
                return await collect(batch, max_rows, connection.fetch_more)
        except psycopg.Error as exc:
            raise self._error(exc, skip=len(read_only.DECLARE)) from exc

    @asynccontextmanager
    async def _transaction(
        self, principal: Principal, *statements: read_only.Statement
    ) -> AsyncIterator[tuple[read_only.ReadOnlyConnection, RowBatch]]:
        """A READ ONLY transaction as the principal's role, within limits, and the rows of its `statements`,
        rolled back after it. The deadline is for the server to let us in."""
        await self.acquire(self.read_only_pool.slots)
        connection = read_only.ReadOnlyConnection(self.read_only_pool)
        begun = self._in_background(connection.begin((TAKE_ROLE, role_params(principal)), *statements))
        try:
            await self._within_deadline(begun, connection.admitted)
            yield connection, begun.result()
        except BaseException:
            # A connection is not closed while a task still waits at it.
            self._in_background(_discard(begun, connection))
            raise
        # The answer does not wait for it; the next query gets another connection or waits for this one.
        self._in_background(connection.release())

    @asynccontextmanager
    async def _connect(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """A connection of SQLAlchemy's pool, open within the deadline once it is our turn: a queue of our own
        says nothing against the store's health."""
        await self.acquire(self.slots, deadline_s=max(QUEUE_S, self.deadline_s))
        try:
            connection = engine.connect()
            await self._within_deadline(self._in_background(connection.start()))
            self.answered_at = time.monotonic()
            try:
                yield connection
            finally:
                await connection.close()
        finally:
            self.slots.release()

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` as a task that outlives its caller; `close` waits for it."""
        task = asyncio.create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        return task

    async def _within_deadline(
        self, task: asyncio.Task[Any], sign: asyncio.Future[None] | None = None
    ) -> None:
        """Wait for `task`, of which the end or the first `sign` comes within the deadline. What a silent
        server holds up is cancelled and left to end in the background: psycopg waits ten seconds more for
        the server to agree to a cancellation."""
        signs, started = {task} if sign is None else {task, sign}, time.monotonic()
        try:
            done, _ = await asyncio.wait(signs, timeout=self.deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if done and not task.done():
                await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            task.add_done_callback(_take_error)
            raise
        if not done:
            task.cancel()
            task.add_done_callback(_take_error)
            raise self.timed_out(started)
        await task

    @contextmanager
    def translated(self) -> Iterator[None]:
        """SQLAlchemy's and psycopg's errors as ours, by SQLSTATE."""
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
            raise self.not_reachable() from exc

    def _error(self, exc: psycopg.Error | None, *, skip: int = 0) -> Exception:
        return sqlstate.translated(exc, skip=skip, limit_ms=STATEMENT_MS) or self.not_reachable()


@asynccontextmanager
async def open_postgres(settings: Settings) -> AsyncIterator[Postgres]:
    """A client that connects on first use, closed at the end of the block."""
    parts = conninfo_to_dict(settings.postgres_dsn)
    host = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"
    store = Postgres(settings.postgres_dsn, host, deadline_s=settings.stores.deadline_s)
    try:
        yield store
    finally:
        await store.close()


def _sees_costs(principal: Principal) -> bool:
    """Estimates count everybody's rows: the deployment itself alone is shown them."""
    return principal.platform and principal.tenant == DEFAULT


def _take_error(task: asyncio.Task[Any]) -> None:
    """Nobody waits for it any more: its error is taken, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()


async def _discard(begun: asyncio.Task[Any], connection: read_only.ReadOnlyConnection) -> None:
    await asyncio.wait({begun})
    await connection.discard()
