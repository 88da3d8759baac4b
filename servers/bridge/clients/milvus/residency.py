"""Which collections stay in Milvus Lite's memory: the few that were used last.

It sets aside room for 32,768 rows in each collection that it has loaded, 108 MB at 769 dimensions however few
rows there are, and loads one by itself when it is asked; only a release gives the room back. A release beside
a use loses what is written and finds no collection: uses hold a lock on a file, shared between all processes
over the same store, and a release needs it alone.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from pymilvus.exceptions import MilvusException

from tools.errors import StoreUnavailable
from tools.log import get_logger

MOST = 6
"""So many collections stay loaded."""
IDLE_S = 5.0
"""One that was used so lately stays, however many there are: to load it again takes a tenth of a second for
a thousand rows."""
RETRY_S = 0.005
"""Between two looks whether a release is over, which takes as long."""
BUSY_S = 0.1
"""Between two tries to release while others are inside."""
WAIT_S = 30.0
"""What no question waits for has no more time than this either: a release, a collection made or dropped."""
log = get_logger("milvus")


class Residency:
    """Notes what is used and releases the rest by `release(name)`; `lock` is the file that all share."""

    def __init__(self, lock: Path, release: Callable[[str], Awaitable[object]]) -> None:
        lock.parent.mkdir(parents=True, exist_ok=True)
        self._release = release
        self._shared, self._alone = (os.open(lock, os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2))
        self._used: dict[str, float] = {}
        self._inside = 0
        self.releasing: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def using(self, name: str) -> AsyncIterator[None]:
        """Nothing is released while the block runs. Raises StoreUnavailable where another process has been
        releasing for WAIT_S."""
        until = time.monotonic() + WAIT_S
        while not _locked(self._shared, fcntl.LOCK_SH):
            if time.monotonic() > until:
                raise StoreUnavailable("milvus is held by another process", source="milvus", retry_after=1)
            await asyncio.sleep(RETRY_S)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                fcntl.flock(self._shared, fcntl.LOCK_UN)
            self._used.pop(name, None)
            self._used[name] = time.monotonic()
            if len(self._used) > MOST and (self.releasing is None or self.releasing.done()):
                self.releasing = asyncio.create_task(self._tidy())

    def forget(self, name: str) -> None:
        """A collection that was dropped."""
        self._used.pop(name, None)

    async def close(self) -> None:
        """A release that has begun is awaited; no other follows."""
        if self.releasing is not None:
            self.releasing.cancel()
            await asyncio.gather(self.releasing, return_exceptions=True)
        os.close(self._shared)
        os.close(self._alone)

    async def _tidy(self) -> None:
        """Release one after the other, as they become idle, until few enough are left."""
        while len(self._used) > MOST:
            name, last = next(iter(self._used.items()))
            await asyncio.sleep(max(RETRY_S, last + IDLE_S - time.monotonic()))
            if self._used.get(name) != last:
                continue
            if not _locked(self._alone, fcntl.LOCK_EX):
                await asyncio.sleep(BUSY_S)
            else:
                try:
                    await asyncio.shield(self._release(name))
                except MilvusException as exc:  # it is gone, or so is the store: either way not in memory
                    log.info("not_released", collection=name, reason=str(exc)[:200])
                finally:
                    fcntl.flock(self._alone, fcntl.LOCK_UN)
                    self.forget(name)


def _locked(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
