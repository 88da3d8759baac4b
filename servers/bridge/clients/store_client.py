"""What every store client shares: a deadline on each call, and a breaker that fails fast and heals alone."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from structlog.contextvars import get_contextvars

from tools.errors import Capibara6Error, StoreUnavailable

RETRY_S = 1.0
T = TypeVar("T")


def request_id() -> str:
    """The id of the request that this work is for, as the stores' own logs may name it."""
    return str(get_contextvars().get("request_id", ""))


@dataclass
class Tally:
    """What a store was asked since the start; `errors` are its own failures, not its callers'."""

    calls: int = 0
    errors: int = 0
    seconds: float = 0.0


class Store(ABC):
    """One store as the bridge sees it. Subclasses translate their client's errors inside `translated`."""

    source = "store"

    def __init__(self, host: str, *, deadline_s: float) -> None:
        self.host = host
        self.deadline_s = deadline_s
        self.closed_until = self.answered_at = 0.0
        self.tally = Tally()

    async def call(self, work: Awaitable[T], *, deadline_s: float | None = None) -> T:
        """Await `work` within the deadline. Raises StoreUnavailable, at once while the breaker is open."""
        with self.counted():
            if self.open:
                close = getattr(work, "close", None)
                if close is not None:
                    close()
                raise self.unavailable("is not reachable")
            started = time.monotonic()
            try:
                async with asyncio.timeout(deadline_s or self.deadline_s):
                    with self.translated():
                        answer = await work
            except TimeoutError as exc:
                raise self.silent(started) from exc
            self.answered_at = time.monotonic()
            return answer

    async def turn(self, slots: asyncio.Semaphore, *, deadline_s: float | None = None) -> None:
        """Take one of a store's `slots`, in turn. Raises StoreUnavailable when none comes free in time: it
        is busy, which says nothing against its health."""
        if not slots.locked():
            await slots.acquire()
            return
        try:
            async with asyncio.timeout(deadline_s or self.deadline_s):
                await slots.acquire()
        except TimeoutError as exc:
            raise self.unavailable("is busy") from exc

    def silent(self, since: float) -> StoreUnavailable:
        """The error of a call that began at `since` and was not answered in time. A store that answered
        others meanwhile is busy and not dead: only else does the breaker open."""
        if self.answered_at > since:
            return self.unavailable("is busy")
        self.trip()
        return self.unavailable("did not answer in time")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One call in the tally, for as long as the block takes."""
        started = time.monotonic()
        try:
            yield
        except Capibara6Error as exc:
            self.tally.errors += exc.status >= 500
            raise
        finally:
            self.tally.calls += 1
            self.tally.seconds += time.monotonic() - started

    @property
    def open(self) -> bool:
        """True while calls are refused; after `RETRY_S` the next call tries again."""
        return time.monotonic() < self.closed_until

    def trip(self) -> None:
        self.closed_until = time.monotonic() + RETRY_S

    def unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(f"{self.source} {reason}", source=self.source, retry_after=1)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns the client's errors into `tools.errors`."""
        yield

    @abstractmethod
    async def version(self) -> str:
        """One cheap round trip; what the server says it is."""

    async def check(self) -> dict[str, Any]:
        """`{status, host, version, latency_ms}`; never raises for a dead store."""
        started = time.monotonic()
        try:
            found = await self.call(self.version())
        except StoreUnavailable as exc:
            return {"status": "unreachable", "host": self.host, "reason": exc.message}
        took = round((time.monotonic() - started) * 1_000, 2)
        return {"status": "connected", "host": self.host, "version": found, "latency_ms": took}
