"""The queue before an encoder: questions wait for no passage, batches and callers are bounded, nothing is
computed for who has gone."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from servers.bridge.embedding.batch_queue import BATCH_TOKENS, MAX_PATIENT, MAX_URGENT, BatchQueue
from servers.bridge.embedding.encoder import Rows
from tools.errors import QueueFull

pytestmark = pytest.mark.pure


QUESTION = 100


class Recorder:
    """An encoder whose mean is a row's first id; it holds each batch until `gate` is set, but for questions:
    rows that begin with `QUESTION`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate, self.begun = threading.Event(), threading.Event()

    def __call__(self, rows: Rows) -> np.ndarray:
        self.batches.append([row[0] for row in rows])
        self.begun.set()
        assert rows[0][0] == QUESTION or self.gate.wait(20)
        if any(row[0] < 0 for row in rows):
            raise ValueError("a row that no model reads")
        return np.array([[row[0]] for row in rows], dtype=np.float32)


def rows(names: Sequence[int], *, length: int = BATCH_TOKENS // 2) -> list[list[int]]:
    return [[name] * length for name in names]


async def begun(recorder: Recorder) -> None:
    assert await asyncio.to_thread(recorder.begun.wait, 20)


async def test_a_question_is_answered_while_a_batch_of_passages_runs() -> None:
    recorder = Recorder()
    queue = BatchQueue(recorder, size=1)
    passages = asyncio.create_task(queue.means(rows(range(1, 9)), urgent=False))
    await begun(recorder)
    assert (await queue.means(rows([QUESTION]), urgent=True)).tolist() == [[QUESTION]]
    assert len(recorder.batches) == 2
    recorder.gate.set()
    assert (await passages).ravel().tolist() == list(range(1, 9))


async def test_a_batch_holds_rows_of_several_callers_and_never_more_than_its_tokens() -> None:
    recorder = Recorder()
    queue = BatchQueue(recorder, size=1)
    first = asyncio.create_task(queue.means(rows([1]), urgent=False))
    await begun(recorder)
    short = [asyncio.create_task(queue.means(rows([name], length=8), urgent=False)) for name in (2, 3, 4)]
    long = asyncio.create_task(queue.means(rows([5, 6, 7]), urgent=False))
    await asyncio.sleep(0)
    recorder.gate.set()
    assert [(await task).ravel().tolist() for task in (first, *short, long)] == [
        [1],
        [2],
        [3],
        [4],
        [5, 6, 7],
    ]
    assert recorder.batches[1] == [2, 3, 4]
    assert max(map(len, recorder.batches[2:])) == 2


async def test_rows_of_alike_length_are_computed_together() -> None:
    recorder = Recorder()
    recorder.gate.set()
    mixed = [[length] * length for length in (200, 10, 190, 12, 210, 11)]
    found = await BatchQueue(recorder, size=1).means(mixed, urgent=False)
    assert found.ravel().tolist() == [200, 10, 190, 12, 210, 11]
    assert recorder.batches == [[210, 200], [190, 12], [11, 10]]


async def test_who_has_gone_is_not_computed_for() -> None:
    recorder = Recorder()
    queue = BatchQueue(recorder, size=1)
    first = asyncio.create_task(queue.means(rows([1]), urgent=False))
    await begun(recorder)
    gone = asyncio.create_task(queue.means(rows([2, 3]), urgent=False))
    await asyncio.sleep(0)
    gone.cancel()
    recorder.gate.set()
    await first
    assert (await queue.means(rows([4]), urgent=False)).tolist() == [[4]]
    assert recorder.batches == [[1], [4]]


async def test_an_error_reaches_who_is_in_the_batch_and_the_queue_goes_on() -> None:
    recorder = Recorder()
    recorder.gate.set()
    queue = BatchQueue(recorder, size=1)
    with pytest.raises(ValueError, match="no model reads"):
        await queue.means(rows([-1, 1, 2]), urgent=False)
    assert (await queue.means(rows([3]), urgent=True)).tolist() == [[3]]


@pytest.mark.parametrize(("urgent", "bound"), [(True, MAX_URGENT), (False, MAX_PATIENT)])
async def test_callers_beyond_the_bound_are_refused(urgent: bool, bound: int) -> None:
    recorder = Recorder()
    queue = BatchQueue(recorder, size=1)
    asked = [asyncio.create_task(queue.means([[1]], urgent=urgent)) for _ in range(bound)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        await queue.means([[1]], urgent=urgent)
    recorder.gate.set()
    assert len(await asyncio.gather(*asked)) == bound
