"""The Redis client by itself: what a crowd does to it."""

import asyncio

import pytest

from servers.bridge.clients import redis as bridge_redis
from tools.errors import StorageFull
from tools.settings import Settings


async def test_more_requests_than_connections_wait_their_turn(
    stores: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_redis, "CONNECTIONS", 4)
    async with bridge_redis.open_redis(stores) as redis:
        await asyncio.gather(*(redis.set(f"crowd:{n}", b"%d" % n, deadline_s=30) for n in range(100)))
        found = await asyncio.gather(*(redis.get(f"crowd:{n}", deadline_s=30) for n in range(100)))
        assert found == [b"%d" % n for n in range(100)]
        assert not redis.breaker.open


async def test_a_full_store_says_that_it_is_full(stores: Settings) -> None:
    async with bridge_redis.open_redis(stores) as redis:
        bound = (await redis.connection.config_get("maxmemory"))["maxmemory"] or "0"
        await redis.connection.config_set("maxmemory", 1)
        try:
            with pytest.raises(StorageFull):
                await redis.set("one:more", b"value", deadline_s=30)
        finally:
            await redis.connection.config_set("maxmemory", bound)
