"""Collections as a caller sees them: listed with their sizes, created, given another embedder in a job."""

from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy import func, select
from sqlmodel import col

from servers.bridge.embedding.registry import EmbedderRegistry
from servers.bridge.ingest.jobs import Jobs
from servers.bridge.ingest.pipeline import Progress
from servers.bridge.ingest.reembed import Reembedding
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.sharing import EVERYBODY_READS, Share
from servers.bridge.manifest.tables import DONE, CollectionRow, DocumentRow
from tools.access.identity import LOCAL
from tools.errors import Conflict
from tools.schema import IngestReport


class CollectionSummary(TypedDict):
    """A collection, how many documents and passages (`chunks`) it holds; `version` grows with every write."""

    name: str
    embedder: str
    dimensions: int
    languages: list[str]
    version: int
    documents: int
    chunks: int
    owner: str


class Collections:
    """Raises StoreUnavailable, CollectionNotFound, BadRequest, EmbedderMissing, Conflict."""

    def __init__(
        self, repository: Repository, embedders: EmbedderRegistry, reembedding: Reembedding, jobs: Jobs
    ) -> None:
        self.repository, self.embedders = repository, embedders
        self.reembedding, self.jobs = reembedding, jobs

    async def list(self, tenant: str) -> list[CollectionSummary]:
        """Every collection of a tenant, by name."""
        rows = await self.repository.collections(tenant)
        counts = await self._counts(tenant)
        return [_summary(row, counts.get(row.name, (0, 0))) for row in sorted(rows, key=lambda row: row.name)]

    async def create(
        self,
        tenant: str,
        name: str,
        embedder: str | None,
        languages: Sequence[str],
        *,
        owner: str = LOCAL.user,
        shares: Sequence[Share] = (EVERYBODY_READS,),
    ) -> tuple[CollectionSummary, bool]:
        """The collection, and whether it is new. Raises Conflict when it has another embedder already,
        BadRequest for an embedder that is not here."""
        chosen = self.embedders.requested(embedder)
        location = self.repository.location(tenant, name, chosen.name, chosen.dimensions)
        made = await self.repository.ensure(
            location, languages=languages, dimensions=chosen.dimensions, owner=owner, shares=shares
        )
        row = await self.repository.collection(tenant, name)
        assert row is not None, "it was made or was there"
        if not made and embedder is not None and row.embedder != chosen.name:
            raise Conflict("the collection has another embedder", param="embedder", source="bridge")
        counts = await self._counts(tenant)
        return _summary(row, counts.get(name, (0, 0))), made

    async def reembed(self, tenant: str, name: str, embedder: str | None, *, owner: str = LOCAL.user) -> str:
        """The id of the job that embeds every passage again."""
        self.embedders.requested(embedder)
        total = await self.reembedding.begin(tenant, name)

        async def work(progress: Progress) -> IngestReport:
            async def report(done: int, of: int) -> None:
                await progress(IngestReport(accepted=done), min(done, of))

            version = await self.reembedding.run(tenant, name, embedder, report)
            return IngestReport(accepted=total, collection_version=version)

        return await self.jobs.begin(tenant, name, total, work, owner=owner)

    async def _counts(self, tenant: str) -> dict[str, tuple[int, int]]:
        """Documents and passages by collection."""
        query = (
            select(
                col(DocumentRow.collection), func.count(), func.coalesce(func.sum(col(DocumentRow.chunks)), 0)
            )
            .where(col(DocumentRow.tenant) == tenant, col(DocumentRow.state) == DONE)
            .group_by(col(DocumentRow.collection))
        )
        async with self.repository.postgres.session() as session:
            return {name: (documents, chunks) for name, documents, chunks in await session.execute(query)}


def _summary(row: CollectionRow, counts: tuple[int, int]) -> CollectionSummary:
    return CollectionSummary(
        name=row.name,
        embedder=row.embedder,
        dimensions=row.dimensions,
        languages=row.languages,
        version=row.version,
        documents=counts[0],
        chunks=counts[1],
        owner=row.owner,
    )
