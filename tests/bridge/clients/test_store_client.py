"""What every store client shares: when the breaker opens, and when a store is only busy."""

import asyncio

import pytest

from servers.bridge.clients import store_client
from servers.bridge.clients.store_client import Store
from tools.errors import StoreUnavailable

pytestmark = pytest.mark.pure


class Shelf(Store):
    """A store whose calls end when they are told to."""

    source = "shelf"

    async def version(self) -> str:
        return "1"


async def test_a_store_that_answers_nobody_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_client, "RETRY_S", 300.0)
    shelf = Shelf("here", deadline_s=0.01)
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        await shelf.call(asyncio.Event().wait())
    assert shelf.open
    with pytest.raises(StoreUnavailable, match="not reachable"):
        await shelf.call(asyncio.sleep(0))


async def test_a_store_that_answers_others_meanwhile_is_busy_and_not_dead() -> None:
    shelf = Shelf("here", deadline_s=30.0)

    async def late() -> None:
        await shelf.call(asyncio.sleep(0))
        raise TimeoutError

    with pytest.raises(StoreUnavailable, match="busy"):
        await shelf.call(late())
    assert not shelf.open


async def test_who_finds_no_place_in_time_hears_that_the_store_is_busy() -> None:
    shelf, slots = Shelf("here", deadline_s=0.01), asyncio.Semaphore(1)
    await shelf.turn(slots)
    with pytest.raises(StoreUnavailable, match="busy") as caught:
        await shelf.turn(slots)
    assert (caught.value.source, caught.value.retry_after, shelf.open) == ("shelf", 1, False)
    slots.release()
    await shelf.turn(slots)
