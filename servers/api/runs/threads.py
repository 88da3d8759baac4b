"""Threads: their rows and the conversation that their checkpoints hold. It starts no run."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, delete, select

from agents.conversation import history
from agents.conversation.ownership import thread_id_of, thread_key
from agents.conversation.persistence import Persistence
from servers.api.runs.tables import RunRow, ThreadRow, is_mine, new_id, now, open_session
from tools.access.identity import Principal
from tools.errors import Conflict, NotFound
from tools.schema import JsonObject


@dataclass(frozen=True)
class ThreadQuery:
    """Threads of these ids (None: of any) whose metadata and values hold these, and their order."""

    ids: Collection[str] | None = None
    metadata: JsonObject = field(default_factory=dict)
    values: JsonObject = field(default_factory=dict)
    status: str | None = None
    sort_by: Literal["thread_id", "status", "created_at", "updated_at"] = "updated_at"
    descending: bool = True


class Threads:
    """Creates, reads, changes, copies and deletes threads: the row and the checkpoints together.

    `by` is the caller: another's thread is not there for them. A row's `thread_id` is its key."""

    def __init__(self, engine: AsyncEngine, memory: Persistence) -> None:
        self.engine = engine
        self.memory = memory

    async def create(
        self,
        thread_id: str | None,
        by: Principal,
        metadata: JsonObject,
        *,
        if_exists: Literal["raise", "do_nothing"] = "raise",
        ttl_minutes: float | None = None,
    ) -> ThreadRow:
        """A new thread, or with `do_nothing` the one that has this id. Raises `Conflict` with `raise`."""
        name = thread_id or new_id()
        row = ThreadRow(thread_id=thread_key(by, name), tenant=by.tenant, owner=by.user, meta=metadata)
        row.ttl_minutes = ttl_minutes
        row.touch()
        try:
            async with open_session(self.engine) as session:
                session.add(row)
                await session.commit()
        except IntegrityError as exc:
            if if_exists == "do_nothing":
                return await self.get(name, by)
            raise Conflict(f"thread {name} exists", param="thread_id", source="api") from exc
        return row

    async def get(self, thread_id: str, by: Principal) -> ThreadRow:
        """The caller's own thread; the platform also gets another's of its tenant. Raises `NotFound`."""
        named = col(ThreadRow.thread_id) == thread_key(by, thread_id)
        if by.platform:
            named |= col(ThreadRow.thread_id).endswith(f"/{thread_id}", autoescape=True)
        query = select(ThreadRow).where(named, is_mine(ThreadRow, by), _alive())
        query = query.order_by(col(ThreadRow.owner) != by.user)
        async with open_session(self.engine) as session:
            row = (await session.exec(query)).first()
        if row is None:
            raise NotFound(f"there is no thread {thread_id!r}", param="thread_id", source="api")
        return row

    async def patch(
        self, thread_id: str, by: Principal, *, metadata: JsonObject, ttl_minutes: float | None = None
    ) -> ThreadRow:
        """Merge `metadata` into the thread's own; a `ttl_minutes` takes the place of the one before. Raises
        `NotFound`."""
        key = (await self.get(thread_id, by)).thread_id
        async with open_session(self.engine) as session:
            row = await session.get_one(ThreadRow, key)
            row.meta = {**row.meta, **metadata}
            row.ttl_minutes = row.ttl_minutes if ttl_minutes is None else ttl_minutes
            row.touch()
            session.add(row)
            await session.commit()
        return row

    async def note(self, key: str, metadata: JsonObject) -> ThreadRow:
        """Merge what the platform knows of the thread of a key into its metadata; that is no change of it."""
        async with open_session(self.engine) as session:
            row = await session.get_one(ThreadRow, key)
            row.meta = {**row.meta, **metadata}
            session.add(row)
            await session.commit()
        return row

    async def delete(self, key: str) -> None:
        """Delete the thread of a key, its runs and its checkpoints."""
        async with open_session(self.engine) as session:
            await session.exec(delete(RunRow).where(col(RunRow.thread_id) == key))
            await session.exec(delete(ThreadRow).where(col(ThreadRow.thread_id) == key))
            await session.commit()
        await history.delete(self.memory, key)

    async def expire(self) -> int:
        """Delete the threads whose time is over, but those in which a run has not ended; how many."""
        over = select(ThreadRow.thread_id).where(
            col(ThreadRow.expires_at) <= now(), col(ThreadRow.status) != "busy"
        )
        async with open_session(self.engine) as session:
            keys = (await session.exec(over)).all()
        for key in keys:
            await self.delete(key)
        return len(keys)

    async def search(self, by: Principal, wanted: ThreadQuery) -> list[ThreadRow]:
        """All threads that a query finds, in its order."""
        column = col(getattr(ThreadRow, wanted.sort_by))
        query = select(ThreadRow).where(is_mine(ThreadRow, by), _alive())
        query = query.order_by(column.desc() if wanted.descending else column)
        if wanted.status is not None:
            query = query.where(ThreadRow.status == wanted.status)
        async with open_session(self.engine) as session:
            rows = (await session.exec(query)).all()
        found = [row for row in rows if wanted.metadata.items() <= row.meta.items()]
        if wanted.ids is not None:
            found = [row for row in found if thread_id_of(row.thread_id) in wanted.ids]
        if not wanted.values:
            return found
        return [row for row in found if wanted.values.items() <= (await self.values(row.thread_id)).items()]

    async def values(self, key: str) -> JsonObject:
        """The conversation and its last turn, from the newest checkpoint; empty before the first run."""
        return await history.values(self.memory, key)

    async def copy(self, source: ThreadRow, by: Principal, *, before: str | None = None) -> ThreadRow:
        """A new thread of the caller's with the same runs and checkpoints, independent from then on; up to
        the run `before`, if that is given. Raises `NotFound` for a run of another thread."""
        runs = await self._runs(source.thread_id)
        if before is not None:
            ids = [run.run_id for run in runs]
            if before not in ids:
                raise NotFound(f"there is no run {before!r}", param="before", source="api")
            runs = runs[: ids.index(before)]
        kept_meta = {name: value for name, value in source.meta.items() if name != "shared_with"}
        copied = {**kept_meta, "copied_from": thread_id_of(source.thread_id)}
        row = await self.create(None, by, copied)
        names = {run.run_id: new_id() for run in runs}
        async with open_session(self.engine) as session:
            session.add_all([_copied(run, names[run.run_id], row) for run in runs])
            await session.commit()
        kept = None if before is None else frozenset(names)
        await history.copy(self.memory, source.thread_id, row.thread_id, runs=kept)
        return row

    async def _runs(self, key: str) -> list[RunRow]:
        """The runs of a thread's key that have ended, oldest first."""
        query = select(RunRow).where(RunRow.thread_id == key).order_by(col(RunRow.created_at))
        async with open_session(self.engine) as session:
            rows = (await session.exec(query)).all()
        return [row for row in rows if row.status not in ("pending", "running")]


def _copied(run: RunRow, run_id: str, thread: ThreadRow) -> RunRow:
    """The same run in another thread, under an id of its own."""
    fields = run.model_dump(exclude={"run_id", "thread_id", "tenant", "owner"})
    owned = {"tenant": thread.tenant, "owner": thread.owner}
    return RunRow(run_id=run_id, thread_id=thread.thread_id, **owned, **fields)


def _alive() -> ColumnElement[bool]:
    """A thread whose time is over is not there, whether or not it was swept."""
    return col(ThreadRow.expires_at).is_(None) | (col(ThreadRow.expires_at) > now())
