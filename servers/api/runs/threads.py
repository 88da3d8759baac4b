"""Threads: their rows and the conversation that their checkpoints hold. It starts no run."""

from typing import Literal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, delete, select

from agents.conversation import history
from agents.conversation.persistence import Persistence
from servers.api.runs.tables import RunRow, ThreadRow, new_id, now, open_session
from tools.errors import Conflict, NotFound
from tools.schema import JsonObject


class Threads:
    """Creates, reads, changes, copies and deletes threads: the row and the checkpoints together."""

    def __init__(self, engine: AsyncEngine, memory: Persistence) -> None:
        self.engine = engine
        self.memory = memory

    async def create(
        self,
        thread_id: str | None,
        metadata: JsonObject,
        *,
        if_exists: Literal["raise", "do_nothing"] = "raise",
    ) -> ThreadRow:
        """A new thread, or with `do_nothing` the one that has this id. Raises `Conflict` with `raise`."""
        row = ThreadRow(thread_id=thread_id or new_id(), meta=metadata)
        try:
            async with open_session(self.engine) as session:
                session.add(row)
                await session.commit()
        except IntegrityError as exc:
            if if_exists == "do_nothing":
                return await self.get(row.thread_id)
            raise Conflict(f"thread {row.thread_id} exists", param="thread_id", source="api") from exc
        return row

    async def get(self, thread_id: str) -> ThreadRow:
        """Raises `NotFound`."""
        async with open_session(self.engine) as session:
            row = await session.get(ThreadRow, thread_id)
        if row is None:
            raise NotFound(f"there is no thread {thread_id!r}", param="thread_id", source="api")
        return row

    async def patch(self, thread_id: str, *, metadata: JsonObject) -> ThreadRow:
        """Merge `metadata` into the thread's own. Raises `NotFound`."""
        await self.get(thread_id)
        async with open_session(self.engine) as session:
            row = await session.get_one(ThreadRow, thread_id)
            row.meta = {**row.meta, **metadata}
            row.updated_at = now()
            session.add(row)
            await session.commit()
        return row

    async def delete(self, thread_id: str) -> None:
        """Delete the thread, its runs and its checkpoints."""
        async with open_session(self.engine) as session:
            await session.exec(delete(RunRow).where(col(RunRow.thread_id) == thread_id))
            await session.exec(delete(ThreadRow).where(col(ThreadRow.thread_id) == thread_id))
            await session.commit()
        await history.delete(self.memory, thread_id)

    async def search(
        self, *, metadata: JsonObject, status: str | None, limit: int, offset: int
    ) -> list[ThreadRow]:
        """Threads whose metadata contains `metadata`, newest first."""
        query = select(ThreadRow).order_by(col(ThreadRow.updated_at).desc())
        if status is not None:
            query = query.where(ThreadRow.status == status)
        async with open_session(self.engine) as session:
            rows = (await session.exec(query)).all()
        matching = [row for row in rows if metadata.items() <= row.meta.items()]
        return matching[offset : offset + limit]

    async def values(self, thread_id: str) -> JsonObject:
        """The conversation and its last turn, from the newest checkpoint; empty before the first run."""
        return await history.values(self.memory, thread_id)

    async def history(self, thread_id: str, *, limit: int, before: str | None) -> list[JsonObject]:
        """Checkpoints, newest first; `before` is the id of one. Raises `NotFound`."""
        await self.get(thread_id)
        return await history.history(self.memory, thread_id, limit=limit, before=before)

    async def copy(self, thread_id: str) -> ThreadRow:
        """A new thread with the same checkpoints, independent from then on. Raises `NotFound`."""
        row = await self.create(None, {**(await self.get(thread_id)).meta, "copied_from": thread_id})
        await history.copy(self.memory, thread_id, row.thread_id)
        return row
