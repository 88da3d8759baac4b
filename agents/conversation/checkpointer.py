"""Where agents remember: threads (checkpoints) and facts (a key-value store), on SQLite or on PostgreSQL.

It owns the connections and the seal. What a thread means (its rows, its runs) is the API's business.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.base import BaseStore
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.store.sqlite.aio import AsyncSqliteStore
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from agents.conversation.serializer import Sealed, read_key
from tools.settings import Settings


@dataclass(frozen=True)
class Memory:
    """`threads` keeps each thread's checkpoints, sealed; `facts` keeps what users asked to remember."""

    threads: BaseCheckpointSaver[str]
    facts: BaseStore


@asynccontextmanager
async def open_memory(settings: Settings) -> AsyncIterator[Memory]:
    """Files in the data directory, unless `stores.postgres_dsn` names a server."""
    open_it = _open_files if settings.stores.postgres_dsn is None else _open_server
    async with open_it(settings, Sealed(read_key(settings))) as memory:
        yield memory


@asynccontextmanager
async def _open_files(settings: Settings, seal: Sealed) -> AsyncIterator[Memory]:
    settings.home.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        path = str(settings.home / "threads.sqlite")
        saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(path))
        saver.serde = seal
        await saver.setup()
        path = str(settings.home / "facts.sqlite")
        facts = await stack.enter_async_context(AsyncSqliteStore.from_conn_string(path))
        await facts.setup()
        yield Memory(saver, facts)


@asynccontextmanager
async def _open_server(settings: Settings, seal: Sealed) -> AsyncIterator[Memory]:
    how = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        settings.postgres_dsn, open=False, max_size=8, kwargs=how
    )
    async with pool:
        saver, facts = AsyncPostgresSaver(pool, serde=seal), AsyncPostgresStore(pool)
        await saver.setup()
        await facts.setup()
        yield Memory(saver, facts)
