"""The rows behind threads and runs: what was accepted is here before anyone is told so.

What a thread remembers is not here but in the agents' checkpoints. One engine, SQLite or PostgreSQL.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import JSON, Column, DateTime, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from tools.settings import Settings


def new_id() -> str:
    return uuid4().hex


def now() -> datetime:
    return datetime.now(UTC)


class ThreadRow(SQLModel, table=True):
    """One conversation; `status` is idle, busy, interrupted or error."""

    __tablename__ = "threads"  # type: ignore[assignment]

    thread_id: str = Field(primary_key=True)
    status: str = "idle"
    info: dict[str, Any] = Field(default_factory=dict, sa_column=Column("metadata", JSON))
    created_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))


class RunRow(SQLModel, table=True):
    """One accepted run; `status` is pending, running, success, error, timeout, interrupted or cancelled.

    `order` is all that is needed to start it again: agent input, wishes, command. `attempt` counts starts.
    """

    __tablename__ = "runs"  # type: ignore[assignment]

    run_id: str = Field(default_factory=new_id, primary_key=True)
    thread_id: str = Field(index=True)
    stateless: bool = False
    agent_id: str
    status: str = Field(default="pending", index=True)
    order: dict[str, Any] = Field(default_factory=dict, sa_column=Column("order", JSON))
    info: dict[str, Any] = Field(default_factory=dict, sa_column=Column("metadata", JSON))
    ending: dict[str, Any] | None = Field(default=None, sa_column=Column("ending", JSON))
    events: list[Any] = Field(default_factory=list, sa_column=Column("events", JSON))
    attempt: int = 0
    created_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))


@asynccontextmanager
async def open_rows(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine whose tables exist; a file in the data directory unless `stores.postgres_dsn` is set."""
    engine = create_async_engine(_url(settings))
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _careful)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all, tables=_TABLES)
        yield engine
    finally:
        await engine.dispose()


def session(engine: AsyncEngine) -> AsyncSession:
    return AsyncSession(engine, expire_on_commit=False)


_TABLES = [SQLModel.metadata.tables[name] for name in ("threads", "runs")]


def _url(settings: Settings) -> str:
    if settings.stores.postgres_dsn is None:
        settings.home.mkdir(parents=True, exist_ok=True)
        return f"sqlite+aiosqlite:///{settings.home.absolute() / 'runs.sqlite'}"
    return "postgresql+psycopg://" + settings.postgres_dsn.partition("://")[2]


def _careful(connection: Any, _record: Any) -> None:
    """Writers wait for each other, and a row that was accepted survives a killed process."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=5000")
