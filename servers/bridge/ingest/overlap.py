"""Runs steps of one work so that a step prepares while the one before it writes: two under way, never more.

It knows nothing of what the steps do; they come to each stage in their own order.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

WIDTH = 2


class Lane:
    """A stage each: who holds `preparing` reads and computes, who holds `writing` writes."""

    def __init__(self) -> None:
        self.preparing, self.writing = asyncio.Lock(), asyncio.Lock()


async def overlapped(steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Await all steps. The first error ends the others, which have ended when it is raised."""
    running: deque[asyncio.Task[None]] = deque()
    try:
        for step in steps:
            if len(running) == WIDTH:
                await running[0]
                running.popleft()
            running.append(asyncio.create_task(_task(step)))
        while running:
            await running[0]
            running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _task(step: Callable[[], Awaitable[None]]) -> None:
    await step()
