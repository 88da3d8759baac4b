"""Circuit breaker, replicas and retry budget, with time as an argument."""

import pytest

from servers.pool.upstream.circuit_breaker import OPENS_AFTER, CircuitBreaker, RetryBudget
from servers.pool.upstream.replicas import Replicas
from tools.errors import Unavailable

pytestmark = pytest.mark.pure


def test_a_circuit_opens_after_failures_and_lets_one_try_through():
    breaker = CircuitBreaker()
    for _ in range(OPENS_AFTER):
        assert breaker.closed(0.0)
        breaker.failed(0.0, "sick")
    assert not breaker.closed(1.0)
    assert breaker.closed(6.0) and not breaker.closed(6.1), "one request tries, the next waits"
    breaker.succeeded()
    assert breaker.closed(6.2)


def test_when_every_circuit_is_open_the_wait_is_told():
    replicas = Replicas(["http://a/v1", "http://b"])
    for replica in replicas.all:
        for _ in range(OPENS_AFTER):
            replica.breaker.failed(0.0, "sick")
    with pytest.raises(Unavailable, match="sick") as caught:
        replicas.choose(0.0)
    assert caught.value.retry_after == 5
    assert [replica.endpoint.url for replica in replicas.all] == ["http://a", "http://b"]


def test_retries_are_bought_with_requests():
    budget = RetryBudget()
    assert sum(budget.spend() for _ in range(50)) == 10
    for _ in range(21):
        budget.earn()
    assert [budget.spend() for _ in range(3)] == [True, True, False]
