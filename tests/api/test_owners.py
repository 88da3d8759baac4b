"""Whose rows are: files of before there were owners, and runs that go on after a crash as who asked."""

import asyncio
import sqlite3
from pathlib import Path

from agents.conversation.persistence import open_persistence
from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import RunRow, asked_by, open_engine, principal_of
from servers.api.runs.threads import Threads
from servers.api.services import open_services
from tests.agents.peers import Knobs
from tests.api.test_protocol import PORT
from tests.conftest import settings_in
from tools.access.identity import LOCAL, SCOPES, Principal
from tools.errors import NotFound
from tools.settings import Settings

ANA = Principal("huerta", "ana", "user", SCOPES["user"], "session")
OLD = """
CREATE TABLE threads (thread_id VARCHAR NOT NULL, status VARCHAR NOT NULL, metadata JSON,
    created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL, PRIMARY KEY (thread_id));
CREATE TABLE runs (run_id VARCHAR NOT NULL, thread_id VARCHAR NOT NULL, stateless BOOLEAN NOT NULL,
    agent_id VARCHAR NOT NULL, status VARCHAR NOT NULL, "order" JSON, metadata JSON, ending JSON, events JSON,
    attempt INTEGER NOT NULL, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
    PRIMARY KEY (run_id));
INSERT INTO threads VALUES ('viejo', 'idle', '{"de": "antes"}', '2026-01-01', '2026-01-01');
INSERT INTO runs VALUES ('r1', 'viejo', 0, 'capibara6', 'success', '{}', '{}', NULL, '[]', 1,
    '2026-01-01', '2026-01-01');
"""


async def test_rows_of_before_there_were_owners_are_the_local_users(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    with sqlite3.connect(settings.home / "runs.sqlite") as base:
        base.executescript(OLD)
    for _ in range(2):  # the second start finds nothing left to do
        async with open_persistence(settings) as memory, open_engine(settings) as engine:
            threads, runs = Threads(engine, memory), RunRepository(engine)
            row = await threads.get("viejo", LOCAL)
            assert (row.tenant, row.owner, row.meta) == ("default", "local", {"de": "antes"})
            found = await runs.find("r1", LOCAL, thread_id="viejo")
            assert principal_of(found) == LOCAL
            for asked in (threads.get("viejo", ANA), runs.find("r1", ANA)):
                try:
                    await asked
                except NotFound:
                    continue
                raise AssertionError("another's row was found")


async def test_a_run_goes_on_after_a_crash_as_who_asked(
    peers: tuple[Settings, Knobs], knobs: Knobs, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, ports=peers[0].ports)
    async with open_engine(settings) as engine:
        row = RunRow(
            thread_id="huerta/ana/plan",
            tenant=ANA.tenant,
            owner=ANA.user,
            principal=asked_by(ANA),
            agent_id="capibara6",
            request={"messages": [{"role": "user", "content": PORT}]},
        )
        await RunRepository(engine).insert(row)
    async with open_services(settings) as services:
        async with asyncio.timeout(60):
            ended = await services.runner.wait(row.run_id)
        assert ended.status == "success"
        assert ended.ending is not None
        assert ended.ending["answer"]["thread_id"] == "plan"
    shown = knobs.bearers["/v1/chat/completions"] + knobs.bearers["/api/v1/rag/hybrid-search"]
    assert shown
    assert {settings.signer.verify(token) for token in shown} == {ANA}
