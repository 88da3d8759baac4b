"""The queue before an encoder: two lanes, each one batch at a time, one for questions and one for passages.

A question waits for questions before it, never for an ingestion, whose batch goes on beside its own. Batches
are made of rows of alike length and across callers. What a row is the encoder knows.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from servers.bridge.embedding.encoder import Rows
from tools.errors import QueueFull

BATCH_TOKENS = 512
"""Tokens, padding included, of one batch: what bounds the memory of activations."""
MAX_URGENT, MAX_PATIENT = 512, 64
"""Callers with questions, and with passages, that wait; one more is refused."""
Run = Callable[[Rows], NDArray[np.float32]]


@dataclass
class _Request:
    """A caller's rows, those that are not in a batch yet longest first, and the means that have come back."""

    rows: Rows
    waiting: list[int]
    means: NDArray[np.float32]
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    missing: int = 0


class BatchQueue:
    """`run` computes a batch, (rows, size) float32, in a thread, two at once. Callers that have gone are not
    computed for."""

    def __init__(self, run: Run, *, size: int) -> None:
        self.size = size
        # Threads of its own: those of the event loop may all be at an ingestion's work.
        threads = ThreadPoolExecutor(2, thread_name_prefix="encoder")
        self.urgent, self.patient = _Lane(run, threads, MAX_URGENT), _Lane(run, threads, MAX_PATIENT)

    async def means(self, rows: Rows, *, urgent: bool) -> NDArray[np.float32]:
        """The means of the rows, in their order. Raises QueueFull when too many wait, and what `run`
        raises."""
        if not rows:
            return np.zeros((0, self.size), dtype=np.float32)
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        request = _Request(rows, order, np.zeros((len(rows), self.size), dtype=np.float32), missing=len(rows))
        (self.urgent if urgent else self.patient).add(request)
        await request.done
        return request.means


class _Lane:
    """Requests that wait, and the task that computes them batch after batch."""

    def __init__(self, run: Run, threads: ThreadPoolExecutor, bound: int) -> None:
        self.run, self.threads, self.bound = run, threads, bound
        self.requests: deque[_Request] = deque()
        self.worker: asyncio.Task[None] | None = None

    def add(self, request: _Request) -> None:
        if len(self.requests) >= self.bound:
            raise QueueFull("too many texts wait for the embedder", source="embedder", retry_after=1)
        self.requests.append(request)
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        """Until nobody waits."""
        while batch := next_batch(self.requests):
            rows = [request.rows[place] for request, place in batch]
            running = asyncio.get_running_loop().run_in_executor(self.threads, self.run, rows)
            await asyncio.wait([running])
            if error := running.exception():
                _fail(batch, error)
                continue
            for (request, place), mean in zip(batch, running.result(), strict=True):
                request.means[place] = mean
                request.missing -= 1
                if request.missing == 0 and not request.done.done():
                    request.done.set_result(None)


def next_batch(requests: deque[_Request]) -> list[tuple[_Request, int]]:
    """Takes rows from the requests, the first first, while they fit; one row at least. Empty when none
    wait."""
    batch: list[tuple[_Request, int]] = []
    longest = 0
    while requests:
        request = requests[0]
        if request.done.done() or not request.waiting:
            requests.popleft()
            continue
        place = request.waiting[-1]
        longest = max(longest, len(request.rows[place]))
        if batch and longest * (len(batch) + 1) > BATCH_TOKENS:
            break
        batch.append((request, request.waiting.pop()))
    return batch


def _fail(batch: Sequence[tuple[_Request, int]], error: BaseException) -> None:
    for request, _ in batch:
        if not request.done.done():
            request.done.set_exception(error)
