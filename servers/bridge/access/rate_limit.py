"""Rate limits of API keys: a token bucket a key for requests a minute, and a count of those that run at once.

It lives in this process: behind a balancer every replica counts for itself. A key's limits are set where the
key is created (`http/keys.py`); those that are not are the settings' (`access.requests_per_minute`, …).
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servers.bridge.access.keys import KeyLimits
from tools.errors import RateLimited

WINDOW_S = 60


class TokenBucket:
    """One key's requests of a minute: `tokens` are left, refilled evenly; `running` are under way."""

    def __init__(self, limits: KeyLimits, now: float) -> None:
        self.tokens, self.updated_at, self.running = float(limits.requests_per_minute), now, 0

    def refill(self, capacity: int, now: float) -> None:
        """Add what has grown since the last time, up to `capacity`; `now` in seconds, monotonic."""
        self.tokens = min(float(capacity), self.tokens + (now - self.updated_at) * capacity / WINDOW_S)
        self.updated_at = now


class RateLimiter:
    """Buckets by key id. A full and idle bucket is as good as none, so memory follows the keys in use."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
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

    @contextmanager
    def acquire(self, key_id: str, limits: KeyLimits) -> Iterator[None]:
        """One request, counted as running for as long as the block lasts.

        Raises RateLimited, with the seconds to wait."""
        bucket = self._bucket(key_id, limits)
        if bucket.running >= limits.concurrency:
            message = f"this key may have {limits.concurrency} requests at once"
            raise RateLimited(message, source="bridge", retry_after=1, code="too_many_at_once")
        if bucket.tokens < 1:
            wait_s = math.ceil((1 - bucket.tokens) * WINDOW_S / limits.requests_per_minute)
            message = f"this key may make {limits.requests_per_minute} requests a minute"
            raise RateLimited(message, source="bridge", retry_after=max(1, wait_s))
        bucket.tokens -= 1
        bucket.running += 1
        try:
            yield
        finally:
            bucket.running -= 1

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
