"""One API process a database; the rows of runs that ended long ago are removed."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import SecretStr

from servers.api.runs.leader_lock import leader_lock
from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import RunRow, now, open_engine
from tools.errors import Conflict, NotFound


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


async def test_ended_runs_go_after_their_time_and_unfinished_ones_stay(settings) -> None:
    old = now() - timedelta(days=31)
    async with open_engine(settings) as engine:
        repository = RunRepository(engine)
        for run_id, status, at in (("a", "success", old), ("b", "pending", old), ("c", "success", now())):
            row = RunRow(run_id=run_id, thread_id="t", agent_id="x", status=status, updated_at=at)
            await repository.insert(row)
        assert await repository.prune(now() - timedelta(days=30)) == 1
        with pytest.raises(NotFound):
            await repository.get("a")
        assert {row.run_id for row in await repository.search()} == {"b", "c"}
