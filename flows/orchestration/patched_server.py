"""Prefect's server as Prefect starts it, but a statement that SQLite refused is closed at once.

Else it lives as long as its error, and to free it takes the mutex of its connection. When that connection
waited for SQLite's lock meanwhile, in its own thread and with the mutex, the event loop stood still, and with
it whoever held the lock, until SQLite gave up after 60 s.
"""

import functools
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import aiosqlite
from prefect.cli import app

VERBS = ("execute", "executemany")


def close_refused() -> None:
    """From now on aiosqlite's cursors close themselves, in their connection's thread, when one is refused."""
    for verb in VERBS:
        setattr(aiosqlite.Cursor, verb, _closing(getattr(aiosqlite.Cursor, verb)))


def _closing(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(run)
    async def closed(cursor: aiosqlite.Cursor, *given: Any) -> Any:
        try:
            return await run(cursor, *given)
        except sqlite3.Error:
            await cursor.close()
            raise

    return closed


if __name__ == "__main__":
    close_refused()
    app()
