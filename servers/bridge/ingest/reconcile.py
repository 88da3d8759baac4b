"""Reconciles Milvus with the manifest, which is right where the two disagree.

An orphan, a passage in Milvus that no document has, is deleted (searches report those they met:
`search.orphans`); a passage of the manifest that Milvus lost is marked, and `Pipeline.repair` writes it
again.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select, update
from sqlmodel import col

from servers.bridge.clients.milvus.client import Milvus
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DONE, PENDING, STALE, ChunkRow, DocumentRow
from servers.bridge.manifest.upsert_plan import Location

PAGE = 500
"""Passages that are compared at once: what Milvus' client asks for in one call."""


class Reconciler:
    """Raises StoreUnavailable."""

    def __init__(self, repository: Repository, milvus: Milvus) -> None:
        self.repository, self.milvus = repository, milvus
        self.orphans: dict[tuple[str, str], dict[str, str]] = {}

    def report(self, location: Location, orphans: Mapping[str, str]) -> None:
        """Remember passages that no document has (document id by passage id) for `sweep`."""
        self.orphans.setdefault((location.tenant, location.collection), {}).update(orphans)

    async def sweep(self) -> int:
        """Delete the orphans that were reported, how many; a document that is being written is asked again
        first."""
        count = 0
        while self.orphans:
            (tenant, collection), orphans = self.orphans.popitem()
            location = self.repository.location(tenant, collection)
            for document_id in sorted(set(orphans.values())):
                async with self.repository.locked(location, [document_id]) as now:
                    ids = {key for key, owner in orphans.items() if owner == document_id}
                    gone = sorted(ids - await self._present(now, document_id))
                    await self.milvus.delete(now.physical, gone)
                    count += len(gone)
        return count

    async def mark_lost(self, tenant: str, collection: str) -> int:
        """How many passages Milvus lost; their documents are marked for `Pipeline.repair`."""
        location = await self.repository.where(tenant, collection)
        last, lost = "", 0
        while rows := await self._page(location, last):
            last = rows[-1][0]
            found = await self.milvus.get(location.physical, [key for key, _ in rows], fields=["id"])
            missing = [(key, owner) for key, owner in rows if key not in found]
            await self._mark(location, missing)
            lost += len(missing)
        return lost

    async def _page(self, location: Location, last: str) -> list[tuple[str, str]]:
        """Passage and document ids of the next written passages after `last`, by passage id."""
        query = (
            select(col(ChunkRow.id), col(ChunkRow.document_id))
            .where(col(ChunkRow.tenant) == location.tenant, col(ChunkRow.collection) == location.collection)
            .where(col(ChunkRow.state) == DONE, col(ChunkRow.id) > last)
            .order_by(col(ChunkRow.id))
            .limit(PAGE)
        )
        async with self.repository.postgres.session() as session:
            return [(key, owner) for key, owner in await session.execute(query)]

    async def _mark(self, location: Location, missing: Sequence[tuple[str, str]]) -> None:
        """Mark passages and their documents (ids) as not yet written."""
        if not missing:
            return
        owners = sorted({owner for _, owner in missing})
        async with self.repository.postgres.session() as session:
            await session.execute(
                update(ChunkRow)
                .where(col(ChunkRow.id).in_([key for key, _ in missing]), col(ChunkRow.state) == DONE)
                .values(state=PENDING)
            )
            await session.execute(
                update(DocumentRow)
                .where(
                    col(DocumentRow.tenant) == location.tenant,
                    col(DocumentRow.collection) == location.collection,
                )
                .where(col(DocumentRow.id).in_(owners), col(DocumentRow.state) == DONE)
                .values(state=PENDING)
            )

    async def _present(self, location: Location, document_id: str) -> set[str]:
        """The passages (ids) that a document has, or is about to have."""
        _, chunks = await self.repository.rows_of(location, [document_id])
        return {row.id for row in chunks.get(document_id, []) if row.state != STALE}
