"""Repository of the manifest: queries and transactions on collections, documents and chunks in PostgreSQL.

The order of writes across stores is `ingest.pipeline`'s business.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import ARRAY, ColumnElement, Text, any_, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.bulk import put_chunks, put_documents
from servers.bridge.manifest.document_filter import DocumentFilter
from servers.bridge.manifest.locks import Locks
from servers.bridge.manifest.origins import note_origins, retire_replaced
from servers.bridge.manifest.sharing import EVERYBODY_READS, Share, Sharings, add_shares
from servers.bridge.manifest.tables import (
    DELETING,
    DONE,
    PENDING,
    STALE,
    ChunkRow,
    CollectionRow,
    DocumentRow,
)
from servers.bridge.manifest.texts import put_texts
from servers.bridge.manifest.upsert_plan import Location, Plan, versions
from servers.bridge.manifest.word_search import search_words
from tools.access.identity import LOCAL
from tools.errors import DocumentNotFound
from tools.log import get_logger
from tools.schema import Document, JsonObject

ANALYZE_CHUNKS, ANALYZE_S = 500, 30.0
"""Chunks before the first ANALYZE, and seconds that it may take."""
EVERY = DocumentFilter()
log = get_logger("library")


class Repository:
    """What is in each collection; `embedder` and `dimensions` are those of a collection that names none.

    Raises StoreUnavailable when PostgreSQL is down."""

    def __init__(self, postgres: Postgres, *, embedder: str, dimensions: int) -> None:
        self.postgres, self.sharings, self.locks = postgres, Sharings(postgres), Locks(postgres)
        self.embedder, self.dimensions = embedder, dimensions
        self.analyzed = self.unanalyzed = 0

    def location(self, tenant: str, collection: str, embedder: str = "", dimensions: int = 0) -> Location:
        """Where a new collection goes: known without asking anybody."""
        embedder, dimensions = embedder or self.embedder, dimensions or self.dimensions
        key = f"{tenant}\x1f{embedder}\x1f{dimensions}"
        suffix = hashlib.blake2b(key.encode(), digest_size=4).hexdigest()
        return Location(
            tenant, collection, f"{collection}__{suffix}", versions(embedder, dimensions), embedder
        )

    async def where(self, tenant: str, collection: str) -> Location:
        """Where a collection is now, with the embedder that it has; where it would go when there is none."""
        row = await self.collection(tenant, collection)
        return location_of(row) if row else self.location(tenant, collection)

    async def collection(self, tenant: str, name: str) -> CollectionRow | None:
        """A collection's row; None when there is none."""
        table = CollectionRow.metadata.tables["collections"]  # rows without the ORM: every search asks this
        one = select(table).where(table.c.tenant == tenant, table.c.name == name)
        async with self.postgres.autocommit() as connection:
            found = (await connection.execute(one)).mappings().one_or_none()
        return CollectionRow(**found) if found else None

    async def collections(self, tenant: str) -> list[CollectionRow]:
        """All collections of a tenant, in no order."""
        async with self.postgres.session() as session:
            found = await session.scalars(select(CollectionRow).where(col(CollectionRow.tenant) == tenant))
            return list(found)

    async def ensure(
        self,
        location: Location,
        *,
        languages: Sequence[str] = (),
        dimensions: int = 0,
        owner: str = LOCAL.user,
        shares: Sequence[Share] = (EVERYBODY_READS,),
    ) -> bool:
        """The collection's row, made with its owner and shares when it is missing; True when this call made
        it."""
        values = {
            "tenant": location.tenant,
            "name": location.collection,
            "physical": location.physical,
            "embedder": location.embedder or self.embedder,
            "dimensions": dimensions or self.dimensions,
            "languages": sorted(languages),
            "version": 0,
            "owner": owner,
        }
        async with self.postgres.session() as session:
            new = insert(CollectionRow).values(values).on_conflict_do_nothing()
            made = await session.scalar(new.returning(col(CollectionRow.name))) is not None
            if made:
                add_shares(session, location.tenant, location.collection, shares)
            return made

    @asynccontextmanager
    async def locked(self, location: Location, ids: Sequence[str]) -> AsyncIterator[Location]:
        """As `Locks.hold`; yields the location as it is under the lock."""
        async with self.locks.hold(location, ids):
            yield await self.where(location.tenant, location.collection)

    async def rows_of(
        self, location: Location, ids: Sequence[str]
    ) -> tuple[dict[str, DocumentRow], dict[str, list[ChunkRow]]]:
        """Documents by id, and their chunks in order by document id; in whatever state they are."""
        async with self.postgres.session() as session:
            documents = await session.scalars(
                select(DocumentRow).where(*_scope(DocumentRow, location), _any(col(DocumentRow.id), ids))
            )
            chunks = await session.scalars(
                select(ChunkRow)
                .where(*_scope(ChunkRow, location), _any(col(ChunkRow.document_id), ids))
                .order_by(col(ChunkRow.position))
            )
            grouped: dict[str, list[ChunkRow]] = {}
            for row in chunks:
                grouped.setdefault(row.document_id, []).append(row)
            return {row.id: row for row in documents}, grouped

    async def written_chunks(self, location: Location, hashes: Sequence[str]) -> dict[str, str]:
        """Chunk hash to the id of a written chunk with the same content, whose vector can be used again."""
        async with self.postgres.session() as session:
            found = await session.execute(
                select(col(ChunkRow.chunk_hash), col(ChunkRow.id)).where(
                    *_scope(ChunkRow, location),
                    _any(col(ChunkRow.chunk_hash), hashes),
                    col(ChunkRow.state) == DONE,
                )
            )
            return {digest: key for digest, key in found}

    async def declare(self, location: Location, plans: Sequence[Plan], *, owner: str) -> None:
        """Write down what is about to be written, so that a crash leaves nothing unknown; new documents are
        the `owner`'s."""
        async with self.postgres.session() as session:
            await put_documents(session, location, plans, state=PENDING, owner=owner)
            await put_texts(session, location, plans)
            gone = [key for plan in plans for key in plan.purge]
            if gone:
                await session.execute(
                    update(ChunkRow).where(_any(col(ChunkRow.id), gone)).values(state=STALE)
                )
            await put_chunks(session, [row for plan in plans for row in plan.write], state=PENDING)

    async def note_origins(
        self, location: Location, documents: Sequence[Document], held: Mapping[str, DocumentRow]
    ) -> None:
        """As `origins.note_origins`, in a transaction of its own."""
        if any(document.origin for document in documents):
            async with self.postgres.session() as session:
                await note_origins(session, location, documents, held)

    async def finish(self, location: Location, plans: Sequence[Plan], *, in_graph: bool) -> list[str]:
        """Forget what was purged, mark the rest done and what they replace as to be removed (those ids are
        returned), bump the version: one transaction. What the graph could not be told stays, as stale, until
        it can."""
        async with self.postgres.session() as session:
            gone = [key for plan in plans for key in plan.purge]
            if gone and in_graph:
                await session.execute(delete(ChunkRow).where(_any(col(ChunkRow.id), gone)))
            written = [row.id for plan in plans for row in plan.write]
            await session.execute(update(ChunkRow).where(_any(col(ChunkRow.id), written)).values(state=DONE))
            kept = [row for plan in plans for row in plan.kept]
            await put_chunks(session, kept, state=DONE)
            ids = [plan.document.id for plan in plans]
            ended = {"state": DONE, "in_graph": in_graph, "updated_at": func.now()}
            rows = update(DocumentRow).where(*_scope(DocumentRow, location), _any(col(DocumentRow.id), ids))
            await session.execute(rows.values(ended))
            retired = await retire_replaced(session, location, ids)
            await _bump(session, location, {plan.language for plan in plans})
            return retired

    async def analyze_grown(self, chunks: int) -> None:
        """Note that so many `chunks` were written; ANALYZE each time they have doubled. Autovacuum does so
        within a minute, and until then the planner walks all of a collection for each query."""
        self.unanalyzed += chunks
        if self.unanalyzed < max(ANALYZE_CHUNKS, self.analyzed):
            return
        self.analyzed, self.unanalyzed = self.analyzed + self.unanalyzed, 0
        try:
            async with asyncio.timeout(ANALYZE_S), self.postgres.autocommit() as connection:
                await connection.execute(text(_ANALYZE))
        except TimeoutError:  # somebody holds the tables: autovacuum will do it in its own time
            log.warning("tables_uncounted", chunks=self.analyzed)

    async def mark_deleting(self, location: Location, document_id: str) -> tuple[list[str], str, int]:
        """Its chunk ids, name and the new version, once it is written that the document must go.

        Raises DocumentNotFound."""
        async with self.postgres.session() as session:
            row = await session.get(DocumentRow, (location.tenant, location.collection, document_id))
            if row is None or row.state == DELETING:
                raise DocumentNotFound("there is no such document", param="id", source="bridge")
            row.state = DELETING
            found = await session.scalars(
                select(col(ChunkRow.id)).where(
                    *_scope(ChunkRow, location), col(ChunkRow.document_id) == document_id
                )
            )
            return list(found), row.name, await _bump(session, location, set())

    async def forget(self, location: Location, document_id: str) -> int:
        """Remove the document's rows and bump the version."""
        async with self.postgres.session() as session:
            await session.execute(
                delete(ChunkRow).where(*_scope(ChunkRow, location), col(ChunkRow.document_id) == document_id)
            )
            await session.execute(
                delete(DocumentRow).where(*_scope(DocumentRow, location), col(DocumentRow.id) == document_id)
            )
            return await _bump(session, location, set())

    async def document(self, location: Location, document_id: str) -> tuple[DocumentRow, list[ChunkRow]]:
        """A finished document and its passages in order. Raises DocumentNotFound."""
        documents, chunks = await self.rows_of(location, [document_id])
        row = documents.get(document_id)
        if row is None or row.state != DONE:
            raise DocumentNotFound("there is no such document", param="id", source="bridge")
        return row, [chunk for chunk in chunks.get(document_id, []) if chunk.state != STALE]

    async def bump(self, location: Location) -> int:
        """A write happened: no cached answer of this collection may be served again."""
        async with self.postgres.session() as session:
            return await _bump(session, location, set())

    async def documents(
        self, location: Location, *, limit: int = 1_000, offset: int = 0, only: DocumentFilter = EVERY
    ) -> tuple[list[DocumentRow], int]:
        """Finished documents in order of id, and how many there are."""
        where = (*_scope(DocumentRow, location), col(DocumentRow.state) == DONE, *only.conditions())
        async with self.postgres.session() as session:
            total = await session.scalar(select(func.count()).select_from(DocumentRow).where(*where))
            query = select(DocumentRow).where(*where).order_by(col(DocumentRow.id))
            found = await session.scalars(query.limit(limit).offset(offset))
            return list(found), total or 0

    async def unfinished(self, *, limit: int = 50) -> list[DocumentRow]:
        """Documents that a crash or a dead store left half-written, or that the graph does not hold yet. In
        no order: those that can not be finished must not stand before the others for ever."""
        waiting = (col(DocumentRow.state) != DONE) | (col(DocumentRow.in_graph).is_(False))
        async with self.postgres.session() as session:
            some = select(DocumentRow).where(waiting).order_by(func.random()).limit(limit)
            return list(await session.scalars(some))

    async def search_words(self, location: Location, words: Sequence[str], *, limit: int) -> list[JsonObject]:
        """As `word_search.search_words`."""
        return await search_words(self.postgres, location, words, limit=limit)


# Long columns are left out: nothing is looked up by them.
_ANALYZE = """
    ANALYZE documents (tenant, collection, id, name, state),
    chunks (id, tenant, collection, document_id, chunk_hash, state)
"""


async def _bump(session: AsyncSession, location: Location, languages: set[str]) -> int:
    row = await session.get(
        CollectionRow, (location.tenant, location.collection), with_for_update=True, populate_existing=True
    )
    if row is None:
        return 0
    row.version += 1
    row.languages = sorted({*row.languages, *languages})
    return row.version


def location_of(row: CollectionRow) -> Location:
    """Where a collection's row says that it is."""
    return Location(row.tenant, row.name, row.physical, versions(row.embedder, row.dimensions), row.embedder)


def _scope(
    table: type[DocumentRow] | type[ChunkRow], location: Location
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(table.tenant) == location.tenant, col(table.collection) == location.collection


def _any(column: Mapped[str], values: Sequence[str]) -> ColumnElement[bool]:
    return column == any_(literal(list(values), ARRAY(Text)))
