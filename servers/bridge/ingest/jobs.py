"""Background jobs, ingestions mostly: their progress in PostgreSQL, cancelled on request.

They end with this process; what a job has written stays.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import func, select, update
from sqlmodel import col

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.ingest.author import DEPLOYMENT, Author
from servers.bridge.ingest.pipeline import Pipeline, Progress
from servers.bridge.manifest.tables import JobRow
from tools.access.identity import LOCAL
from tools.errors import Capibara6Error, NotFound, QueueFull
from tools.log import get_logger
from tools.schema import Document, IngestReport

MAX_JOBS = 16
"""Of this process; each holds its documents in memory."""
MAX_WAITED_FOR = 256
"""Requests that write documents at once."""
CANCEL_S = 30.0
LISTED = 100
log = get_logger("jobs")
Work = Callable[[Progress], Awaitable[IngestReport]]


class Jobs:
    """Owns the running jobs of this process. Raises StoreUnavailable."""

    def __init__(self, pipeline: Pipeline, postgres: Postgres) -> None:
        self.pipeline, self.postgres = pipeline, postgres
        self.running: dict[str, asyncio.Task[IngestReport]] = {}
        self.waited_for: set[asyncio.Task[IngestReport]] = set()

    async def run(
        self,
        tenant: str,
        collection: str,
        documents: Sequence[Document],
        author: Author = DEPLOYMENT,
        *,
        wait_s: float = 300.0,
    ) -> IngestReport:
        """Ingest and wait, at most `wait_s` seconds: what takes longer goes on as a job, whose id is in the
        report; so does what a caller has left. Raises QueueFull."""
        if len(self.waited_for) >= MAX_WAITED_FOR:
            raise QueueFull("too many documents are being written", source="bridge", retry_after=5)
        listening: list[Progress] = []

        async def progress(report: IngestReport, done: int) -> None:
            for tell in listening:
                await tell(report, done)

        writing = self.pipeline.upsert(tenant, collection, documents, author=author, progress=progress)
        task = asyncio.create_task(writing)
        self.waited_for.add(task)
        task.add_done_callback(self.waited_for.discard)

        async def work(tell: Progress) -> IngestReport:
            listening.append(tell)
            return await task

        async def hand_over() -> str:
            return await self._begin(tenant, collection, len(documents), work, owner=author.owner)

        try:
            await asyncio.wait({task}, timeout=wait_s)
        except asyncio.CancelledError:
            if not task.done():
                await asyncio.shield(hand_over())
            raise
        return task.result() if task.done() else IngestReport(job_id=await hand_over())

    async def start(
        self, tenant: str, collection: str, documents: Sequence[Document], author: Author = DEPLOYMENT
    ) -> str:
        """Ingest documents in the background; the job's id. Raises QueueFull."""

        async def work(progress: Progress) -> IngestReport:
            return await self.pipeline.upsert(tenant, collection, documents, author=author, progress=progress)

        return await self.begin(tenant, collection, len(documents), work, owner=author.owner)

    async def begin(
        self, tenant: str, collection: str, total: int, work: Work, *, owner: str = LOCAL.user
    ) -> str:
        """Do `work` on `total` documents in the background; the job's id. Raises QueueFull."""
        if len(self.running) >= MAX_JOBS:
            raise QueueFull("too many jobs are waiting", source="bridge", retry_after=5)
        return await self._begin(tenant, collection, total, work, owner=owner)

    async def _begin(self, tenant: str, collection: str, total: int, work: Work, *, owner: str) -> str:
        job_id = uuid.uuid4().hex
        row = JobRow(
            id=job_id, tenant=tenant, collection=collection, state="running", total=total, owner=owner
        )
        async with self.postgres.session() as session:
            session.add(row)
        task = asyncio.create_task(self._work(job_id, total, work))
        self.running[job_id] = task
        task.add_done_callback(lambda _: self.running.pop(job_id, None))
        return job_id

    async def get(self, tenant: str, job_id: str, owner: str | None = None) -> JobRow:
        """Raises NotFound, also for another tenant's job and, with an `owner`, for another's."""
        async with self.postgres.session() as session:
            row = await session.get(JobRow, job_id)
        if row is None or row.tenant != tenant or owner not in (None, row.owner):
            raise NotFound("there is no such job", param="id", source="bridge")
        return row

    async def list(self, tenant: str, owner: str | None = None) -> list[JobRow]:
        """A tenant's jobs, or one owner's of them, the newest first, at most `LISTED`."""
        newest = select(JobRow).where(col(JobRow.tenant) == tenant)
        if owner is not None:
            newest = newest.where(col(JobRow.owner) == owner)
        newest = newest.order_by(col(JobRow.created_at).desc()).limit(LISTED)
        async with self.postgres.session() as session:
            return [row for row in await session.scalars(newest)]

    async def cancel(self, tenant: str, job_id: str, owner: str | None = None) -> JobRow:
        """Stop a job; what it has written stays. A job that has ended is returned as it is. Raises
        NotFound."""
        await self.get(tenant, job_id, owner)
        task = self.running.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_S)
        else:
            await self._note(job_id, state="interrupted")
        return await self.get(tenant, job_id)

    async def close(self) -> None:
        """Cancel every running job and wait until they have ended."""
        tasks = [*self.running.values(), *self.waited_for]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
