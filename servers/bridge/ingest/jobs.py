"""Background jobs, ingestions mostly: their progress in PostgreSQL, cancelled on request.

They end with this process; what a job has written stays.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import func, select, update
from sqlmodel import col

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.ingest.pipeline import Pipeline, Progress
from servers.bridge.manifest.tables import JobRow
from tools.errors import Capibara6Error, NotFound, QueueFull
from tools.log import get_logger
from tools.schema import Document, IngestReport

MAX_JOBS = 16
"""Of this process; each holds its documents in memory."""
CANCEL_S = 30.0
LISTED = 100
log = get_logger("jobs")
Work = Callable[[Progress], Awaitable[IngestReport]]


class Jobs:
    """Owns the running jobs of this process. Raises StoreUnavailable."""

    def __init__(self, pipeline: Pipeline, postgres: Postgres) -> None:
        self.pipeline, self.postgres = pipeline, postgres
        self.running: dict[str, asyncio.Task[IngestReport]] = {}

    async def run(self, tenant: str, collection: str, documents: Sequence[Document]) -> IngestReport:
        """Ingest and wait. A caller that leaves does not stop what was accepted half-way: it is cancelled
        between batches, never within one document."""
        return await self.pipeline.upsert(tenant, collection, documents)

    async def start(self, tenant: str, collection: str, documents: Sequence[Document]) -> str:
        """Ingest documents in the background; the job's id. Raises QueueFull."""

        async def work(progress: Progress) -> IngestReport:
            return await self.pipeline.upsert(tenant, collection, documents, progress=progress)

        return await self.begin(tenant, collection, len(documents), work)

    async def begin(self, tenant: str, collection: str, total: int, work: Work) -> str:
        """Do `work` on `total` documents in the background; the job's id. Raises QueueFull."""
        if len(self.running) >= MAX_JOBS:
            raise QueueFull("too many jobs are waiting", source="bridge", retry_after=5)
        job_id = uuid.uuid4().hex
        row = JobRow(id=job_id, tenant=tenant, collection=collection, state="running", total=total)
        async with self.postgres.session() as session:
            session.add(row)
        task = asyncio.create_task(self._work(job_id, total, work))
        self.running[job_id] = task
        task.add_done_callback(lambda _: self.running.pop(job_id, None))
        return job_id

    async def get(self, tenant: str, job_id: str) -> JobRow:
        """Raises NotFound, also for another tenant's job."""
        async with self.postgres.session() as session:
            row = await session.get(JobRow, job_id)
        if row is None or row.tenant != tenant:
            raise NotFound("there is no such job", param="id", source="bridge")
        return row

    async def list(self, tenant: str) -> list[JobRow]:
        """A tenant's jobs, the newest first, at most `LISTED`."""
        newest = (
            select(JobRow)
            .where(col(JobRow.tenant) == tenant)
            .order_by(col(JobRow.created_at).desc())
            .limit(LISTED)
        )
        async with self.postgres.session() as session:
            return [row for row in await session.scalars(newest)]

    async def cancel(self, tenant: str, job_id: str) -> JobRow:
        """Stop a job; what it has written stays. A job that has ended is returned as it is. Raises
        NotFound."""
        await self.get(tenant, job_id)
        task = self.running.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_S)
        else:
            await self._note(job_id, state="interrupted")
        return await self.get(tenant, job_id)

    async def close(self) -> None:
        """Cancel every running job and wait until they have ended."""
        for task in list(self.running.values()):
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _work(self, job_id: str, total: int, work: Work) -> IngestReport:
        async def progress(report: IngestReport, done: int) -> None:
            await self._note(job_id, **_counts(report), done=done)

        try:
            report = await work(progress)
        except asyncio.CancelledError:
            await asyncio.shield(self._note(job_id, state="cancelled"))
            raise
        except Capibara6Error as exc:
            log.warning("job_failed", job=job_id, reason=exc.message)
            await self._note(job_id, state="failed", reason=exc.message)
            return IngestReport(job_id=job_id)
        await self._note(job_id, state="done", done=total, **_counts(report))
        return report

    async def _note(self, job_id: str, **values: object) -> None:
        """Write progress; a database that is down must not stop the work that the note is about."""
        open_jobs = update(JobRow).where(col(JobRow.id) == job_id, col(JobRow.state) == "running")
        try:
            async with self.postgres.session() as session:
                await session.execute(open_jobs.values(**values, updated_at=func.now()))
        except Capibara6Error as exc:
            log.warning("job_note_lost", job=job_id, reason=exc.message)


def _counts(report: IngestReport) -> dict[str, object]:
    failed = [item.model_dump() for item in report.failed]
    return {"accepted": report.accepted, "unchanged": report.unchanged, "failed": failed}
