"""LangGraph's persistence on SQLite or PostgreSQL: the checkpointer of threads and the store of facts.

It owns the connections and hands the checkpointer its signing serializer. What a thread means (its rows, its
runs) is the API's business.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.base import TTLConfig
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.store.sqlite.aio import AsyncSqliteStore
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from agents.conversation.serializer import SealKey, SignedSerializer
from tools.settings import Settings

TTL: Final[TTLConfig] = {"refresh_on_read": True}
"""A read that asks for it gives an item its whole time again."""
CLAIM: Final = "UPDATE store SET prefix = '_owned.default.local.' || prefix WHERE substr(prefix, 1, 1) <> '_'"
"""Items that were kept before items had owners become the local user's."""


@dataclass(frozen=True)
class Persistence:
    """`checkpointer` keeps each thread's checkpoints, signed; `store` what users asked to remember, and which
    calls of tools were made."""

    checkpointer: BaseCheckpointSaver[str]
    store: AsyncSqliteStore | AsyncPostgresStore

    async def sweep(self) -> int:
        """Delete the items whose time is over; how many."""
        return await self.store.sweep_ttl()


@asynccontextmanager
async def open_persistence(settings: Settings) -> AsyncIterator[Persistence]:
    """SQLite files in the data directory, unless `stores.postgres_dsn` names a server; tables are made."""
    open_it = _open_sqlite if settings.stores.postgres_dsn is None else _open_postgres
    async with open_it(settings, SignedSerializer(SealKey(settings))) as persistence:
        yield persistence


@asynccontextmanager
async def _open_sqlite(settings: Settings, serializer: SignedSerializer) -> AsyncIterator[Persistence]:
    settings.home.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        path = str(settings.home / "threads.sqlite")
        saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(path))
        saver.serde = serializer
        await saver.setup()
        path = str(settings.home / "facts.sqlite")
        store = await stack.enter_async_context(AsyncSqliteStore.from_conn_string(path, ttl=TTL))
        await store.setup()
        await store.conn.execute(CLAIM)
        await store.conn.commit()
        yield Persistence(saver, store)


@asynccontextmanager
async def _open_postgres(settings: Settings, serializer: SignedSerializer) -> AsyncIterator[Persistence]:
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        settings.postgres_dsn, open=False, max_size=8, kwargs=options
    )
    async with pool:
        saver, store = AsyncPostgresSaver(pool, serde=serializer), AsyncPostgresStore(pool, ttl=TTL)
        await saver.setup()
        await store.setup()
        async with pool.connection() as connection:
            await connection.execute(CLAIM)
        yield Persistence(saver, store)
