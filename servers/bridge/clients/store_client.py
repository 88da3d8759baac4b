"""The base of every store client: a deadline on each call, the circuit breaker, counters for metrics.

It knows no store: each client translates its library's errors and says what its server is.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel
from structlog.contextvars import get_contextvars

from servers.bridge.clients.circuit_breaker import CircuitBreaker
from tools.errors import Capibara6Error, StoreUnavailable

T = TypeVar("T")


def request_id() -> str:
    """The id of the request that this work is for, as the stores' own logs may name it; "" for none."""
    return str(get_contextvars().get("request_id", ""))


@dataclass
class CallCounters:
    """A store's calls since the start; `errors` are its own failures (5xx), not its callers' mistakes."""

    calls: int = 0
    errors: int = 0
    seconds: float = 0.0


class StoreStatus(BaseModel):
    """What a health check found: `version` and `latency_ms` when connected, else `reason`."""

    status: Literal["connected", "unreachable"]
    host: str
    version: str | None = None
    latency_ms: float | None = None
    reason: str | None = None


class StoreClient(ABC):
    """One store as the bridge sees it. Subclasses translate their library's errors in `translated`."""

    source = "store"

    def __init__(self, host: str, *, deadline_s: float) -> None:
        self.host = host
        self.deadline_s = deadline_s
        self.breaker = CircuitBreaker()
        self.counters = CallCounters()
        self.answered_at = 0.0

    async def call(self, work: Awaitable[T], *, deadline_s: float | None = None) -> T:
        """Await `work` within the deadline. Raises StoreUnavailable, at once while the breaker is open."""
        with self.counted():
            if self.breaker.open:
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
                raise self.timed_out(started) from exc
            self.answered_at = time.monotonic()
            return answer

    async def acquire(self, slots: asyncio.Semaphore, *, deadline_s: float | None = None) -> None:
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

    def timed_out(self, since: float) -> StoreUnavailable:
        """The error of a call that began at `since` (monotonic) and was not answered in time. A store that
        answered others meanwhile is busy and not dead: only else does the breaker open."""
        if self.answered_at > since:
            return self.unavailable("is busy")
        self.breaker.trip()
        return self.unavailable("did not answer in time")

    def not_reachable(self) -> StoreUnavailable:
        """The error of a connection that broke or was refused; the breaker opens."""
        self.breaker.trip()
        return self.unavailable("is not reachable")

    def unavailable(self, reason: str) -> StoreUnavailable:
        """The error that says `reason` of this store."""
        return StoreUnavailable(f"{self.source} {reason}", source=self.source, retry_after=1)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One call in the counters, for as long as the block takes."""
        started = time.monotonic()
        try:
            yield
        except Capibara6Error as exc:
            self.counters.errors += exc.status >= 500
            raise
        finally:
            self.counters.calls += 1
            self.counters.seconds += time.monotonic() - started

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns the library's errors within the block into `tools.errors`."""
        yield

    @abstractmethod
    async def version(self) -> str:
        """One cheap round trip; what the server says it is."""

    async def check(self) -> StoreStatus:
        """Ask the store for its version; never raises for a dead store."""
        started = time.monotonic()
        try:
            version = await self.call(self.version())
        except StoreUnavailable as exc:
            return StoreStatus(status="unreachable", host=self.host, reason=exc.message)
        took_ms = round((time.monotonic() - started) * 1_000, 2)
        return StoreStatus(status="connected", host=self.host, version=version, latency_ms=took_ms)
