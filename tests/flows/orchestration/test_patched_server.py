"""SQLite refuses a statement of Prefect's server: its event loop goes on whatever becomes of the error."""

import asyncio
import gc
from pathlib import Path

import aiosqlite
import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from flows.orchestration.patched_server import VERBS, close_refused


async def run(connection: AsyncConnection, *statements: str) -> None:
    for statement in statements:
        await connection.execute(text(statement))


@pytest.mark.parametrize("refused", ["INSERT INTO runs VALUES ('two')", "INSERT INTO runs VALUES ('one')"])
async def test_an_error_is_forgotten_while_its_connection_waits_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """The first statement is refused since what was read is old, the second since the name is taken."""
    for verb in VERBS:
        monkeypatch.setattr(aiosqlite.Cursor, verb, getattr(aiosqlite.Cursor, verb))  # put back afterwards
    close_refused()
    engine = await AioSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path}/prefect.db").engine()
    try:
        async with engine.connect() as holder, engine.connect() as waiter:
            await run(waiter, "PRAGMA busy_timeout = 3000")
            await run(holder, "CREATE TABLE runs (name TEXT UNIQUE)", "INSERT INTO runs VALUES ('one')")
            if "two" in refused:
                await run(waiter, "BEGIN DEFERRED", "SELECT * FROM runs")
                await run(holder, "INSERT INTO runs VALUES ('three')")
            with pytest.raises(DBAPIError) as caught:
                await run(waiter, refused)
            if "two" in refused:
                await run(waiter, "ROLLBACK")
            await run(holder, "BEGIN IMMEDIATE")
            waiting = asyncio.create_task(run(waiter, "BEGIN IMMEDIATE"))
            await asyncio.sleep(0.3)
            del caught
            gc.collect()
            await run(holder, "COMMIT")
            await waiting  # "database is locked" where the loop stood still
    finally:
        await engine.dispose()
