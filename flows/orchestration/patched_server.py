"""Prefect's server, its API, page, sign-in and services, behind the platform's door and within its limits.

As Prefect starts it (`prefect server start`) it answers every origin and waits for ever for slow senders.

A statement that SQLite refused is closed at once. Else it lives as long as its error, and to free it takes
the mutex of its connection. When that one waited for SQLite's lock meanwhile, in its own thread and with the
mutex, the event loop stood still, and with it whoever held the lock, until SQLite gave up after 60 s.
"""

import functools
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import aiosqlite
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_SERVER_API_HOST
from starlette.types import ASGIApp

from flows.orchestration.sign_in import SignIn
from servers.web.door import Door
from servers.web.gateway import Gateway
from servers.web.serve import listen
from tools.settings import Settings, load_settings

VERBS = ("execute", "executemany")
HEADERS = ((b"content-security-policy", b"connect-src 'self'; frame-ancestors 'self'"),)
"""Prefect's page tells a company of analytics who opens it, whatever the settings say: it may not."""


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


def run(settings: Settings) -> None:
    """Serve until told to stop; what else Prefect is told stands in the environment (`launch.py`)."""
    close_refused()
    door = Door(settings, "prefect", pages=True)
    app: ASGIApp = create_app(final=True)
    if auth := settings.prefect_auth:
        app = SignIn(app, auth=auth)
    app = Gateway(app, door=door, body_bytes=settings.limits.body_bytes, headers=HEADERS)
    host, port = PREFECT_SERVER_API_HOST.value(), settings.ports.prefect
    listen(app, settings=settings, host=host, port=port, websockets=True)


if __name__ == "__main__":
    run(load_settings())
