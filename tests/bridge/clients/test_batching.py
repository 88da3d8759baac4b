"""Searches that meet on their way go together, and none hears of the others."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from servers.bridge.clients.milvus.batching import CALLS, Batcher
from servers.bridge.services import open_services
from tools.schema import Document
from tools.settings import Settings


class Fault(Exception):
    """A question is wrong."""


class Fake:
    """Answers each question with its double, once it is opened; -1 is a wrong question."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.calls: list[list[int]] = []
        self.came = asyncio.Condition()

    async def ask(self, _: str, questions: Sequence[int], said: str) -> list[int]:
        async with self.came:
            self.calls.append(list(questions))
            self.came.notify_all()
        await self.open.wait()
        if -1 in questions:
            raise Fault(questions)
        return [2 * question for question in questions]

    async def reached(self, count: int) -> None:
        async with asyncio.timeout(30), self.came:
            await self.came.wait_for(lambda: len(self.calls) >= count)


async def arrived(batcher: Batcher, questions: Sequence[int], *, kind: str = "a", most: int = 4) -> list:
    """Tasks that have joined, each in its turn."""
    tasks = [asyncio.create_task(batcher.submit(kind, question, most=most)) for question in questions]
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_alone_is_asked_for_at_once() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    (task,) = await arrived(batcher, [1])
    await store.reached(1)
    store.open.set()
    assert await task == 2
    assert store.calls == [[1]]
    assert batcher.queues == {}


async def test_who_comes_while_a_call_is_under_way_goes_in_the_next_with_at_most_so_many() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    (first,) = await arrived(batcher, [0])
    await store.reached(1)
    others = await arrived(batcher, range(10, 13))
    assert store.calls == [[0]]
    full = await arrived(batcher, range(13, 16))
    await store.reached(2)
    assert store.calls == [[0], [10, 11, 12, 13]]
    store.open.set()
    assert await asyncio.gather(first, *others, *full) == [0, *(2 * number for number in range(10, 16))]
    assert store.calls[2:] == [[14, 15]]
    assert not batcher.queues


async def test_no_more_calls_than_some_are_under_way() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    tasks = await arrived(batcher, range(CALLS + 3), most=1)
    await store.reached(CALLS)
    assert len(store.calls) == CALLS
    store.open.set()
    assert await asyncio.gather(*tasks) == [2 * number for number in range(CALLS + 3)]
    assert all(len(call) == 1 for call in store.calls)


async def test_questions_of_two_kinds_do_not_wait_for_each_other() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    tasks = [task for kind in "ab" for task in await arrived(batcher, [ord(kind)], kind=kind)]
    await store.reached(2)
    store.open.set()
    assert await asyncio.gather(*tasks) == [2 * ord(kind) for kind in "ab"]


async def test_a_wrong_question_is_wrong_for_its_asker_alone() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    (first,) = await arrived(batcher, [1])
    await store.reached(1)
    one, wrong, two = await arrived(batcher, [5, -1, 6])
    store.open.set()
    assert (await first, await one, await two) == (2, 10, 12)
    with pytest.raises(Fault):
        await wrong


async def test_who_has_left_is_not_asked_for() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    (first,) = await arrived(batcher, [1])
    await store.reached(1)
    gone, stays = await arrived(batcher, [7, 8])
    gone.cancel()
    store.open.set()
    assert (await first, await stays) == (2, 16)
    assert store.calls == [[1], [8]]


async def test_who_leaves_a_call_of_his_own_leaves_the_others_theirs() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    (first,) = await arrived(batcher, [1])
    await store.reached(1)
    (second,) = await arrived(batcher, [2])
    first.cancel()
    store.open.set()
    assert await second == 4


async def test_closing_leaves_nobody_waiting() -> None:
    store = Fake()
    batcher: Batcher[str, int, int] = Batcher(store.ask, question_errors=Fault)
    (first,) = await arrived(batcher, [1])
    await store.reached(1)
    others = [*await arrived(batcher, range(4)), *await arrived(batcher, [7, 8, 9])]
    await batcher.close()
    ended = await asyncio.gather(*others, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    store.open.set()
    assert await first == 2


async def test_a_crowd_finds_in_milvus_what_each_would_find_alone(graph: Settings) -> None:
    async with open_services(graph) as stores:
        words = ["harbour", "tide", "lighthouse", "pier", "anchor", "sail", "storm", "rope"]
        documents = [Document(id=word, text=f"Here the {word} is described.") for word in words]
        await stores.ingest.upsert("default", "crowded", documents)
        location = await stores.repository.where("default", "crowded")
        vectors = np.asarray(await stores.embedders.get(None).embed(words), dtype=np.float32)

        async def both(number: int) -> tuple[list[str], list[float], list[str]]:
            found = await stores.milvus.dense(location.physical, vectors[number].tolist(), limit=3)
            said = await stores.milvus.text(location.physical, words[number], limit=1)
            near = [float(hit["distance"]) for hit in found]
            return [hit["id"] for hit in found], near, [hit["id"] for hit in said]

        alone = [await both(number) for number in range(len(words))]
        assert len({tuple(ids) for ids, _, _ in alone}) == len(words)
        batcher = await asyncio.gather(*(both(number % len(words)) for number in range(64)))
        for number, (ids, near, said) in enumerate(batcher):
            wanted = alone[number % len(words)]
            assert (ids, said) == (wanted[0], wanted[2])
            assert near == pytest.approx(wanted[1], abs=1e-4)
