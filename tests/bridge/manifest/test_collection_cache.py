"""Where a collection was a moment ago: asked for now and then, and each time while it is missing."""

import asyncio
from typing import Any

import pytest

from servers.bridge.manifest.collection_cache import TTL_S, CollectionCache
from servers.bridge.manifest.tables import CollectionRow

pytestmark = pytest.mark.pure


class Collections:
    """Stands in for the repository, and counts."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], CollectionRow] = {}
        self.asked = 0

    async def collection(self, tenant: str, name: str) -> CollectionRow | None:
        self.asked += 1
        return self.rows.get((tenant, name))

    def put(self, tenant: str, physical: str) -> None:
        row = CollectionRow(tenant=tenant, name="notes", physical=physical, embedder="e", dimensions=2)
        self.rows[tenant, "notes"] = row


async def test_a_collection_is_asked_for_again_when_it_is_old_or_forgotten() -> None:
    rows, now = Collections(), [10.0]
    repository: Any = rows
    cache = CollectionCache(repository, lambda: now[0])

    async def physical(tenant: str = "acme") -> str | None:
        row = await cache.collection(tenant, "notes")
        return row.physical if row else None

    assert [await physical(), await physical()] == [None, None]
    assert rows.asked == 2
    rows.put("acme", "one")
    assert [await physical(), await physical("other")] == ["one", None]
    rows.put("acme", "two")
    assert await physical() == "one"
    now[0] += TTL_S
    assert await physical() == "two"
    rows.put("acme", "three")
    cache.forget("acme", "notes")
    assert await physical() == "three"


async def test_a_crowd_asks_once_and_goes_on_without_who_asked_first() -> None:
    rows, answered = Collections(), asyncio.Event()
    rows.put("acme", "one")

    class Slow(Collections):
        async def collection(self, tenant: str, name: str) -> CollectionRow | None:
            self.asked += 1
            await answered.wait()
            return rows.rows.get((tenant, name))

    slow = Slow()
    repository: Any = slow
    cache = CollectionCache(repository)
    first, *others = [asyncio.create_task(cache.collection("acme", "notes")) for _ in range(10)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    answered.set()
    assert [row.physical for row in await asyncio.gather(*others) if row] == ["one"] * 9
    assert first.cancelled()
    assert slow.asked == 1
