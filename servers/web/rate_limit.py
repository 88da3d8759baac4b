"""Rate limits of keys and people: a token bucket each for requests a minute, and a count of those at once.

It lives in this process: behind a balancer every replica counts for itself. A key's limits are set where the
key is created, on the bridge; those that are not are the settings' (`access.requests_per_minute`, …).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from tools.errors import RateLimited

WINDOW_S = 60


@dataclass(frozen=True)
class KeyLimits:
    """Limits of one key: requests a minute, requests at once, bytes of a body (None: the server's)."""

    requests_per_minute: int
    concurrency: int
    body_bytes: int | None


class TokenBucket:
    """One key's requests of a minute: `tokens` are left, refilled evenly; `running` are under way."""

    def __init__(self, limits: KeyLimits, now: float) -> None:
        self.tokens, self.updated_at, self.running = float(limits.requests_per_minute), now, 0

    def refill(self, capacity: int, now: float) -> None:
        """Add what has grown since the last time, up to `capacity`; `now` in seconds, monotonic."""
        self.tokens = min(float(capacity), self.tokens + (now - self.updated_at) * capacity / WINDOW_S)
        self.updated_at = now

    def release(self) -> None:
        """One of the requests that `RateLimiter.acquire` counted as running is over."""
        self.running -= 1


class RateLimiter:
    """Buckets by key id. A full and idle bucket is as good as none, so memory follows the keys in use."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, source: str = "bridge") -> None:
        self.clock, self.source = clock, source
        self.buckets: dict[str, TokenBucket] = {}
        self.swept_at = clock()

    def headers(self, key_id: str, limits: KeyLimits) -> list[tuple[bytes, bytes]]:
        """The `x-ratelimit-…` headers that OpenAI's clients read: the limit, what is left, and the time until
        all of it is there again."""
        bucket = self._bucket(key_id, limits)
        missing_s = (limits.requests_per_minute - bucket.tokens) * WINDOW_S / limits.requests_per_minute
        return [
            (b"x-ratelimit-limit-requests", str(limits.requests_per_minute).encode()),
            (b"x-ratelimit-remaining-requests", str(max(0, int(bucket.tokens))).encode()),
            (b"x-ratelimit-reset-requests", f"{max(0.0, missing_s):.3f}s".encode()),
        ]

    def acquire(self, key_id: str, limits: KeyLimits) -> TokenBucket:
        """One request, counted as running until the bucket's `release`.

        Raises RateLimited, with the seconds to wait."""
        bucket = self._bucket(key_id, limits)
        if bucket.running >= limits.concurrency:
            message = f"this key may have {limits.concurrency} requests at once"
            raise RateLimited(message, source=self.source, retry_after=1, code="too_many_at_once")
        if bucket.tokens < 1:
            wait_s = math.ceil((1 - bucket.tokens) * WINDOW_S / limits.requests_per_minute)
            message = f"this key may make {limits.requests_per_minute} requests a minute"
            raise RateLimited(message, source=self.source, retry_after=max(1, wait_s))
        bucket.tokens -= 1
        bucket.running += 1
        return bucket

    def _bucket(self, key_id: str, limits: KeyLimits) -> TokenBucket:
        now = self.clock()
        if now - self.swept_at >= WINDOW_S:
            self._sweep(now)
        bucket = self.buckets.get(key_id)
        if bucket is None:
            bucket = self.buckets[key_id] = TokenBucket(limits, now)
        bucket.refill(limits.requests_per_minute, now)
        return bucket

    def _sweep(self, now: float) -> None:
        """Forget full buckets: one that nobody touched for a minute is full."""
        idle = [
            key
            for key, bucket in self.buckets.items()
            if not bucket.running and now - bucket.updated_at >= WINDOW_S
        ]
        for key in idle:
            del self.buckets[key]
        self.swept_at = now
