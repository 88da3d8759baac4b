"""The leader lock: one API process at a time executes the runs of a database, so that none is run twice.

A lock file in the data directory, or a PostgreSQL advisory lock; both end with the process that holds them.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

from tools.errors import Conflict
from tools.log import get_logger
from tools.settings import Settings

ADVISORY_LOCK_KEY = 0x6361_7069_6170_69
"""Names the lock in the database: the bytes of `capiapi`."""
RETRY_S = 0.2
HANDOVER_S = 10.0

log = get_logger("api")


@asynccontextmanager
async def leader_lock(settings: Settings) -> AsyncIterator[None]:
    """Hold the lock while the block lasts.

    A predecessor that still drains is waited for, `limits.drain_s` + `HANDOVER_S` seconds. Raises `Conflict`
    (`not_alone`) after that.
    """
    timeout_s = settings.limits.drain_s + HANDOVER_S
    if settings.stores.postgres_dsn is None:
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (settings.run_dir / "api.lock").open("w") as file:

            async def try_file() -> bool:
                return _try_flock(file.fileno())

            await _acquire(try_file, timeout_s)
            yield
        return
    async with await AsyncConnection.connect(settings.postgres_dsn, autocommit=True) as connection:

        async def try_advisory() -> bool:
            query = await connection.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK_KEY])
            row = await query.fetchone()
            return row is not None and row[0]

        await _acquire(try_advisory, timeout_s)
        yield


async def _acquire(try_lock: Callable[[], Awaitable[bool]], timeout_s: float) -> None:
    warned = False
    try:
        async with asyncio.timeout(timeout_s):
            while not await try_lock():
                if not warned:
                    log.warning("waiting_for_predecessor")
                    warned = True
                await asyncio.sleep(RETRY_S)
    except TimeoutError as exc:
        raise Conflict("another API process serves this database", source="api", code="not_alone") from exc


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
