"""Rows of runs and threads, on SQLite and on a PostgreSQL server; those that ended long ago are removed."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from agents.conversation.persistence import open_persistence
from servers.api.runs import runner
from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import RunRequest, RunRow, as_utc, now, open_engine
from servers.api.runs.threads import Threads
from servers.api.services import open_services
from tests.api.test_protocol import PORT
from tools.access.identity import LOCAL
from tools.errors import NotFound


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


async def test_what_was_said_in_a_thread_stays_for_as_long_as_it_does(settings) -> None:
    old = now() - timedelta(days=31)
    async with open_persistence(settings) as memory, open_engine(settings) as engine:
        threads, repository = Threads(engine, memory), RunRepository(engine)
        thread = await threads.create("hilo", LOCAL, {})
        await repository.insert(
            RunRow(run_id="a", thread_id=thread.thread_id, agent_id="x", status="success", updated_at=old)
        )
        assert await repository.prune(now() - timedelta(days=30)) == 0
        await threads.delete(thread.thread_id)
        assert await repository.search() == []


async def test_a_run_of_an_agent_that_is_gone_ends_and_keeps_nobody_waiting(settings) -> None:
    async with open_services(settings) as services:
        services.runner.agents = {}
        for run_id, stateless in (("a", True), ("b", False)):
            row = RunRow(run_id=run_id, thread_id=run_id, agent_id="gone", stateless=stateless)
            await services.runner.repository.insert(row)
        await services.runner.resume()
        for run_id in ("a", "b"):
            assert (await services.runner.wait(run_id)).status == "error"
            assert not services.runner.is_busy(run_id)


async def test_rows_and_runs_live_on_a_postgresql_server(stores, peers, knobs) -> None:
    named = stores.stores.model_copy(update={"postgres_dsn": SecretStr(stores.postgres_dsn)})
    async with open_services(peers[0].model_copy(update={"stores": named})) as services:
        row = await services.threads.create("en-pg", LOCAL, {"user": "ana"})
        asked: RunRequest = {"messages": [{"role": "user", "content": PORT}]}
        live = await services.runner.start(
            RunRow(thread_id=row.thread_id, agent_id="capibara6", request=asked)
        )
        ended = await services.runner.wait(live.row.run_id)
        assert ended.status == "success"
        assert ended.ending is not None
        assert "5000" in ended.ending["answer"]["answer"]
        assert (await services.threads.get("en-pg", LOCAL)).status == "idle"
        assert len((await services.threads.values("en-pg"))["messages"]) == 2
        await services.threads.delete("en-pg")
        assert await services.threads.values("en-pg") == {}


async def test_moment_keeps_its_zone_when_it_is_read_back(settings) -> None:
    async with open_engine(settings) as engine:
        repository = RunRepository(engine)
        row = RunRow(run_id="z", thread_id="t", agent_id="x")
        written = row.created_at
        await repository.insert(row)
        read = (await repository.get("z")).created_at
    assert read == written
    assert read.isoformat().endswith("+00:00")
    assert as_utc(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=UTC)


async def test_run_whose_ending_is_not_written_keeps_no_thread_locked(
    peers, knobs, settings, monkeypatch
) -> None:
    monkeypatch.setattr(runner, "REWRITE_S", 0.01)
    home = peers[0].model_copy(update={"home": settings.home})
    async with open_services(home) as services:
        row = await services.threads.create("llena", LOCAL, {})
        finish, failures = services.runner.repository.finish, [sqlite3.OperationalError("disk is full")] * 3

        async def full(*given) -> None:
            if failures:
                raise failures.pop()
            await finish(*given)

        monkeypatch.setattr(services.runner.repository, "finish", full)
        asked: RunRequest = {"messages": [{"role": "user", "content": PORT}]}
        live = await services.runner.start(
            RunRow(thread_id=row.thread_id, agent_id="capibara6", request=asked)
        )
        await live.ended.wait()
        assert not services.runner.is_busy(row.thread_id)
        while services.runner.rewriting:
            await next(iter(services.runner.rewriting))
        assert (await services.runner.wait(live.row.run_id)).status == "success"
        assert (await services.threads.get("llena", LOCAL)).status == "idle"
