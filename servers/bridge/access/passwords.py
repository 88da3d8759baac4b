"""Passwords: hashed and verified with Argon2id (RFC 9106) in threads, few at a time; guessing is slowed down.

Who has which password is `users`' business.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tools.errors import RateLimited

HASHER: Final = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
"""RFC 9106's second recommendation: 64 MiB a hash."""
NOBODY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$PWiHi+6/NpItPg/aXFQd3Q$WPiYBk1B3/vpFjLVUcy5FhZF8DofAIEAzfc1FV2PAss"
)
"""A hash of a password that was thrown away: who is not known costs as much as who is."""
AT_ONCE, WAITING = 2, 32
"""Hashes that are computed at once, and those that may wait for their turn."""
MIN_CHARS, MAX_CHARS = 8, 256
T = TypeVar("T")
FAILURES, WITHIN_S = 10, 300.0
MAX_NAMES = 10_000


class Passwords:
    """Raises RateLimited when too many wait."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.waiting = 0

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        return await self._in_turn(lambda: HASHER.hash(password))

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether it is the password that `kept` is the hash of; without one it takes as long and is none."""
        return await self._in_turn(lambda: _verified(kept or NOBODY, password)) and kept is not None

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self.waiting >= WAITING:
            raise RateLimited("too many are signing in", source="bridge", retry_after=1)
        self.waiting += 1
        try:
            async with self.slots:
                return await asyncio.to_thread(work)
        finally:
            self.waiting -= 1


class FailureCount:
    """Failed sign-ins of the last minutes, by name: after `FAILURES` within `WITHIN_S` nothing is tried."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.failed: dict[tuple[str, str], deque[float]] = {}

    def check(self, name: tuple[str, str]) -> None:
        """Raises RateLimited, with the seconds until the oldest failure is forgotten."""
        times = self._recent(name)
        if len(times) >= FAILURES:
            wait_s = max(1, int(times[0] + WITHIN_S - self.clock()) + 1)
            raise RateLimited(
                "too many failed sign-ins; wait",
                source="bridge",
                retry_after=wait_s,
                code="too_many_failures",
            )

    def add(self, name: tuple[str, str]) -> None:
        """One more."""
        times = self._recent(name)
        times.append(self.clock())
        if len(self.failed) >= MAX_NAMES and name not in self.failed:
            self.failed = {key: held for key in list(self.failed) if (held := self._recent(key))}
            while len(self.failed) >= MAX_NAMES:
                del self.failed[next(iter(self.failed))]
        self.failed[name] = times

    def forget(self, name: tuple[str, str]) -> None:
        """The right password was given."""
        self.failed.pop(name, None)

    def _recent(self, name: tuple[str, str]) -> deque[float]:
        times = self.failed.get(name) or deque[float]()
        while times and times[0] <= self.clock() - WITHIN_S:
            times.popleft()
        return times


def _verified(kept: str, password: str) -> bool:
    try:
        return HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
