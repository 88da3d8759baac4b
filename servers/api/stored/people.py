"""What the API's own stores hold of one person: threads, runs, facts, items, responses, files.

Which of them are a person's says the owner of a row, or the key that begins with them.
"""

import base64
from collections.abc import AsyncIterator
from typing import Any

from langgraph.store.base import BaseStore, SearchItem
from sqlalchemy import ColumnElement, and_
from sqlmodel import SQLModel, col, delete, select

from agents.conversation.ownership import facts_namespace, item_namespace
from servers.api.runs.deliveries import DeliveryRow
from servers.api.runs.runner import Runner
from servers.api.runs.tables import RunRow, ThreadRow, open_session
from servers.api.runs.threads import Threads
from servers.api.stored.files import FileRow
from servers.api.stored.ingestions import IngestionRow
from servers.api.stored.responses import ResponseRow
from tools.access.identity import SCOPES, Principal
from tools.schema import JsonObject

PAGE = 500
TABLES: dict[str, type[Any]] = {
    "threads": ThreadRow,
    "runs": RunRow,
    "responses": ResponseRow,
    "files": FileRow,
}


class PersonalRows:
    """All that is one person's of a tenant. Raises what the stores raise; an erasure may be done again."""

    def __init__(self, threads: Threads, runner: Runner) -> None:
        self.threads, self.runner = threads, runner
        self.engine, self.store = threads.engine, threads.memory.store

    async def export(self, tenant: str, person: str) -> dict[str, list[JsonObject]]:
        """The rows by table, threads with what was said in them; a file's bytes as base64."""
        found: dict[str, list[JsonObject]] = {}
        async with open_session(self.engine) as session:
            for name, table in TABLES.items():
                rows = (await session.exec(select(table).where(_theirs(table, tenant, person)))).all()
                found[name] = [_shown(row) for row in rows]
        for thread in found["threads"]:
            thread["values"] = await self.threads.values(thread["thread_id"])
        found["facts"] = [
            {"namespace": list(item.namespace), "key": item.key, "value": item.value}
            async for item in _items(self.store, _principal(tenant, person))
        ]
        return {name: rows for name, rows in found.items() if rows}

    async def erase(self, tenant: str, person: str) -> dict[str, int]:
        """End what runs for them and delete it; how many by table."""
        for run in list(self.runner.active.values()):
            if (run.row.tenant, run.row.owner) == (tenant, person):
                await self.runner.cancel(run.row.run_id)
        erased: dict[str, int] = {}
        async with open_session(self.engine) as session:
            theirs = select(ThreadRow.thread_id).where(_theirs(ThreadRow, tenant, person))
            keys = (await session.exec(theirs)).all()
            runs = select(RunRow.run_id).where(
                _theirs(RunRow, tenant, person)
            )  # they say whose a delivery is
            await session.exec(delete(DeliveryRow).where(col(DeliveryRow.run_id).in_(runs)))
            files = select(FileRow.file_id).where(_theirs(FileRow, tenant, person))
            await session.exec(delete(IngestionRow).where(col(IngestionRow.file_id).in_(files)))
            for name, table in TABLES.items():
                gone = await session.exec(delete(table).where(_theirs(table, tenant, person)))
                erased[name] = gone.rowcount
            await session.commit()
        for key in keys:
            await self.threads.delete(key)
        items = [item async for item in _items(self.store, _principal(tenant, person))]
        for item in items:
            await self.store.adelete(item.namespace, item.key)
        return {name: count for name, count in {**erased, "facts": len(items)}.items() if count}


def _principal(tenant: str, person: str) -> Principal:
    """The person, as the keys of their things name them."""
    return Principal(tenant, person, "user", SCOPES["user"], "")


def _theirs(table: type[Any], tenant: str, person: str) -> ColumnElement[bool]:
    return and_(col(table.tenant) == tenant, col(table.owner) == person)


def _shown(row: SQLModel) -> JsonObject:
    """A row as JSON; without the caller of a run, who is this person."""
    if isinstance(row, FileRow):
        return {
            **row.model_dump(mode="json", exclude={"content"}),
            "content": base64.b64encode(row.content).decode(),
        }
    return row.model_dump(mode="json", exclude={"principal"})


async def _items(store: BaseStore, person: Principal) -> AsyncIterator[SearchItem]:
    """What the store keeps of them: facts to be remembered, and items."""
    for namespace in (facts_namespace(person, None), item_namespace(person)):
        page, found = 0, PAGE
        while found == PAGE:
            items = await store.asearch(namespace, limit=PAGE, offset=page * PAGE)
            for item in items:
                if item.namespace[: len(namespace)] == namespace:  # a prefix of text fits other people too
                    yield item
            page, found = page + 1, len(items)
