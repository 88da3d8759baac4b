"""Where threads are remembered between turns: a checkpointer on SQLite or on PostgreSQL.

It owns the connection. What a thread means (its rows, its runs) is the API's business.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool

from tools.settings import Settings


@asynccontextmanager
async def open_memory(settings: Settings) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """The checkpointer; a file in the data directory unless `stores.postgres_dsn` names a server."""
    if settings.stores.postgres_dsn is None:
        settings.home.mkdir(parents=True, exist_ok=True)
        async with AsyncSqliteSaver.from_conn_string(str(settings.home / "threads.sqlite")) as saver:
            await saver.setup()
            yield saver
        return
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        settings.postgres_dsn, open=False, max_size=8, kwargs={"autocommit": True, "prepare_threshold": 0}
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        yield saver
