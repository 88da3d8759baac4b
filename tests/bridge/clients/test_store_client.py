"""What every store client shares: when the circuit breaker opens, and when a store is only busy."""

import asyncio

import pytest

from servers.bridge.clients import circuit_breaker
from servers.bridge.clients.store_client import StoreClient
from tools.errors import StoreUnavailable

pytestmark = pytest.mark.pure


class Fake(StoreClient):
    """A store whose calls end when they are told to."""

    source = "fake"

    async def version(self) -> str:
        return "1"


async def test_a_store_that_answers_nobody_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "RETRY_S", 300.0)
    store = Fake("here", deadline_s=0.01)
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        await store.call(asyncio.Event().wait())
    assert store.breaker.open
    with pytest.raises(StoreUnavailable, match="not reachable"):
        await store.call(asyncio.sleep(0))


async def test_a_store_that_answers_others_meanwhile_is_busy_and_not_dead() -> None:
    store = Fake("here", deadline_s=30.0)

    async def late() -> None:
        await store.call(asyncio.sleep(0))
        raise TimeoutError

    with pytest.raises(StoreUnavailable, match="busy"):
        await store.call(late())
    assert not store.breaker.open


async def test_who_finds_no_place_in_time_hears_that_the_store_is_busy() -> None:
    store, slots = Fake("here", deadline_s=0.01), asyncio.Semaphore(1)
    await store.acquire(slots)
    with pytest.raises(StoreUnavailable, match="busy") as caught:
        await store.acquire(slots)
    assert (caught.value.source, caught.value.retry_after, store.breaker.open) == ("fake", 1, False)
    slots.release()
    await store.acquire(slots)
