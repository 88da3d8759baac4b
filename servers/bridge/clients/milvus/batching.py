"""Micro-batching: searches of one kind that wait at the same time share one call to the store.

A call costs the store more than a search in it. A search that comes alone is sent at once. It knows nothing
of the store: `kind` is what must be equal, `ask` is one call with several questions of that kind.
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
"""Calls under way at once of a kind; each but the first starts when it is full or another ends."""


@dataclass
class Pending(Generic[Q, A]):
    """One question that waits for its call; `request_id` is its caller's."""

    question: Q
    request_id: str
    answer: asyncio.Future[A]


@dataclass
class Queue(Generic[Q, A]):
    """The questions of one kind that wait, oldest first, and how many calls are under way."""

    pending: deque[Pending[Q, A]] = field(default_factory=deque)
    calls: int = 0


class Batcher(Generic[K, Q, A]):
    """`ask(kind, questions, request ids)` gives an answer each, in order; it raises `question_errors` when
    one of the questions is wrong, which are then asked one by one."""

    def __init__(self, ask: Ask[K, Q, A], *, question_errors: type[Exception]) -> None:
        self.ask, self.question_errors = ask, question_errors
        self.queues: dict[K, Queue[Q, A]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def submit(self, kind: K, question: Q, *, most: int) -> A:
        """The answer to `question`, in a call of at most `most` questions. Raises what `ask` raises, but
        never the error of another's question."""
        queue = self.queues.setdefault(kind, Queue())
        if not queue.calls:
            queue.calls += 1
            try:
                return (await self.ask(kind, [question], request_id()))[0]
            finally:
                self._finish(kind, queue, most)
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        queue.pending.append(Pending(question, request_id(), answer))
        if len(queue.pending) >= most and queue.calls < CALLS:
            self._start(kind, queue, most)
        return await answer

    async def close(self) -> None:
        """Cancel what waits and every batch under way; a search that was sent alone is its caller's own."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for queue in self.queues.values():
            while queue.pending:
                queue.pending.popleft().answer.cancel()

    def _start(self, kind: K, queue: Queue[Q, A], most: int) -> None:
        queue.calls += 1
        batch = _take(queue.pending, most)
        task = asyncio.create_task(self._run(kind, batch, queue, most))
        self.tasks.add(task)

        def over(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            if task.cancelled():
                for one in batch:
                    one.answer.cancel()

        task.add_done_callback(over)

    def _finish(self, kind: K, queue: Queue[Q, A], most: int) -> None:
        """A call is over: the next one begins for those who wait."""
        queue.calls -= 1
        if queue.pending:
            self._start(kind, queue, most)
        elif not queue.calls:
            self.queues.pop(kind, None)

    async def _run(self, kind: K, batch: Sequence[Pending[Q, A]], queue: Queue[Q, A], most: int) -> None:
        try:
            await self._answer(kind, batch)
        except self.question_errors:
            for one in batch:
                await self._answer(kind, [one])
        self._finish(kind, queue, most)

    async def _answer(self, kind: K, batch: Sequence[Pending[Q, A]]) -> None:
        """Answer those of `batch` that still wait with one call. Raises `question_errors` for several."""
        batch = [one for one in batch if not one.answer.done()]
        if not batch:
            return
        request_ids = ",".join(one.request_id for one in batch if one.request_id)
        try:
            answers = await self.ask(kind, [one.question for one in batch], request_ids)
        except Exception as exc:  # whatever it is, it is raised to the callers
            if len(batch) > 1 and isinstance(exc, self.question_errors):
                raise
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(exc)
                    one.answer.exception()  # a caller that leaves now does not want it
            return
        for one, answer in zip(batch, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)


def _take(pending: deque[Pending[Q, A]], most: int) -> list[Pending[Q, A]]:
    """At most `most` of those that still wait, oldest first."""
    taken: list[Pending[Q, A]] = []
    while pending and len(taken) < most:
        one = pending.popleft()
        if not one.answer.done():
            taken.append(one)
    return taken
