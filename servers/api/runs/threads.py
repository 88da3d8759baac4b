"""Threads: their rows, and what they remember. It starts no run."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, delete, select

from agents.conversation import history
from agents.conversation.persistence import Persistence
from servers.api.runs.tables import RunRow, ThreadRow, new_id, now, session
from tools.errors import Conflict, NotFound


class Threads:
    """Verbs over threads. Raises `tools.errors`."""

    def __init__(self, engine: AsyncEngine, memory: Persistence) -> None:
        self.engine = engine
        self.memory = memory

    async def create(
        self, thread_id: str | None, info: dict[str, Any], *, exists: str = "raise"
    ) -> ThreadRow:
        """A new thread; `exists` says what to do when there is one: `raise` (409) or `do_nothing`."""
        row = ThreadRow(thread_id=thread_id or new_id(), info=info)
        try:
            async with session(self.engine) as rows:
                rows.add(row)
                await rows.commit()
        except IntegrityError as exc:
            if exists == "do_nothing":
                return await self.get(row.thread_id)
            raise Conflict(f"thread {row.thread_id} exists", param="thread_id", source="api") from exc
        return row

    async def get(self, thread_id: str) -> ThreadRow:
        async with session(self.engine) as rows:
            row = await rows.get(ThreadRow, thread_id)
        if row is None:
            raise NotFound(f"there is no thread {thread_id!r}", param="thread_id", source="api")
        return row

    async def patch(
        self, thread_id: str, *, info: dict[str, Any] | None = None, status: str = ""
    ) -> ThreadRow:
        """Merge `info` into the thread's metadata, or set its status."""
        await self.get(thread_id)
        async with session(self.engine) as rows:
            row = await rows.get_one(ThreadRow, thread_id)
            row.info = {**row.info, **(info or {})}
            row.status = status or row.status
            row.updated_at = now()
            rows.add(row)
            await rows.commit()
        return row

    async def delete(self, thread_id: str) -> None:
        """The thread, its runs and what it remembers."""
        async with session(self.engine) as rows:
            await rows.exec(delete(RunRow).where(col(RunRow.thread_id) == thread_id))
            await rows.exec(delete(ThreadRow).where(col(ThreadRow.thread_id) == thread_id))
            await rows.commit()
        await history.delete(self.memory, thread_id)

    async def search(
        self, *, info: dict[str, Any], status: str | None, limit: int, offset: int
    ) -> list[ThreadRow]:
        """Newest first; `info` must be part of the thread's metadata."""
        wanted = select(ThreadRow).order_by(col(ThreadRow.updated_at).desc())
        if status is not None:
            wanted = wanted.where(ThreadRow.status == status)
        async with session(self.engine) as rows:
            found = (await rows.exec(wanted)).all()
        matching = [row for row in found if info.items() <= row.info.items()]
        return matching[offset : offset + limit]

    async def values(self, thread_id: str) -> dict[str, Any]:
        """What the thread remembers now: the conversation and its last turn."""
        return await history.values(self.memory, thread_id)

    async def history(self, thread_id: str, *, limit: int, before: str | None) -> list[dict[str, Any]]:
        """Checkpoints, newest first."""
        await self.get(thread_id)
        return await history.history(self.memory, thread_id, limit=limit, before=before)

    async def copy(self, thread_id: str) -> ThreadRow:
        """A new thread that remembers the same; what happens to one is nothing to the other."""
        row = await self.create(None, {**(await self.get(thread_id)).info, "copied_from": thread_id})
        await history.copy(self.memory, thread_id, row.thread_id)
        return row
