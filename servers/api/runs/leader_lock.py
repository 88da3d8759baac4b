"""One process at a time takes up the runs of a database: two would run an accepted one twice.

A lock file in the data directory, or PostgreSQL's advisory lock; both end with the process that holds them.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

from tools.errors import Conflict
from tools.log import get_logger
from tools.settings import Settings

LOCK = 0x6361_7069_6170_69
"""Names the lock in the database: the bytes of `capiapi`."""
AGAIN_S = 0.2
HANDOVER_S = 10.0

log = get_logger("api")


@asynccontextmanager
async def sole(settings: Settings) -> AsyncIterator[None]:
    """Held while the block lasts. A predecessor that still drains is waited for; then Conflict."""
    patience = settings.limits.drain_s + HANDOVER_S
    if settings.stores.postgres_dsn is None:
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (settings.run_dir / "api.lock").open("w") as file:

            async def take_file() -> bool:
                return _taken(file.fileno())

            await _until(take_file, patience)
            yield
        return
    async with await AsyncConnection.connect(settings.postgres_dsn, autocommit=True) as connection:

        async def take_lock() -> bool:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])).fetchone()
            return row is not None and row[0]

        await _until(take_lock, patience)
        yield


async def _until(take: Callable[[], Awaitable[bool]], patience: float) -> None:
    told = False
    try:
        async with asyncio.timeout(patience):
            while not await take():
                if not told:
                    log.warning("waiting_for_predecessor")
                    told = True
                await asyncio.sleep(AGAIN_S)
    except TimeoutError as exc:
        raise Conflict("another API process serves this database", source="api", code="not_alone") from exc


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
