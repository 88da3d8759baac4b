"""Deletes documents from every store, and finishes deletions that a crash, a dead store or a move began.

What is written instead is the pipeline's business.
"""

from collections.abc import Awaitable, Callable, Sequence

from servers.bridge.clients.milvus.client import Milvus
from servers.bridge.graph.extraction import Extractions
from servers.bridge.graph.removal import Removal
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DELETING
from servers.bridge.manifest.upsert_plan import Location
from tools.errors import StoreUnavailable
from tools.log import get_logger

log = get_logger("ingest")


class Deletion:
    """`ensure` makes sure that a collection's stores are there. Raises StoreUnavailable."""

    def __init__(
        self,
        repository: Repository,
        milvus: Milvus,
        extractions: Extractions,
        removal: Removal,
        ensure: Callable[[Location], Awaitable[None]],
    ) -> None:
        self.repository, self.milvus = repository, milvus
        self.extractions, self.removal, self.ensure = extractions, removal, ensure

    async def delete(self, where: Location, document_id: str) -> int:
        """Remove every trace of a document; the new collection version. Raises DocumentNotFound."""
        async with self.repository.locked(where, [document_id]) as location:
            chunks, name, version = await self.repository.mark_deleting(location, document_id)
            await self.ensure(location)
            await self.milvus.delete(location.physical, chunks)
            try:
                await self._remove_from_graph(location, document_id, chunks, name)
            except StoreUnavailable as exc:
                # The row stays behind, marked: nobody finds the document, and `repair` ends the work.
                log.warning("graph_behind", documents=1, reason=exc.message)
                return version
            return await self.repository.forget(location, document_id)

    async def finish(self, where: Location, document_id: str) -> None:
        """End a deletion that somebody began."""
        async with self.repository.locked(where, [document_id]) as location:
            await self.ensure(location)
            await self.finish_locked(location, [document_id])

    async def finish_locked(self, location: Location, ids: Sequence[str]) -> None:
        """End deletions of documents that are locked; of those that are being deleted."""
        documents, chunks = await self.repository.rows_of(location, ids)
        for row in documents.values():
            if row.state != DELETING:
                continue
            found = [chunk.id for chunk in chunks.get(row.id, [])]
            await self.milvus.delete(location.physical, found)
            await self._remove_from_graph(location, row.id, found, row.name)
            await self.repository.forget(location, row.id)

    async def _remove_from_graph(
        self, location: Location, document_id: str, chunks: Sequence[str], name: str
    ) -> None:
        """Take a whole document out of the graph, with what was extracted from it."""
        await self.extractions.drop(location, {document_id: ("", set())})
        await self.removal.remove(location, chunks, [document_id], names=[name], whole=True)
