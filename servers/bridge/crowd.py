"""Searches of one kind that meet on their way to a store go together: a call costs it more than a search.

Who comes alone is not kept waiting. It knows nothing of the store: `kind` is what must be equal, `ask` is one
call with several questions of that kind.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from servers.bridge.store import request_id

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")
A = TypeVar("A")
Ask = Callable[[K, Sequence[Q], str], Awaitable[Sequence[A]]]
CALLS = 2
"""Under way at once, of a kind: while the store works on one the next arrives."""


@dataclass
class Waiting(Generic[Q, A]):
    """One question; `said` is its asker's name of the request."""

    question: Q
    said: str
    answer: asyncio.Future[A]


@dataclass
class Queue(Generic[Q, A]):
    """Those of one kind: in turn, and the calls that fetch them."""

    waiting: deque[Waiting[Q, A]] = field(default_factory=deque)
    calls: set[asyncio.Task[None]] = field(default_factory=set)


class Crowd(Generic[K, Q, A]):
    """`ask(kind, questions, request ids)` gives an answer each, in order; `faults` are what it raises when a
    question is wrong."""

    def __init__(self, ask: Ask[K, Q, A], *, faults: type[Exception]) -> None:
        self.ask, self.faults = ask, faults
        self.queues: dict[K, Queue[Q, A]] = {}

    async def join(self, kind: K, question: Q, *, most: int) -> A:
        """The answer to `question`, asked together with at most `most` in all. Raises what `ask` raises, but
        nobody hears of a fault in another's question."""
        queue = self.queues.setdefault(kind, Queue())
        one: Waiting[Q, A] = Waiting(question, request_id(), asyncio.get_running_loop().create_future())
        queue.waiting.append(one)
        if len(queue.calls) < CALLS:
            call = asyncio.create_task(self._fetch(kind, queue, most))
            queue.calls.add(call)
            call.add_done_callback(lambda ended: _left(queue, ended))
        return await one.answer

    async def close(self) -> None:
        """Ends what is under way; who waits is cancelled."""
        calls = [call for queue in self.queues.values() for call in queue.calls]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _fetch(self, kind: K, queue: Queue[Q, A], most: int) -> None:
        while asked := _taken(queue.waiting, most):
            try:
                await self._told(kind, asked)
            except self.faults:
                for one in asked:
                    await self._told(kind, [one])
        # At once: whoever comes next starts a call of its own.
        queue.calls.discard(_current())
        if not queue.calls:
            self.queues.pop(kind, None)

    async def _told(self, kind: K, asked: Sequence[Waiting[Q, A]]) -> None:
        """Answer those of `asked` who still wait with one call. Raises `faults`, where they are several."""
        asked = [one for one in asked if not one.answer.done()]
        if not asked:
            return
        said = ",".join(one.said for one in asked if one.said)
        try:
            answers = await self.ask(kind, [one.question for one in asked], said)
        except asyncio.CancelledError:
            for one in asked:
                one.answer.cancel()
            raise
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


def _current() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None, "it runs in one"
    return task


def _left(queue: Queue[Q, A], call: asyncio.Task[None]) -> None:
    """A call that was cancelled leaves nobody waiting for it."""
    if call.cancelled():
        queue.calls.discard(call)
        for one in queue.waiting:
            one.answer.cancel()


def _taken(waiting: deque[Waiting[Q, A]], most: int) -> list[Waiting[Q, A]]:
    """The first of those who still wait."""
    taken: list[Waiting[Q, A]] = []
    while waiting and len(taken) < most:
        one = waiting.popleft()
        if not one.answer.done():
            taken.append(one)
    return taken
