"""What a key has left, with a clock of the test's own."""

import pytest

from servers.web.rate_limit import KeyLimits, RateLimiter
from tools.errors import RateLimited

pytestmark = pytest.mark.pure


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def use(limiter: RateLimiter, limits: KeyLimits, times: int = 1, key: str = "k") -> None:
    for _ in range(times):
        limiter.acquire(key, limits).release()


def left(limiter: RateLimiter, limits: KeyLimits) -> dict[str, str]:
    return {name.decode().rsplit("-", 2)[1]: value.decode() for name, value in limiter.headers("k", limits)}


def test_a_minutes_requests_may_come_at_once_and_grow_back_evenly() -> None:
    clock, limits = Clock(), KeyLimits(60, 10, None)
    limiter = RateLimiter(clock)
    use(limiter, limits, 60)
    with pytest.raises(RateLimited) as refused:
        use(limiter, limits)
    assert refused.value.retry_after == 1
    assert left(limiter, limits) == {"limit": "60", "remaining": "0", "reset": "60.000s"}
    clock.now += 5
    use(limiter, limits, 5)
    with pytest.raises(RateLimited):
        use(limiter, limits)
    clock.now += 3_600
    assert left(limiter, limits) == {"limit": "60", "remaining": "60", "reset": "0.000s"}


def test_a_slow_limit_says_how_long_to_wait() -> None:
    clock, limits = Clock(), KeyLimits(2, 10, None)
    limiter = RateLimiter(clock)
    use(limiter, limits, 2)
    with pytest.raises(RateLimited) as refused:
        use(limiter, limits)
    assert refused.value.retry_after == 30


def test_requests_that_still_run_are_counted_until_they_end() -> None:
    limits = KeyLimits(100, 2, None)
    limiter = RateLimiter(Clock())
    running = [limiter.acquire("k", limits) for _ in range(2)]
    with pytest.raises(RateLimited) as refused:
        use(limiter, limits)
    assert refused.value.code == "too_many_at_once"
    use(limiter, limits, key="another")
    running.pop().release()
    use(limiter, limits)


def test_memory_follows_the_keys_in_use() -> None:
    clock, limits = Clock(), KeyLimits(100, 2, None)
    limiter = RateLimiter(clock)
    for number in range(5_000):
        use(limiter, limits, key=f"key{number}")
    clock.now += 61
    use(limiter, limits, key="one")
    assert set(limiter.buckets) == {"one"}


def test_a_lower_limit_counts_at_once() -> None:
    limiter = RateLimiter(Clock())
    use(limiter, KeyLimits(100, 1, None))
    use(limiter, KeyLimits(1, 1, None))
    with pytest.raises(RateLimited):
        use(limiter, KeyLimits(1, 1, None))
