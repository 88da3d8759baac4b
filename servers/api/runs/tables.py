"""The tables `threads` and `runs`, on SQLite or PostgreSQL: a run is a row before its caller is answered.

Both say whose they are; a thread's id is kept under its owner's key (`agents/conversation/ownership.py`).
The messages that a thread remembers are not here but in the agents' checkpoints.
"""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    TypeDecorator,
    and_,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import Field, SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession
from typing_extensions import TypedDict

from tools.access.identity import LOCAL, Principal
from tools.schema import JsonObject
from tools.settings import Settings

STORE_ERRORS = (SQLAlchemyError, sqlite3.Error, psycopg.Error, OSError)
"""What a store that fails raises, whichever it is."""


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, with its zone: SQLite keeps none, and a PostgreSQL session may have another."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """SQLAlchemy's hook for what was read."""
        return None if value is None else as_utc(value)


def as_utc(moment: datetime) -> datetime:
    """A moment with its zone; one without was written in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def new_id() -> str:
    """A random id: 32 hexadecimal digits."""
    return uuid4().hex


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class RunRequest(TypedDict, total=False):
    """What a run was asked, all that is needed to start it again: new messages, or the answer to an
    interrupt (`command`), and the caller's choices (fields of `agents.context.RunConfig`).

    `agent` is whose graph runs, where the run's `agent_id` is an assistant's; `options` are fields of
    `agents.graph_options.GraphOptions`; `after_s` is how long the run waits after it was accepted, `webhook`
    who is told how it ended; `strategy` was its `multitask_strategy`."""

    messages: list[dict[str, Any]]
    instructions: str
    wishes: JsonObject
    command: Any
    agent: str
    options: JsonObject
    after_s: float
    webhook: str
    strategy: str


class ThreadRow(SQLModel, table=True):
    """One conversation; `status` is idle, busy, interrupted or error. It ends `ttl_minutes` after it last
    changed."""

    __tablename__ = "threads"  # type: ignore[assignment]  # SQLModel types it as a declared attribute

    thread_id: str = Field(primary_key=True)
    tenant: str = LOCAL.tenant
    owner: str = LOCAL.user
    status: str = "idle"
    meta: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JSON))
    created_at: datetime = Field(default_factory=now, sa_type=Moment)
    updated_at: datetime = Field(default_factory=now, sa_type=Moment)
    ttl_minutes: float | None = None
    expires_at: datetime | None = Field(default=None, sa_type=Moment)

    def touch(self) -> None:
        """It has changed now."""
        self.updated_at = now()
        if self.ttl_minutes is not None:
            self.expires_at = self.updated_at + timedelta(minutes=self.ttl_minutes)


class RunRow(SQLModel, table=True):
    """One accepted run; `status` is pending, running, success, error, timeout, interrupted or cancelled.

    `principal` is who asked, for whom it also goes on after a crash; None in rows of before there were any.
    `attempt` counts its starts; `ending` is its last event; `events` are `RunEvent`s; `outcome` is the state
    that a run without a thread left.
    """

    __tablename__ = "runs"  # type: ignore[assignment]  # SQLModel types it as a declared attribute

    run_id: str = Field(default_factory=new_id, primary_key=True)
    thread_id: str = Field(index=True)
    tenant: str = LOCAL.tenant
    owner: str = LOCAL.user
    principal: JsonObject | None = Field(default=None, sa_column=Column("principal", JSON))
    stateless: bool = False
    agent_id: str
    status: str = Field(default="pending", index=True)
    request: RunRequest = Field(default_factory=RunRequest, sa_column=Column("order", JSON))
    meta: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JSON))
    ending: JsonObject | None = Field(default=None, sa_column=Column("ending", JSON))
    events: list[Any] = Field(default_factory=list, sa_column=Column("events", JSON))
    outcome: JsonObject | None = Field(default=None, sa_column=Column("outcome", JSON))
    attempt: int = 0
    created_at: datetime = Field(default_factory=now, sa_type=Moment)
    updated_at: datetime = Field(default_factory=now, sa_type=Moment)


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine whose tables exist: on `runs.sqlite` in the data directory, or on `stores.postgres_dsn`."""
    engine = create_async_engine(_database_url(settings))
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _set_pragmas)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_create, ("threads", "runs"))
            await connection.run_sync(_add_columns)
        yield engine
    finally:
        await engine.dispose()


async def create_tables(engine: AsyncEngine, *names: str) -> None:
    """Create what is not there of other tables beside these."""
    async with engine.begin() as connection:
        await connection.run_sync(_create, names)


def is_mine(row: type[ThreadRow] | type[RunRow], principal: Principal) -> ColumnElement[bool]:
    """The rows that a principal may see: their own; the platform those of everybody in its tenant."""
    tenant = col(row.tenant) == principal.tenant
    return tenant if principal.platform else and_(tenant, col(row.owner) == principal.user)


def asked_by(principal: Principal) -> JsonObject:
    """Who asked, as a run's row keeps it."""
    return {**asdict(principal), "scopes": sorted(principal.scopes)}


def principal_of(row: RunRow) -> Principal:
    """Who asked for a run."""
    if row.principal is None:
        return LOCAL
    return Principal(**{**row.principal, "scopes": frozenset(row.principal["scopes"])})


def open_session(engine: AsyncEngine) -> AsyncSession:
    """A session whose rows stay readable after its commit."""
    return AsyncSession(engine, expire_on_commit=False)


_LATER = {
    "tenant": f"VARCHAR DEFAULT '{LOCAL.tenant}' NOT NULL",
    "owner": f"VARCHAR DEFAULT '{LOCAL.user}' NOT NULL",
    "principal": "JSON",
    "outcome": "JSON",
    "ttl_minutes": "FLOAT",
    "expires_at": "TIMESTAMPTZ",
}
"""Columns that older tables have not."""


def _create(connection: Connection, names: Sequence[str]) -> None:
    SQLModel.metadata.create_all(connection, tables=[SQLModel.metadata.tables[name] for name in names])


def _add_columns(connection: Connection) -> None:
    """Older tables get what they lack; rows of before there were owners become the local user's."""
    for table in (SQLModel.metadata.tables[name] for name in ("threads", "runs")):
        known = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for name, declared in _LATER.items():
            if name in table.c and name not in known:
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {name} {declared}"))


def _database_url(settings: Settings) -> str:
    if settings.stores.postgres_dsn is None:
        settings.home.mkdir(parents=True, exist_ok=True)
        return f"sqlite+aiosqlite:///{settings.home.absolute() / 'runs.sqlite'}"
    return "postgresql+psycopg://" + settings.postgres_dsn.partition("://")[2]


def _set_pragmas(connection: Any, _record: Any) -> None:
    """Writers wait for each other, and a row that was accepted survives a killed process."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=5000")
