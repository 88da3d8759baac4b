"""The status history in PostgreSQL: a row a check, kept for some months, for people and their dashboards.

Flow `health` writes it. What decides about alerts is in Prefect, which is there when PostgreSQL is not.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from flows.operations.machine import Check
from tools.errors import StoreUnavailable
from tools.settings import Settings

RETENTION_DAYS = 90
CONNECT_S = 5
SCHEMA = """
CREATE SCHEMA IF NOT EXISTS operations;
CREATE TABLE IF NOT EXISTS operations.checks (
    at timestamptz NOT NULL, name text NOT NULL, status text NOT NULL, ms integer NOT NULL,
    detail text NOT NULL, PRIMARY KEY (at, name)
)"""


class CheckRecord(NamedTuple):
    """One check as the history has it; `ms` is what its answer took."""

    at: datetime
    name: str
    status: str
    ms: int


async def record(settings: Settings, checks: Sequence[Check], *, at: datetime | None = None) -> None:
    """Add one run's rows and forget those that are too old. Raises `StoreUnavailable`."""
    await asyncio.to_thread(_record, settings, checks, at or datetime.now(UTC))


async def since(settings: Settings, when: datetime) -> list[CheckRecord]:
    """The checks made since `when`, oldest first; none when there is no history yet. Raises
    `StoreUnavailable`."""
    return await asyncio.to_thread(_since, settings, when)


def _record(settings: Settings, checks: Sequence[Check], at: datetime) -> None:
    rows = [(at, check.name, check.status, check.ms, check.detail.replace("\0", "")) for check in checks]
    insert = "INSERT INTO operations.checks VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    with _open(settings) as connection, connection.cursor() as cursor:
        # Two that make the same table at once would disturb each other.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('operations.checks'))")
        cursor.execute(SCHEMA)
        cursor.executemany(insert, rows)
        cursor.execute("DELETE FROM operations.checks WHERE at < %s", (at - timedelta(days=RETENTION_DAYS),))


def _since(settings: Settings, when: datetime) -> list[CheckRecord]:
    try:
        with _open(settings) as connection, connection.cursor(row_factory=class_row(CheckRecord)) as cursor:
            query = "SELECT at, name, status, ms FROM operations.checks WHERE at >= %s ORDER BY at"
            return cursor.execute(query, (when,)).fetchall()
    except psycopg.errors.UndefinedTable:
        return []


@contextmanager
def _open(settings: Settings) -> Iterator["psycopg.Connection[Any]"]:
    """A connection and a transaction for one block; a lost one becomes `StoreUnavailable`."""
    try:
        with psycopg.connect(settings.postgres_dsn, connect_timeout=CONNECT_S) as connection:
            yield connection
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("PostgreSQL is not reachable", source="postgres", retry_after=1) from exc
