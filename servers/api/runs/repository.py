"""The repository of runs: reads and writes their rows. It decides nothing and executes nothing."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, delete, select

from agents.conversation.ownership import thread_id_of
from servers.api.runs.active_run import RunEvent
from servers.api.runs.deliveries import DeliveryRow, Outbox, delivery_of
from servers.api.runs.tables import RunRow, ThreadRow, is_mine, now, open_session
from tools.access.identity import Principal
from tools.errors import NotFound
from tools.schema import JsonObject

UNFINISHED = ("pending", "running")
THREAD_STATUS = {"success": "idle", "cancelled": "idle", "interrupted": "interrupted"}
"""A thread's status after a run that ended so; `error` after any other ending."""


class RunRepository:
    """Rows of the table `runs`; a run's ending and its thread's status change in one transaction."""

    def __init__(self, engine: AsyncEngine, outbox: Outbox | None = None) -> None:
        self.engine = engine
        self.outbox = outbox

    async def insert(self, row: RunRow) -> None:
        """Insert a pending run; once this returns it survives a killed process."""
        async with open_session(self.engine) as session:
            session.add(row)
            await session.commit()

    async def mark_running(self, row: RunRow) -> bool:
        """Count one more attempt; True when an earlier attempt was interrupted."""
        restarted = row.attempt > 0
        row.attempt += 1
        await self._write(row, "running", thread_status="busy")
        return restarted

    async def finish(
        self, row: RunRow, status: str, events: Sequence[RunEvent], values: JsonObject | None = None
    ) -> None:
        """Write the run's final `status` and its events, and what its webhook is to be told, `values` among
        it."""
        row.events = [list(event) for event in events]
        row.ending = events[-1].data if events else None
        row.status, row.updated_at = status, now()
        delivery = delivery_of(row, values or {})
        await self._write(row, status, thread_status=THREAD_STATUS.get(status, "error"), delivery=delivery)
        if delivery is not None and self.outbox is not None:
            self.outbox.waiting.set()

    async def get(self, run_id: str) -> RunRow:
        """A run, whoever's it is. Raises `NotFound`."""
        async with open_session(self.engine) as session:
            row = await session.get(RunRow, run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id!r}", param="run_id", source="api")
        return row

    async def find(self, run_id: str, by: Principal, *, thread_id: str | None = None) -> RunRow:
        """A run that `by` may see. Raises `NotFound`, also for a run of another thread than `thread_id`."""
        query = select(RunRow).where(RunRow.run_id == run_id, is_mine(RunRow, by))
        async with open_session(self.engine) as session:
            row = (await session.exec(query)).first()
        if row is None or (thread_id is not None and thread_id_of(row.thread_id) != thread_id):
            raise NotFound(f"there is no run {run_id!r}", param="run_id", source="api")
        return row

    async def search(
        self, *, thread_id: str | None = None, status: str | None = None, limit: int = 10, offset: int = 0
    ) -> list[RunRow]:
        """Runs of a thread (by its key) or with a status, newest first, whoever's they are."""
        query = select(RunRow).order_by(col(RunRow.created_at).desc()).offset(offset).limit(limit)
        if thread_id is not None:
            query = query.where(RunRow.thread_id == thread_id)
        if status is not None:
            query = query.where(RunRow.status == status)
        async with open_session(self.engine) as session:
            return list((await session.exec(query)).all())

    async def mine(
        self,
        by: Principal,
        *,
        thread_id: str | None = None,
        status: str | None = None,
        unfinished: bool = False,
    ) -> list[RunRow]:
        """Runs that `by` may see, newest first: of a thread (by its key), with a status, or not ended."""
        query = select(RunRow).where(is_mine(RunRow, by)).order_by(col(RunRow.created_at).desc())
        if thread_id is not None:
            query = query.where(RunRow.thread_id == thread_id)
        if status is not None:
            query = query.where(RunRow.status == status)
        if unfinished:
            query = query.where(col(RunRow.status).in_(UNFINISHED))
        async with open_session(self.engine) as session:
            return list((await session.exec(query)).all())

    async def unfinished(self) -> list[RunRow]:
        """Pending and running runs, oldest first."""
        query = select(RunRow).where(col(RunRow.status).in_(UNFINISHED)).order_by(col(RunRow.created_at))
        async with open_session(self.engine) as session:
            return list((await session.exec(query)).all())

    async def delete(self, run_id: str) -> None:
        """Delete the run's row, if there is one."""
        async with open_session(self.engine) as session:
            await session.exec(delete(RunRow).where(col(RunRow.run_id) == run_id))
            await session.commit()

    async def prune(self, before: datetime) -> int:
        """Delete the runs that ended before a moment; returns how many. Those of a thread are what was said
        in it: they stay for as long as it does."""
        threads = select(ThreadRow.thread_id)
        old = col(RunRow.status).not_in(UNFINISHED) & (col(RunRow.updated_at) < before)
        old &= col(RunRow.thread_id).not_in(threads)
        async with open_session(self.engine) as session:
            result = await session.exec(delete(RunRow).where(old))
            await session.commit()
        return result.rowcount

    async def _write(
        self, row: RunRow, status: str, *, thread_status: str, delivery: DeliveryRow | None = None
    ) -> None:
        row.status, row.updated_at = status, now()
        async with open_session(self.engine) as session:
            await session.merge(row)
            if delivery is not None:
                await session.merge(delivery)
            thread = await session.get(ThreadRow, row.thread_id)
            if thread is not None:
                thread.status = thread_status
                thread.touch()
                session.add(thread)
            await session.commit()
