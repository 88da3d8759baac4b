"""Steps that overlap: one prepares while the one before it writes, in order, and an error ends them all."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from servers.bridge.ingest.overlap import Stages, run_overlapped

pytestmark = pytest.mark.pure


class Work:
    """What happened, in order; `met` is set by a step that prepares while its neighbour writes."""

    def __init__(self) -> None:
        self.stages, self.seen = Stages(), list[str]()
        self.met = asyncio.Event()
        self.under_way = self.most = 0

    async def step(self, number: int) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        async with self.stages.preparing:
            self.seen.append(f"prepare {number}")
            if number == 1:
                self.met.set()
        async with self.stages.writing:
            if number == 0:
                await self.met.wait()
            self.seen.append(f"write {number}")
        self.under_way -= 1


async def test_a_step_prepares_while_the_one_before_it_writes() -> None:
    work = Work()
    async with asyncio.timeout(30):
        await run_overlapped(partial(work.step, number) for number in range(2))
    assert work.seen == ["prepare 0", "prepare 1", "write 0", "write 1"]


async def test_writes_keep_their_order_and_two_steps_are_under_way_at_most() -> None:
    work = Work()
    async with asyncio.timeout(30):
        await run_overlapped(partial(work.step, number) for number in range(9))
    assert [item for item in work.seen if item.startswith("write")] == [f"write {n}" for n in range(9)]
    assert work.most == 2


def failing(ended: list[str]) -> list[Callable]:
    async def fails() -> None:
        raise ValueError("the first step fails")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("second")

    async def never() -> None:
        ended.append("third")

    return [fails, waits, never]


async def test_the_first_error_ends_the_others() -> None:
    ended: list[str] = []
    async with asyncio.timeout(30):
        with pytest.raises(ValueError, match="first step"):
            await run_overlapped(failing(ended))
    assert "third" not in ended


async def test_a_caller_that_leaves_ends_the_steps() -> None:
    ended, begun = list[str](), asyncio.Event()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("step")

    task = asyncio.create_task(run_overlapped([waits]))
    async with asyncio.timeout(30):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == ["step"]
