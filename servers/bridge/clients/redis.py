"""The Redis client: bytes by key, within the caller's own prefix; a cache that may vanish.

What is cached, and for how long, is its callers' business; no other command of Redis is reachable here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import redis.asyncio as client
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from servers.bridge.clients.store_client import StoreClient, T
from tools.errors import StorageFull, TooLarge, UpstreamFailed
from tools.settings import Settings

CONNECTIONS = 16
KEY_BYTES = 512
VALUE_BYTES = 1_000_000
NAMESPACE = "capibara6"


class Redis(StoreClient):
    """get, set and delete of bytes. Raises StoreUnavailable, StorageFull, UpstreamFailed."""

    source = "redis"

    def __init__(self, connection: client.Redis, host: str, *, deadline_s: float) -> None:
        super().__init__(host, deadline_s=deadline_s)
        self.connection = connection
        self.slots = asyncio.Semaphore(CONNECTIONS)

    async def call(self, work: Awaitable[T], *, deadline_s: float | None = None) -> T:
        """As `StoreClient.call`, once one of `CONNECTIONS` is free, first come first served: a busy store is
        not a dead one, and the library's own pool lets whoever comes first push in."""
        try:
            await self.acquire(self.slots, deadline_s=deadline_s)
        except BaseException:
            if asyncio.iscoroutine(work):
                work.close()
            raise
        try:
            return await super().call(work, deadline_s=deadline_s)
        finally:
            self.slots.release()

    async def get(self, key: str, *, deadline_s: float | None = None) -> bytes | None:
        """The value; None when there is none."""
        value: Any = await self.call(self.connection.get(key), deadline_s=deadline_s)
        return value

    async def set(
        self, key: str, value: bytes, *, ttl_s: int | None = None, deadline_s: float | None = None
    ) -> None:
        """Store a value, for `ttl_s` seconds or for good. Raises StorageFull."""
        await self.call(self.connection.set(key, value, ex=ttl_s), deadline_s=deadline_s)

    async def delete(self, key: str) -> bool:
        """Remove a key; True when it was there."""
        return bool(await self.call(self.connection.delete(key)))

    async def version(self) -> str:
        """Valkey's version, or Redis'."""
        facts: Any = await self.connection.info("server")
        return str(facts.get("valkey_version") or facts.get("redis_version", "unknown"))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """The library's errors as StoreUnavailable, StorageFull and UpstreamFailed."""
        try:
            yield
        except (Disconnected, TimedOut, OSError) as exc:
            raise self.not_reachable() from exc
        except OutOfMemoryError as exc:
            raise StorageFull("redis is full", source="redis") from exc
        except ResponseError as exc:
            raise UpstreamFailed("redis refused the operation", source="redis") from exc
        except RedisError as exc:
            raise UpstreamFailed("redis failed", source="redis") from exc


def owned_key(tenant: str, owner: str | None, key: str) -> str:
    """The real key behind a caller's key: inside `capibara6:<tenant>:kv:`, the deployment's own, or inside
    `capibara6:<tenant>:of:<owner>/` (no owner's name holds a `/`).

    Raises TooLarge over `KEY_BYTES`."""
    if len(key.encode("utf-8", "surrogatepass")) > KEY_BYTES:
        raise TooLarge(f"a key may have {KEY_BYTES} bytes", param="key", source="redis")
    place = "kv:" if owner is None else f"of:{owner}/"
    return f"{NAMESPACE}:{tenant}:{place}{key}"


def encoded_value(value: str) -> bytes:
    """The bytes to store, as UTF-8. Raises TooLarge over `VALUE_BYTES`."""
    data = value.encode("utf-8", "surrogatepass")
    if len(data) > VALUE_BYTES:
        raise TooLarge(f"a value may have {VALUE_BYTES} bytes", param="value", source="redis")
    return data


@asynccontextmanager
async def open_redis(settings: Settings) -> AsyncIterator[Redis]:
    """A client that connects on first use."""
    # Calls have deadlines of their own; one for connecting would take a busy machine for a dead store.
    pool = client.ConnectionPool.from_url(settings.redis_url, max_connections=CONNECTIONS * 2, protocol=2)
    connection = client.Redis.from_pool(pool)
    parts = urlsplit(settings.redis_url)
    shown = f"{parts.hostname}:{parts.port}" if parts.hostname else f"unix:{unquote(parts.path)}"
    try:
        yield Redis(connection, shown, deadline_s=settings.stores.deadline_s)
    finally:
        await connection.aclose()
