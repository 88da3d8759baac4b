"""Writes and reads the rows of runs. It decides nothing and runs nothing."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, delete, select

from servers.api.runs.broadcast import Numbered
from servers.api.runs.tables import RunRow, ThreadRow, now, session
from tools.errors import NotFound

OPEN = ("pending", "running")
THREAD_STATUS = {"success": "idle", "cancelled": "idle", "interrupted": "interrupted"}


class Ledger:
    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def accept(self, row: RunRow) -> None:
        """The run's row, pending; once this returns it survives a killed process."""
        async with session(self.engine) as rows:
            rows.add(row)
            await rows.commit()

    async def begin(self, row: RunRow) -> bool:
        """Mark the run as running; whether it had been started before."""
        again = row.attempt > 0
        row.attempt += 1
        await self._write(row, "running", thread="busy")
        return again

    async def finish(self, row: RunRow, status: str, events: list[Numbered]) -> None:
        """The run's ending and its events, in one transaction with the thread's status."""
        row.events = [list(one) for one in events]
        row.ending = events[-1][1] if events else None
        await self._write(row, status, thread=THREAD_STATUS.get(status, "error"))

    async def run(self, run_id: str, *, thread_id: str | None = None) -> RunRow:
        """Raises `NotFound`, also for a run of another thread."""
        async with session(self.engine) as rows:
            row = await rows.get(RunRow, run_id)
        if row is None or (thread_id is not None and row.thread_id != thread_id):
            raise NotFound(f"there is no run {run_id!r}", param="run_id", source="api")
        return row

    async def runs(
        self, *, thread_id: str | None = None, status: str | None = None, limit: int = 10, offset: int = 0
    ) -> list[RunRow]:
        """Newest first."""
        wanted = select(RunRow).order_by(col(RunRow.created_at).desc()).offset(offset).limit(limit)
        if thread_id is not None:
            wanted = wanted.where(RunRow.thread_id == thread_id)
        if status is not None:
            wanted = wanted.where(RunRow.status == status)
        async with session(self.engine) as rows:
            return list((await rows.exec(wanted)).all())

    async def unfinished(self) -> list[RunRow]:
        """Accepted and not ended, oldest first."""
        wanted = select(RunRow).where(col(RunRow.status).in_(OPEN)).order_by(col(RunRow.created_at))
        async with session(self.engine) as rows:
            return list((await rows.exec(wanted)).all())

    async def delete(self, run_id: str) -> None:
        async with session(self.engine) as rows:
            await rows.exec(delete(RunRow).where(col(RunRow.run_id) == run_id))
            await rows.commit()

    async def prune(self, before: datetime) -> int:
        """Delete the rows of runs that ended before; how many."""
        old = col(RunRow.status).not_in(OPEN) & (col(RunRow.updated_at) < before)
        async with session(self.engine) as rows:
            result = await rows.exec(delete(RunRow).where(old))
            await rows.commit()
        return result.rowcount

    async def _write(self, row: RunRow, status: str, *, thread: str) -> None:
        row.status, row.updated_at = status, now()
        async with session(self.engine) as rows:
            await rows.merge(row)
            held: Any = await rows.get(ThreadRow, row.thread_id)
            if held is not None:
                held.status, held.updated_at = thread, row.updated_at
                rows.add(held)
            await rows.commit()
