"""Whose an assistant is: others neither see nor change it, unless it is shared; older tables are widened."""

import sqlite3

import pytest

from servers.api.assistants.catalog import Assistants
from servers.api.assistants.rows import Content
from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import RunRow, create_tables, open_engine
from tools.access.identity import LOCAL, SCOPES, Principal
from tools.errors import AgentNotFound, Forbidden, NotFound

ANA, ROSA, FAR = (
    Principal(tenant, user, "user", SCOPES["user"], "key")
    for tenant, user in (("uno", "ana"), ("uno", "rosa"), ("dos", "ana"))
)


def content(sharing: str = "private", **context) -> Content:
    return {
        "graph_id": "capibara6",
        "name": "Tutor",
        "description": None,
        "context": context,
        "config": {},
        "metadata": {"sharing": sharing},
    }


async def test_another_persons_assistant_is_there_only_when_shared_and_never_changed(settings) -> None:
    async with open_engine(settings) as engine:
        await create_tables(engine, "assistants", "assistant_versions")
        assistants = Assistants(engine)
        await assistants.create("tutor", ANA, content(language="es"), if_exists="raise")
        for other in (ROSA, FAR):
            with pytest.raises(NotFound):
                await assistants.get("tutor", other)
            with pytest.raises(AgentNotFound):
                await assistants.resolve("tutor", other)
            assert await assistants.find("tutor", other) is None
            assert await assistants.readable(other) == []
        await assistants.create("tutor", ROSA, content(language="en"), if_exists="raise")
        assert (await assistants.resolve("tutor", ROSA)).definition.language == "en"
        await assistants.delete("tutor", ROSA)
        await assistants.update("tutor", ANA, {"metadata": {"sharing": "everybody"}})
        assert (await assistants.resolve("tutor", ROSA)).definition.language == "es"
        assert await assistants.find("tutor", FAR) is None
        for act in (assistants.update("tutor", ROSA, {"name": "Mío"}), assistants.delete("tutor", ROSA)):
            with pytest.raises(Forbidden):
                await act
        again = Assistants(engine)
        await again.load()
        assert await again.find("tutor", ANA) is not None


async def test_tables_of_before_get_what_they_lack(settings) -> None:
    async with open_engine(settings):
        pass
    with sqlite3.connect(settings.home / "runs.sqlite") as older:
        for table, column in (("runs", "outcome"), ("threads", "ttl_minutes"), ("threads", "expires_at")):
            older.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        older.execute("DROP TABLE IF EXISTS assistants")
    older.close()
    async with open_engine(settings) as engine:
        repository = RunRepository(engine)
        await repository.insert(RunRow(run_id="r", thread_id="t", agent_id="capibara6", outcome={"a": 1}))
        assert (await repository.find("r", LOCAL)).outcome == {"a": 1}
