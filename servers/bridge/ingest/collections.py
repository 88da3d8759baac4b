"""Collections as a caller sees them: listed with what they hold, made, given another embedder in a job."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from servers.bridge.embedding.registry import EmbedderRegistry
from servers.bridge.ingest.jobs import Jobs
from servers.bridge.ingest.pipeline import Progress
from servers.bridge.ingest.reembed import Reembedding
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DONE, CollectionRow, DocumentRow
from tools.errors import Conflict
from tools.schema import IngestReport


class Collections:
    """Raises StoreUnavailable, CollectionNotFound, BadRequest, EmbedderMissing, Conflict."""

    def __init__(
        self, library: Repository, embedders: EmbedderRegistry, copying: Reembedding, jobs: Jobs
    ) -> None:
        self.library, self.embedders = library, embedders
        self.copying, self.jobs = copying, jobs

    async def list(self, tenant: str) -> list[dict[str, Any]]:
        """Every collection with how many documents and passages it holds, by name."""
        rows = await self.library.collections(tenant)
        counts = await self._counts(tenant)
        return [_view(row, counts.get(row.name, (0, 0))) for row in sorted(rows, key=lambda row: row.name)]

    async def create(
        self, tenant: str, name: str, embedder: str | None, languages: Sequence[str]
    ) -> tuple[dict[str, Any], bool]:
        """The collection, and whether it is new. Conflict when it has another embedder already."""
        chosen = self.embedders.asked(embedder)
        place = self.library.place(tenant, name, chosen.name, chosen.dimensions)
        made = await self.library.ensure(place, languages=languages, dimensions=chosen.dimensions)
        row = await self.library.collection(tenant, name)
        assert row is not None, "it was made or was there"
        if not made and embedder is not None and row.embedder != chosen.name:
            raise Conflict("the collection has another embedder", param="embedder", source="bridge")
        counts = await self._counts(tenant)
        return _view(row, counts.get(name, (0, 0))), made

    async def reembed(self, tenant: str, name: str, embedder: str | None) -> str:
        """The id of the job that embeds every passage again."""
        self.embedders.asked(embedder)
        total = await self.copying.begin(tenant, name)

        async def work(progress: Progress) -> IngestReport:
            async def report(done: int, of: int) -> None:
                await progress(IngestReport(accepted=done), min(done, of))

            version = await self.copying.run(tenant, name, embedder, report)
            return IngestReport(accepted=total, collection_version=version)

        return await self.jobs.begin(tenant, name, total, work)

    async def _counts(self, tenant: str) -> dict[str, tuple[int, int]]:
        table: Any = DocumentRow
        query = (
            select(table.collection, func.count(), func.coalesce(func.sum(table.chunks), 0))
            .where(table.tenant == tenant, table.state == DONE)
            .group_by(table.collection)
        )
        async with self.library.postgres.session() as session:
            return {name: (documents, chunks) for name, documents, chunks in await session.execute(query)}


def _view(row: CollectionRow, counts: tuple[int, int]) -> dict[str, Any]:
    return {**row.model_dump(), "documents": counts[0], "chunks": counts[1]}
