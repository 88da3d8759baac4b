"""How much each key has left: a bucket of requests that refills with time, and a count of those running.

It lives in this process: behind a balancer every replica counts for itself.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servers.bridge.access.keys import Limit
from tools.errors import RateLimited


class Bucket:
    """One key's requests of a minute: `level` are left, refilled evenly."""

    def __init__(self, limit: Limit, now: float) -> None:
        self.level, self.at, self.running = float(limit.requests_per_minute), now, 0

    def refill(self, most: int, now: float) -> None:
        self.level = min(float(most), self.level + (now - self.at) * most / 60)
        self.at = now


class RateLimiter:
    """Buckets by key id. A full and idle bucket is as good as none, so memory follows the keys in use."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.buckets: dict[str, Bucket] = {}
        self.swept_at = clock()

    def headers(self, key_id: str, limit: Limit) -> list[tuple[bytes, bytes]]:
        """What OpenAI's clients read: the limit, what is left, the time until it is all there again."""
        bucket = self._bucket(key_id, limit)
        missing = (limit.requests_per_minute - bucket.level) * 60 / limit.requests_per_minute
        return [
            (b"x-ratelimit-limit-requests", str(limit.requests_per_minute).encode()),
            (b"x-ratelimit-remaining-requests", str(max(0, int(bucket.level))).encode()),
            (b"x-ratelimit-reset-requests", f"{max(0.0, missing):.3f}s".encode()),
        ]

    @contextmanager
    def taken(self, key_id: str, limit: Limit) -> Iterator[None]:
        """One request's share for as long as it runs. Raises RateLimited, with the seconds to wait."""
        bucket = self._bucket(key_id, limit)
        if bucket.running >= limit.concurrency:
            said = f"this key may have {limit.concurrency} requests at once"
            raise RateLimited(said, source="bridge", retry_after=1, code="too_many_at_once")
        if bucket.level < 1:
            wait = math.ceil((1 - bucket.level) * 60 / limit.requests_per_minute)
            said = f"this key may make {limit.requests_per_minute} requests a minute"
            raise RateLimited(said, source="bridge", retry_after=max(1, wait))
        bucket.level -= 1
        bucket.running += 1
        try:
            yield
        finally:
            bucket.running -= 1

    def _bucket(self, key_id: str, limit: Limit) -> Bucket:
        now = self.clock()
        if now - self.swept_at >= 60:
            self._sweep(now)
        bucket = self.buckets.get(key_id)
        if bucket is None:
            bucket = self.buckets[key_id] = Bucket(limit, now)
        bucket.refill(limit.requests_per_minute, now)
        return bucket

    def _sweep(self, now: float) -> None:
        """A bucket that nobody touched for a minute is full."""
        idle = [key for key, bucket in self.buckets.items() if not bucket.running and now - bucket.at >= 60]
        for key in idle:
            del self.buckets[key]
        self.swept_at = now
