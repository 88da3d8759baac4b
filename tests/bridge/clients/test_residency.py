"""Milvus Lite keeps few collections in memory, and none is taken away from whoever uses it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from servers.bridge.clients.milvus import residency
from servers.bridge.clients.milvus.client import Milvus, open_milvus
from servers.bridge.clients.milvus.residency import MOST, Residency
from servers.local.embedded_stores import open_stores
from tests.conftest import settings_in
from tools.errors import StoreUnavailable
from tools.settings import Settings

DIMENSIONS = 64
FIELDS = ("document_id", "tenant", "title", "source", "heading", "language", "text", "tokens")
NAMES = [f"c{number}" for number in range(MOST + 6)]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "IDLE_S", 0.05)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Settings]:
    settings = settings_in(tmp_path / "home")
    with open_stores(settings, "milvus"):
        yield settings


async def use(one: Residency, *names: str) -> None:
    for name in names:
        async with one.using(name):
            pass


async def settled(one: Residency) -> None:
    if one.releasing is not None:
        await one.releasing


async def test_what_was_used_longest_ago_is_released_and_what_is_used_is_not(tmp_path: Path) -> None:
    released: list[str] = []

    async def release(name: str) -> None:
        released.append(name)

    one = Residency(tmp_path / "lock", release)
    async with one.using("held"):
        await use(one, *NAMES, NAMES[0])
        await asyncio.sleep(0.3)
        assert released == []
    await settled(one)
    assert released == [*NAMES[1:], "held"][: len(NAMES) + 1 - MOST]
    await one.close()


async def test_nothing_is_released_while_another_process_is_inside(tmp_path: Path) -> None:
    """Each has a lock of its own on the file, as two processes have."""
    released: list[str] = []

    async def release(name: str) -> None:
        released.append(name)

    one, other = (Residency(tmp_path / "lock", release) for _ in range(2))
    async with other.using("c0"):
        await use(one, *NAMES)
        await asyncio.sleep(0.3)
        assert released == []
    await settled(one)
    assert len(released) == len(NAMES) - MOST
    await one.close()
    await other.close()


async def test_who_can_not_come_in_is_told_so_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residency, "WAIT_S", 0.05)
    hanging = asyncio.Event()

    async def release(name: str) -> None:
        await hanging.wait()

    one, other = (Residency(tmp_path / "lock", release) for _ in range(2))
    await use(one, *NAMES)
    await asyncio.sleep(0.2)
    with pytest.raises(StoreUnavailable):
        await use(other, "c0")
    hanging.set()
    await settled(one)
    await use(other, "c0")
    await one.close()
    await other.close()


def row(name: str) -> dict[str, object]:
    texts = dict.fromkeys(FIELDS, name)
    return {"id": name, **texts, "dense": [1.0] + [0.0] * (DIMENSIONS - 1), "metadata": {}}


async def found(store: Milvus, name: str) -> list[str]:
    hits = await store.dense(name, [1.0] * DIMENSIONS, limit=3, fields=["document_id"], deadline_s=30.0)
    return [hit["id"] for hit in hits]


async def test_many_collections_take_the_memory_of_few_and_all_of_them_answer(lite: Settings) -> None:
    family, data = psutil.Process().children(recursive=True), str(lite.home / "milvus")
    (process,) = (one for one in family if any(data in word for word in one.cmdline()))
    async with open_milvus(lite) as store:
        await store.ensure("first", dimensions=DIMENSIONS)
        await store.upsert("first", [row("first")])
        one = process.memory_info().rss
        for name in NAMES:
            await store.ensure(name, dimensions=DIMENSIONS)
            await store.upsert(name, [row(name)])
        assert store.residency is not None
        await settled(store.residency)
        assert process.memory_info().rss < one * MOST
        for name in ("first", *NAMES):
            assert await found(store, name) == [name]
            assert await store.count(name) == 1


async def test_what_is_written_while_collections_come_and_go_is_there(lite: Settings) -> None:
    """Two clients, as two bridges over one store; without the lock a release lost what was being written."""
    async with open_milvus(lite) as store, open_milvus(lite) as another:
        for name in NAMES:
            await store.ensure(name, dimensions=DIMENSIONS)

        async def write(client: Milvus, kind: str) -> None:
            for number in range(10):
                for name in NAMES:
                    await client.upsert(name, [{**row(name), "id": f"{kind}{number}"}])

        await asyncio.gather(write(store, "a"), write(another, "b"))
        assert [await store.count(name) for name in NAMES] == [20] * len(NAMES)
