"""Searches of one kind that meet on their way to a store go together: a call costs it more than a search.

Who comes alone is not kept waiting. It knows nothing of the store: `kind` is what must be equal, `ask` is one
call with several questions of that kind.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from servers.bridge.clients.store_client import request_id

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")
A = TypeVar("A")
Ask = Callable[[K, Sequence[Q], str], Awaitable[Sequence[A]]]
CALLS = 4
"""Under way at once, of a kind; beside the first each takes as many questions as one may."""


@dataclass
class Waiting(Generic[Q, A]):
    """One question; `said` is its asker's name of the request."""

    question: Q
    said: str
    answer: asyncio.Future[A]


@dataclass
class Queue(Generic[Q, A]):
    """Those of one kind who wait, in turn, and how many calls are under way."""

    waiting: deque[Waiting[Q, A]] = field(default_factory=deque)
    calls: int = 0


class Batcher(Generic[K, Q, A]):
    """`ask(kind, questions, request ids)` gives an answer each, in order; `faults` are what it raises when a
    question is wrong."""

    def __init__(self, ask: Ask[K, Q, A], *, faults: type[Exception]) -> None:
        self.ask, self.faults = ask, faults
        self.queues: dict[K, Queue[Q, A]] = {}
        self.fetching: set[asyncio.Task[None]] = set()

    async def join(self, kind: K, question: Q, *, most: int) -> A:
        """The answer to `question`, asked together with at most `most` in all. Raises what `ask` raises, but
        nobody hears of a fault in another's question."""
        queue = self.queues.setdefault(kind, Queue())
        if not queue.calls:
            queue.calls += 1
            try:
                return (await self.ask(kind, [question], request_id()))[0]
            finally:
                self._ended(kind, queue, most)
        one: Waiting[Q, A] = Waiting(question, request_id(), asyncio.get_running_loop().create_future())
        queue.waiting.append(one)
        if len(queue.waiting) >= most and queue.calls < CALLS:
            self._begin(kind, queue, most)
        return await one.answer

    async def close(self) -> None:
        """Who waits is cancelled; who was first in a call has it to himself."""
        for task in self.fetching:
            task.cancel()
        await asyncio.gather(*self.fetching, return_exceptions=True)
        for queue in self.queues.values():
            while queue.waiting:
                queue.waiting.popleft().answer.cancel()

    def _begin(self, kind: K, queue: Queue[Q, A], most: int) -> None:
        queue.calls += 1
        asked = _taken(queue.waiting, most)
        task = asyncio.create_task(self._fetch(kind, asked, queue, most))
        self.fetching.add(task)

        def over(task: asyncio.Task[None]) -> None:
            self.fetching.discard(task)
            if task.cancelled():
                for one in asked:
                    one.answer.cancel()

        task.add_done_callback(over)

    def _ended(self, kind: K, queue: Queue[Q, A], most: int) -> None:
        """A call is over: the next one begins for those who wait."""
        queue.calls -= 1
        if queue.waiting:
            self._begin(kind, queue, most)
        elif not queue.calls:
            self.queues.pop(kind, None)

    async def _fetch(self, kind: K, asked: Sequence[Waiting[Q, A]], queue: Queue[Q, A], most: int) -> None:
        try:
            await self._told(kind, asked)
        except self.faults:
            for one in asked:
                await self._told(kind, [one])
        self._ended(kind, queue, most)

    async def _told(self, kind: K, asked: Sequence[Waiting[Q, A]]) -> None:
        """Answer those of `asked` who still wait with one call. Raises `faults`, where they are several."""
        asked = [one for one in asked if not one.answer.done()]
        if not asked:
            return
        said = ",".join(one.said for one in asked if one.said)
        try:
            answers = await self.ask(kind, [one.question for one in asked], said)
        except Exception as exc:  # whatever it is, it is for those who asked
            if len(asked) > 1 and isinstance(exc, self.faults):
                raise
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(exc)
                    one.answer.exception()  # whoever leaves now does not want it
            return
        for one, answer in zip(asked, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)


def _taken(waiting: deque[Waiting[Q, A]], most: int) -> list[Waiting[Q, A]]:
    """The first of those who still wait."""
    taken: list[Waiting[Q, A]] = []
    while waiting and len(taken) < most:
        one = waiting.popleft()
        if not one.answer.done():
            taken.append(one)
    return taken
