"""The leader lock: one API process a database."""

import asyncio

import pytest
from pydantic import SecretStr

from servers.api.runs.leader_lock import leader_lock
from tools.errors import Conflict


@pytest.fixture(params=["files", "postgres"])
def alone(request, settings):
    """Settings with little patience, once on files and once on a PostgreSQL."""
    limits = settings.limits.model_copy(update={"drain_s": 0.0})
    changes: dict[str, object] = {"limits": limits}
    if request.param == "postgres":
        dsn = SecretStr(request.getfixturevalue("stores").postgres_dsn)
        changes["stores"] = settings.stores.model_copy(update={"postgres_dsn": dsn})
    return settings.model_copy(update=changes)


async def test_a_second_process_waits_until_the_first_has_left(alone) -> None:
    entered = asyncio.Event()

    async def second() -> None:
        async with leader_lock(alone):
            entered.set()

    async with leader_lock(alone):
        follower = asyncio.create_task(second())
        await asyncio.sleep(0.5)
        assert not entered.is_set()
    await asyncio.wait_for(follower, 30)
    assert entered.is_set()


async def test_a_second_process_gives_up_when_the_first_stays(alone, monkeypatch) -> None:
    monkeypatch.setattr("servers.api.runs.leader_lock.HANDOVER_S", 0.3)
    async with leader_lock(alone):
        with pytest.raises(Conflict, match="another API process"):
            async with leader_lock(alone):
                pass
