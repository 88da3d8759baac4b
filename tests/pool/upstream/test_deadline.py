"""A deadline that moves, on its own timer or polled."""

import asyncio

import pytest

from servers.pool.upstream.deadline import Deadline

pytestmark = pytest.mark.pure


async def test_a_deadline_expires_only_when_nothing_renews_it():
    with Deadline(0.0, polled=True) as deadline:
        deadline.renew(60)
        deadline.check()
        await asyncio.sleep(0)
    assert not deadline.expired
    with pytest.raises(TimeoutError), Deadline(60.0) as deadline:
        deadline.renew(0.05)
        await asyncio.sleep(60)


async def test_a_deadline_leaves_other_cancellations_alone():
    async def wait() -> None:
        with Deadline(60.0):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
