"""Pipelines the steps of one work: a step prepares while the one before it writes; two under way, never more.

It knows nothing of what the steps do; they come to each stage in their own order.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

DEPTH = 2
"""One step a stage: with two stages a third step would only wait, with its texts and vectors in memory."""


class Stages:
    """The two stages of a pipeline, each for one step at a time: who holds `preparing` reads and computes,
    who holds `writing` writes."""

    def __init__(self) -> None:
        self.preparing, self.writing = asyncio.Lock(), asyncio.Lock()


async def run_overlapped(steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Await all steps, `DEPTH` at a time. The first error ends the others, which have ended when it is
    raised."""
    running: deque[asyncio.Task[None]] = deque()
    try:
        for step in steps:
            if len(running) == DEPTH:
                await running[0]
                running.popleft()
            running.append(asyncio.create_task(_awaited(step)))
        while running:
            await running[0]
            running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _awaited(step: Callable[[], Awaitable[None]]) -> None:
    await step()
