"""The ingest pipeline: writes documents into all stores in one order, so that a crash at any point is
repaired by running again.

Order: pending rows → Milvus → graph → purge stale → done and version bump. Only changed chunks are written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import numpy as np

from servers.bridge.clients.milvus.client import Milvus
from servers.bridge.embedding.registry import EmbedderRegistry
from servers.bridge.graph.extraction import Extractions
from servers.bridge.graph.knowledge_graph import KnowledgeGraph
from servers.bridge.graph.removal import Removal
from servers.bridge.graph.statements import space_name
from servers.bridge.ingest.author import DEPLOYMENT, Author, check_quota
from servers.bridge.ingest.deletion import Deletion
from servers.bridge.ingest.overlap import Stages, run_overlapped
from servers.bridge.ingest.reconcile import Reconciler
from servers.bridge.ingest.records import milvus_rows, passages_of
from servers.bridge.ingest.validation import readable
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DELETING, DONE, DocumentRow
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.manifest.upsert_plan import Location, Plan, plan, resume, unchanged, with_former
from tools.errors import (
    BadRequest,
    BadVectors,
    EmbedderMissing,
    StoreUnavailable,
    TooLarge,
    UpstreamFailed,
)
from tools.log import get_logger
from tools.schema import Document, FailedDocument, IngestReport

BATCH = 64
"""Documents that are embedded and written together."""
MAX_BATCHES = 4
"""Under way in this process, of all callers."""
BAD_TEXT = (BadVectors, BadRequest, TooLarge)
"""What one text may do to a whole batch; an embedder that is away spoils nothing, it is waited for."""
log = get_logger("ingest")
Progress = Callable[[IngestReport, int], Awaitable[None]]


class Pipeline:
    """The only writer of documents. Raises StoreUnavailable when a store that it needs is down."""

    def __init__(
        self,
        repository: Repository,
        titles: TitleIndex,
        milvus: Milvus,
        graph: KnowledgeGraph,
        embedders: EmbedderRegistry,
    ) -> None:
        self.repository, self.titles = repository, titles
        self.milvus, self.graph, self.embedders = milvus, graph, embedders
        self.extractions = Extractions(repository, titles, graph)
        self.removal = Removal(graph, titles)
        self.reconciler = Reconciler(repository, milvus)
        self.deletion = Deletion(repository, milvus, self.extractions, self.removal, self._ensure)
        self.slots = asyncio.Semaphore(MAX_BATCHES)
        self.ensured: set[str] = set()

    async def upsert(
        self,
        tenant: str,
        collection: str,
        documents: Sequence[Document],
        *,
        author: Author = DEPLOYMENT,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Write what changed; `progress` hears the report and how many documents are done after each batch.

        A document that cannot be read or embedded is reported, the others are written. Raises QuotaExceeded
        before the batch that has more passages than the author may own."""
        location = await self.repository.where(tenant, collection)
        accepted, report = readable(documents)
        await self._ensure(location)
        stages = Stages()

        async def step(start: int) -> None:
            async with self.slots:
                await self._batch(location, accepted[start : start + BATCH], report, stages, author)
            if progress is not None:
                await progress(report, min(start + BATCH, len(accepted)) + len(report.failed))

        await run_overlapped(partial(step, start) for start in range(0, len(accepted), BATCH))
        row = await self.repository.collection(tenant, collection)
        report.collection_version = row.version if row else 0
        return report

    async def delete(self, tenant: str, collection: str, document_id: str) -> int:
        """Remove every trace of a document; the new collection version. Raises DocumentNotFound."""
        return await self.deletion.delete(self.repository.location(tenant, collection), document_id)

    async def repair(self) -> int:
        """Finish what a crash or a dead store left undone; how many documents were touched."""
        done = 0
        for row in await self.repository.unfinished():
            location = self.repository.location(row.tenant, row.collection)
            if row.state == DELETING:
                await self.deletion.finish(location, row.id)
                done += 1
            else:
                try:
                    done += await self._finish_upsert(location, row)
                except (UpstreamFailed, EmbedderMissing, *BAD_TEXT) as exc:
                    log.warning("repair_waits", document=row.id, reason=exc.message)
        return done + await self.extractions.repair() + await self.reconciler.sweep()

    async def _finish_upsert(self, where: Location, row: DocumentRow) -> bool:
        """Finish one document from what the manifest says was to be written, unless its writer just has."""
        async with self.repository.locked(where, [row.id, row.replaces or row.id]) as location:
            documents, chunks = await self.repository.rows_of(location, [row.id])
            held = documents.get(row.id)
            if held is None or (held.state == DONE and held.in_graph):
                return False
            await self._ensure(location)
            plans = [resume(held, chunks.get(row.id, []))]
            await self._write(location, plans, await self._vectors(location, plans), owner=held.owner)
            return True

    async def _ensure(self, location: Location) -> None:
        if location.physical in self.ensured:
            return
        await self.repository.ensure(location)
        dimensions = self.embedders.get(location.embedder).dimensions
        await self.milvus.ensure(location.physical, dimensions=dimensions)
        self.ensured.add(location.physical)

    async def _batch(
        self,
        where: Location,
        documents: Sequence[Document],
        report: IngestReport,
        stages: Stages,
        author: Author,
    ) -> None:
        """Embed while the batch before this one is written, then write."""
        async with AsyncExitStack() as locks:
            async with stages.preparing:
                location = await locks.enter_async_context(self.repository.locked(where, _touched(documents)))
                plans, vectors = await self._prepared(location, documents, report, author)
            async with stages.writing:
                if plans:
                    await self._write(location, plans, vectors, owner=author.owner)
                    report.accepted += len(plans)
                    report.passages += sum(len(item.rows) for item in plans)
        await self.repository.analyze_grown(sum(len(item.write) for item in plans))

    async def _prepared(
        self, location: Location, documents: Sequence[Document], report: IngestReport, author: Author
    ) -> tuple[list[Plan], dict[str, np.ndarray]]:
        """What to write of those that changed, and its vectors."""
        held, chunks = await self.repository.rows_of(location, _touched(documents))
        changed = [item for item in documents if not unchanged(item, held.get(item.id), location)]
        writing = {item.id for item in changed}
        same = [item for item in documents if item.id not in writing]
        await self.repository.note_origins(location, same, held)
        report.unchanged += len(documents) - len(changed)
        plans = with_former(
            await asyncio.to_thread(
                lambda: [plan(item, held.get(item.id), chunks.get(item.id, []), location) for item in changed]
            ),
            held,
        )
        before = {item.document.id: item.replaced for item in plans if item.replaced}
        await check_quota(self.repository.postgres, author, location.tenant, plans, {**held, **before})
        plans, vectors = await self._embedded(location, _with_text(plans, report), report)
        for key in (item.document.id for item in plans):
            if key in before:
                report.moved[key] = before[key].id
            else:
                (report.changed if key in held else report.added).append(key)
        return plans, vectors

    async def _embedded(
        self, location: Location, plans: list[Plan], report: IngestReport
    ) -> tuple[list[Plan], dict[str, np.ndarray]]:
        """Vectors by chunk id of all, or of each alone when one spoils them: what has none is reported, not
        written."""
        try:
            return plans, await self._vectors(location, plans)
        except BAD_TEXT:
            vectors: dict[str, np.ndarray] = {}
            kept: list[Plan] = []
        for item in plans:
            try:
                vectors |= await self._vectors(location, [item])
                kept.append(item)
            except BAD_TEXT as exc:
                report.failed.append(FailedDocument(id=item.document.id, reason=exc.message))
        return kept, vectors

    async def _write(
        self, location: Location, plans: list[Plan], vectors: dict[str, np.ndarray], *, owner: str
    ) -> None:
        """Write changed documents into all stores; `vectors` by chunk id."""
        await self.repository.declare(location, plans, owner=owner)
        await self.milvus.write(location.physical, milvus_rows(location, plans, vectors))
        purge = [key for item in plans for key in item.purge]
        in_graph = await self._linked(location, plans, purge)
        await self.milvus.delete(location.physical, purge)
        replaced = await self.repository.finish(location, plans, in_graph=in_graph)
        try:
            await self.deletion.finish_locked(location, replaced)
        except StoreUnavailable as exc:  # nobody finds them any more, and `repair` ends the work
            log.warning("graph_behind", documents=len(replaced), reason=exc.message)

    async def _vectors(self, location: Location, plans: Sequence[Plan]) -> dict[str, np.ndarray]:
        """Vector (float32, length 1) by chunk id: copied from a chunk of equal content where there is one,
        else embedded."""
        write = {row.id: text for item in plans for row, text in zip(item.write, item.embedded, strict=True)}
        hashes = {row.id: row.chunk_hash for item in plans for row in item.write}
        twins = await self.repository.written_chunks(location, list(hashes.values()))
        stored = await self.milvus.get(location.physical, sorted(set(twins.values())), fields=["dense"])
        vectors = {
            key: np.asarray(stored[twins[digest]]["dense"], dtype=np.float32)
            for key, digest in hashes.items()
            if twins.get(digest) in stored
        }
        missing = [key for key in write if key not in vectors]
        if missing:
            embedded = await self.embedders.get(location.embedder).embed([write[key] for key in missing])
            vectors |= dict(zip(missing, embedded, strict=True))
        return vectors

    async def _linked(self, location: Location, plans: Sequence[Plan], purge: list[str]) -> bool:
        """Write the graph; False when it is down, and `repair` will write it when it is back."""
        try:
            mentioned = await self._link(location, plans)
            ids, old = [item.document.id for item in plans], {item.old_name for item in plans}
            # A title that was mentioned just now may have lost its document meanwhile.
            await self.removal.remove(location, purge, ids, names=sorted(old | mentioned))
        except StoreUnavailable as exc:
            log.warning("graph_behind", documents=len(plans), reason=exc.message)
            return False
        return True

    async def _link(self, location: Location, plans: Sequence[Plan]) -> set[str]:
        """Write both ways: the titles that these passages mention (which are returned), and the passages that
        mention these titles."""
        mentions = await self.titles.mentioned_by(
            location, [(row, item.language, item.name) for item in plans for row in item.rows]
        )
        passages = [passage for item in plans for passage in passages_of(item, mentions)]
        await self.extractions.drop(
            location, {item.document.id: (item.content_hash, {row.id for row in item.rows}) for item in plans}
        )
        new = sorted({item.name for item in plans if item.name and item.name != item.old_name})
        mentions_back = await self.titles.mentioning(location, new)
        await self.graph.write(space_name(location.tenant, location.collection), passages, mentions_back)
        return {name for item in passages for name in item.mentions}


def _touched(documents: Sequence[Document]) -> list[str]:
    """The ids that writing them concerns: theirs, and those that they had before."""
    return [key for document in documents for key in (document.id, document.formerly) if key]


def _with_text(plans: Sequence[Plan], report: IngestReport) -> list[Plan]:
    """The plans that have passages; the others are reported."""
    kept = [item for item in plans if item.rows]
    report.failed += [
        FailedDocument(id=item.document.id, reason="the document holds no text")
        for item in plans
        if not item.rows
    ]
    return kept
