"""Conversations come back from a backup on another machine, while its API has its own files open."""

import sqlite3
from contextlib import closing
from pathlib import Path

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph

from agents.conversation.persistence import Persistence, open_persistence
from flows.operations import archive, conversations
from servers.api.runs.repository import RunRepository
from servers.api.runs.tables import RunRow, open_engine
from tests.bridge.databases import with_own_database
from tests.conftest import settings_in
from tools.settings import Settings

THREAD: RunnableConfig = {"configurable": {"thread_id": "ana:1"}}


async def said(persistence: Persistence, *words: str) -> list[str]:
    """What the thread holds after `words` were said in it."""
    graph = StateGraph(MessagesState).add_node("keep", lambda state: {}).add_edge(START, "keep")
    compiled = graph.compile(checkpointer=persistence.checkpointer)
    for word in words:
        await compiled.ainvoke({"messages": [HumanMessage(word)]}, THREAD)
    state = await compiled.aget_state(THREAD)
    return [message.content for message in state.values.get("messages", [])]


def backed_up(settings: Settings, path: Path) -> Path:
    archive.copy_databases(settings, path)
    conversations.copy_key(settings, path)
    return path


async def test_threads_and_memories_of_another_machine_are_read_by_an_api_that_runs(
    settings: Settings, tmp_path: Path
) -> None:
    async with open_persistence(settings) as before:
        await said(before, "el riego es los martes")
        await before.store.aput(("ana",), "color", {"value": "verde"})
        copy = backed_up(settings, tmp_path / "copy")
        await said(before, "esto ya no está en la copia")
    new = settings_in(tmp_path / "new")
    async with open_persistence(new) as running:
        assert await said(running, "algo de la máquina nueva") == ["algo de la máquina nueva"]
        done = conversations.put_back(new, copy)
        assert done == ["seal.key", "threads.sqlite", "facts.sqlite"]
        assert await said(running) == ["el riego es los martes"]
        item = await running.store.aget(("ana",), "color")
        assert item is not None and item.value == {"value": "verde"}
        assert await said(running, "y los jueves") == ["el riego es los martes", "y los jueves"]
    async with open_persistence(new) as started_again:
        assert await said(started_again) == ["el riego es los martes", "y los jueves"]
    assert (new.home / "seal.key").stat().st_mode & 0o077 == 0


async def test_a_run_that_the_backup_caught_in_the_middle_holds_no_thread(
    settings: Settings, tmp_path: Path
) -> None:
    async with open_engine(settings) as engine:
        runs = RunRepository(engine)
        row = RunRow(run_id="r", thread_id="ana:1", agent_id="capibara6")
        await runs.insert(row)
        await runs.mark_running(row)
        copy = backed_up(settings, tmp_path / "copy")
    new = settings_in(tmp_path / "new")
    async with open_engine(new) as engine:
        assert conversations.put_back(new, copy) == ["runs.sqlite"]
        assert (await RunRepository(engine).get("r")).status == "cancelled"
        assert await RunRepository(engine).unfinished() == []


async def test_runs_that_come_back_in_a_dump_of_postgresql_are_ended_too(stores: Settings) -> None:
    settings = with_own_database(stores)
    assert conversations.put_back(settings, settings.home / "no-files") == [], "nothing was there to be ended"
    async with open_engine(settings) as engine:
        runs = RunRepository(engine)
        for name in ("caught", "waiting"):
            await runs.insert(RunRow(run_id=name, thread_id=f"ana:{name}", agent_id="capibara6"))
        await runs.mark_running(await runs.get("caught"))
        conversations.put_back(settings, settings.home / "no-files")
        assert [(await runs.get(name)).status for name in ("caught", "waiting")] == ["cancelled"] * 2
        assert await runs.unfinished() == []


def test_a_backup_of_before_conversations_were_in_it_leaves_them_alone(
    settings: Settings, tmp_path: Path
) -> None:
    settings.home.mkdir(parents=True)
    with closing(sqlite3.connect(settings.home / "threads.sqlite")) as base, base:
        base.execute("CREATE TABLE checkpoints(thread_id)")
    assert conversations.put_back(settings, tmp_path) == []
    with closing(sqlite3.connect(settings.home / "threads.sqlite")) as base:
        assert base.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)
