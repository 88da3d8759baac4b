"""What a key has left, with a clock of the test's own."""

import pytest

from servers.bridge.access.keys import Limit
from servers.bridge.access.rate_limit import RateLimiter
from tools.errors import RateLimited

pytestmark = pytest.mark.pure


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def use(quota: RateLimiter, limit: Limit, times: int = 1, key: str = "k") -> None:
    for _ in range(times):
        with quota.taken(key, limit):
            pass


def left(quota: RateLimiter, limit: Limit) -> dict[str, str]:
    return {name.decode().rsplit("-", 2)[1]: value.decode() for name, value in quota.headers("k", limit)}


def test_a_minutes_requests_may_come_at_once_and_grow_back_evenly() -> None:
    clock, limit = Clock(), Limit(60, 10, None)
    quota = RateLimiter(clock)
    use(quota, limit, 60)
    with pytest.raises(RateLimited) as refused:
        use(quota, limit)
    assert refused.value.retry_after == 1
    assert left(quota, limit) == {"limit": "60", "remaining": "0", "reset": "60.000s"}
    clock.now += 5
    use(quota, limit, 5)
    with pytest.raises(RateLimited):
        use(quota, limit)
    clock.now += 3_600
    assert left(quota, limit) == {"limit": "60", "remaining": "60", "reset": "0.000s"}


def test_a_slow_limit_says_how_long_to_wait() -> None:
    clock, limit = Clock(), Limit(2, 10, None)
    quota = RateLimiter(clock)
    use(quota, limit, 2)
    with pytest.raises(RateLimited) as refused:
        use(quota, limit)
    assert refused.value.retry_after == 30


def test_requests_that_still_run_are_counted_until_they_end() -> None:
    limit = Limit(100, 2, None)
    quota = RateLimiter(Clock())
    with quota.taken("k", limit), quota.taken("k", limit):
        with pytest.raises(RateLimited) as refused:
            use(quota, limit)
        assert refused.value.code == "too_many_at_once"
        use(quota, limit, key="another")
    use(quota, limit)


def test_a_request_that_fails_gives_its_place_back() -> None:
    limit = Limit(100, 1, None)
    quota = RateLimiter(Clock())
    with pytest.raises(ZeroDivisionError), quota.taken("k", limit):
        raise ZeroDivisionError
    use(quota, limit)


def test_memory_follows_the_keys_in_use() -> None:
    clock, limit = Clock(), Limit(100, 2, None)
    quota = RateLimiter(clock)
    for number in range(5_000):
        use(quota, limit, key=f"key{number}")
    clock.now += 61
    use(quota, limit, key="one")
    assert set(quota.buckets) == {"one"}


def test_a_lower_limit_counts_at_once() -> None:
    quota = RateLimiter(Clock())
    use(quota, Limit(100, 1, None))
    use(quota, Limit(1, 1, None))
    with pytest.raises(RateLimited):
        use(quota, Limit(1, 1, None))
