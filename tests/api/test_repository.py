"""Rows of runs and threads, on SQLite and on a PostgreSQL server; those that ended long ago are removed."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import RunRequest, RunRow, now, open_engine
from servers.api.services import open_services
from tests.api.test_protocol import PORT
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


async def test_rows_and_runs_live_on_a_postgresql_server(stores, peers, knobs) -> None:
    named = stores.stores.model_copy(update={"postgres_dsn": SecretStr(stores.postgres_dsn)})
    async with open_services(peers[0].model_copy(update={"stores": named})) as services:
        row = await services.threads.create("en-pg", {"user": "ana"})
        asked: RunRequest = {"messages": [{"role": "user", "content": PORT}]}
        live = await services.runner.start(
            RunRow(thread_id=row.thread_id, agent_id="capibara6", request=asked)
        )
        ended = await services.runner.wait(live.row.run_id)
        assert ended.status == "success"
        assert ended.ending is not None
        assert "5000" in ended.ending["answer"]["answer"]
        assert (await services.threads.get("en-pg")).status == "idle"
        assert len((await services.threads.values("en-pg"))["messages"]) == 2
        await services.threads.delete("en-pg")
        assert await services.threads.values("en-pg") == {}
