"""Searches that meet on their way go together, and none hears of the others."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from servers.bridge.crowd import CALLS, Crowd
from servers.bridge.stores import open_stores
from tools.schema import Document
from tools.settings import Settings


class Fault(Exception):
    """A question is wrong."""


class Desk:
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


async def arrived(crowd: Crowd, questions: Sequence[int], *, kind: str = "a", most: int = 4) -> list:
    """Tasks that have joined, each in its turn."""
    tasks = [asyncio.create_task(crowd.join(kind, question, most=most)) for question in questions]
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_alone_is_asked_for_at_once() -> None:
    desk = Desk()
    crowd: Crowd[str, int, int] = Crowd(desk.ask, faults=Fault)
    (task,) = await arrived(crowd, [1])
    await desk.reached(1)
    desk.open.set()
    assert await task == 2
    assert desk.calls == [[1]]
    assert crowd.queues == {}


async def test_who_comes_while_calls_are_under_way_goes_together_with_at_most_so_many() -> None:
    desk = Desk()
    crowd: Crowd[str, int, int] = Crowd(desk.ask, faults=Fault)
    first = [task for number in range(CALLS) for task in await arrived(crowd, [number])]
    await desk.reached(CALLS)
    others = await arrived(crowd, range(10, 16))
    desk.open.set()
    assert await asyncio.gather(*first, *others) == [0, 2, *(2 * number for number in range(10, 16))]
    assert sorted(map(len, desk.calls)) == [1, 1, 2, 4]
    assert not crowd.queues


async def test_questions_of_two_kinds_do_not_wait_for_each_other() -> None:
    desk = Desk()
    crowd: Crowd[str, int, int] = Crowd(desk.ask, faults=Fault)
    tasks = [task for kind in "ab" for n in range(CALLS) for task in await arrived(crowd, [n], kind=kind)]
    await desk.reached(2 * CALLS)
    desk.open.set()
    assert await asyncio.gather(*tasks) == [0, 2, 0, 2]


async def test_a_wrong_question_is_wrong_for_its_asker_alone() -> None:
    desk = Desk()
    crowd: Crowd[str, int, int] = Crowd(desk.ask, faults=Fault)
    first = [task for number in range(CALLS) for task in await arrived(crowd, [number])]
    await desk.reached(CALLS)
    one, wrong, two = await arrived(crowd, [5, -1, 6])
    desk.open.set()
    await asyncio.gather(*first)
    assert (await one, await two) == (10, 12)
    with pytest.raises(Fault):
        await wrong


async def test_who_has_left_is_not_asked_for() -> None:
    desk = Desk()
    crowd: Crowd[str, int, int] = Crowd(desk.ask, faults=Fault)
    first = [task for number in range(CALLS) for task in await arrived(crowd, [number])]
    await desk.reached(CALLS)
    gone, stays = await arrived(crowd, [7, 8])
    gone.cancel()
    desk.open.set()
    assert await stays == 16
    await asyncio.gather(*first)
    assert all(7 not in call for call in desk.calls)


async def test_closing_leaves_nobody_waiting() -> None:
    desk = Desk()
    crowd: Crowd[str, int, int] = Crowd(desk.ask, faults=Fault)
    first = [task for number in range(CALLS) for task in await arrived(crowd, [number])]
    await desk.reached(CALLS)
    others = await arrived(crowd, [7, 8, 9])
    await crowd.close()
    ended = await asyncio.gather(*others, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    desk.open.set()
    assert await asyncio.gather(*first) == [0, 2]


async def test_a_crowd_finds_in_milvus_what_each_would_find_alone(graph: Settings) -> None:
    async with open_stores(graph) as stores:
        words = ["harbour", "tide", "lighthouse", "pier", "anchor", "sail", "storm", "rope"]
        documents = [Document(id=word, text=f"Here the {word} is described.") for word in words]
        await stores.ingest.upsert("default", "crowded", documents)
        place = await stores.library.where("default", "crowded")
        vectors = np.asarray(await stores.embedders.get(None).embed(words), dtype=np.float32)

        async def both(number: int) -> tuple[list[str], list[float], list[str]]:
            found = await stores.milvus.dense(place.physical, vectors[number].tolist(), limit=3)
            said = await stores.milvus.text(place.physical, words[number], limit=1)
            near = [float(hit["distance"]) for hit in found]
            return [hit["id"] for hit in found], near, [hit["id"] for hit in said]

        alone = [await both(number) for number in range(len(words))]
        assert len({tuple(ids) for ids, _, _ in alone}) == len(words)
        crowd = await asyncio.gather(*(both(number % len(words)) for number in range(64)))
        for number, (ids, near, said) in enumerate(crowd):
            wanted = alone[number % len(words)]
            assert (ids, said) == (wanted[0], wanted[2])
            assert near == pytest.approx(wanted[1], abs=1e-4)
