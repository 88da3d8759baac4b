"""The manifest's queries: collections, documents and chunks as rows of PostgreSQL.

It owns transactions on these tables; the order of writes across stores is `ingest`'s business.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import ARRAY, Text, any_, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.bulk import put_chunks, put_documents
from servers.bridge.manifest.document_filter import DocumentFilter
from servers.bridge.manifest.tables import (
    DELETING,
    DONE,
    PENDING,
    STALE,
    ChunkRow,
    CollectionRow,
    DocumentRow,
)
from servers.bridge.manifest.upsert_plan import Place, Plan, versions
from tools.errors import DocumentNotFound
from tools.log import get_logger

FEW, COUNT_S = 500, 30.0
EVERY = DocumentFilter()
log = get_logger("library")


class Repository:
    """What is in each collection. Raises StoreUnavailable when PostgreSQL is down."""

    def __init__(self, postgres: Postgres, *, embedder: str, dimensions: int) -> None:
        self.postgres = postgres
        self.embedder, self.dimensions = embedder, dimensions
        self.counted = self.uncounted = 0

    def place(self, tenant: str, collection: str, embedder: str = "", dimensions: int = 0) -> Place:
        """Where a new collection goes: known without asking anybody."""
        embedder, dimensions = embedder or self.embedder, dimensions or self.dimensions
        key = f"{tenant}\x1f{embedder}\x1f{dimensions}"
        suffix = hashlib.blake2b(key.encode(), digest_size=4).hexdigest()
        return Place(tenant, collection, f"{collection}__{suffix}", versions(embedder, dimensions), embedder)

    async def where(self, tenant: str, collection: str) -> Place:
        """Where a collection is now, with the embedder that it has; where it would go when there is none."""
        row = await self.collection(tenant, collection)
        return place_of(row) if row else self.place(tenant, collection)

    async def collection(self, tenant: str, name: str) -> CollectionRow | None:
        columns: Any = CollectionRow
        one = select(CollectionRow.__table__).where(columns.tenant == tenant, columns.name == name)  # type: ignore[attr-defined]
        async with self.postgres.reading() as connection:
            found = (await connection.execute(one)).mappings().one_or_none()
        return CollectionRow(**found) if found else None

    async def collections(self, tenant: str) -> list[CollectionRow]:
        async with self.postgres.session() as session:
            found = await session.scalars(select(CollectionRow).where(_is(CollectionRow.tenant, tenant)))
            return list(found)

    async def ensure(self, place: Place, *, languages: Sequence[str] = (), dimensions: int = 0) -> bool:
        """The collection's row, made when it is missing; True when this call made it."""
        values = {
            "tenant": place.tenant,
            "name": place.collection,
            "physical": place.physical,
            "embedder": place.embedder or self.embedder,
            "dimensions": dimensions or self.dimensions,
            "languages": sorted(languages),
            "version": 0,
        }
        async with self.postgres.session() as session:
            new = insert(CollectionRow).values(values).on_conflict_do_nothing()
            return await session.scalar(new.returning(_column(CollectionRow.name))) is not None

    @asynccontextmanager
    async def locked(self, place: Place, ids: Sequence[str]) -> AsyncIterator[Place]:
        """Nobody else writes these documents within the block, nor moves the collection from where it is.

        One order for all, so no ring of waits. Gives the place as it is under the lock."""
        keys = sorted({lock_key(place, item) for item in ids})
        async with self.postgres.session() as session:
            await session.execute(text("SET LOCAL lock_timeout = '60s'"))
            await session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": lock_key(place)})
            await session.execute(text(_LOCK), {"keys": keys})
            yield await self.where(place.tenant, place.collection)

    async def held(
        self, place: Place, ids: Sequence[str]
    ) -> tuple[dict[str, DocumentRow], dict[str, list[ChunkRow]]]:
        """Documents and their chunks by document id."""
        async with self.postgres.session() as session:
            documents = await session.scalars(
                select(DocumentRow).where(*_scope(DocumentRow, place), _any(DocumentRow.id, ids))
            )
            chunks = await session.scalars(
                select(ChunkRow)
                .where(*_scope(ChunkRow, place), _any(ChunkRow.document_id, ids))
                .order_by(_column(ChunkRow.position))
            )
            grouped: dict[str, list[ChunkRow]] = {}
            for row in chunks:
                grouped.setdefault(row.document_id, []).append(row)
            return {row.id: row for row in documents}, grouped

    async def twins(self, place: Place, hashes: Sequence[str]) -> dict[str, str]:
        """Chunk hash to the id of a written chunk with that very content: its vector can be used again."""
        async with self.postgres.session() as session:
            found = await session.execute(
                select(_column(ChunkRow.chunk_hash), _column(ChunkRow.id)).where(
                    *_scope(ChunkRow, place),
                    _any(ChunkRow.chunk_hash, hashes),
                    _is(ChunkRow.state, DONE),
                )
            )
            return {digest: key for digest, key in found}

    async def declare(self, place: Place, plans: Sequence[Plan]) -> None:
        """Write down what is about to be written, so that a crash leaves nothing unknown."""
        async with self.postgres.session() as session:
            await put_documents(session, place, plans, state=PENDING)
            gone = [key for plan in plans for key in plan.purge]
            if gone:
                await session.execute(update(ChunkRow).where(_any(ChunkRow.id, gone)).values(state=STALE))
            await put_chunks(session, [row for plan in plans for row in plan.write], state=PENDING)

    async def finish(self, place: Place, plans: Sequence[Plan], *, in_graph: bool) -> int:
        """Forget what was purged, mark the rest done, bump the version: one transaction. What the graph could
        not be told stays, as stale, until it can."""
        async with self.postgres.session() as session:
            gone = [key for plan in plans for key in plan.purge]
            if gone and in_graph:
                await session.execute(delete(ChunkRow).where(_any(ChunkRow.id, gone)))
            written = [row.id for plan in plans for row in plan.write]
            await session.execute(update(ChunkRow).where(_any(ChunkRow.id, written)).values(state=DONE))
            kept = [row for plan in plans for row in plan.kept]
            await put_chunks(session, kept, state=DONE)
            ids = [plan.document.id for plan in plans]
            ended = {"state": DONE, "in_graph": in_graph, "updated_at": func.now()}
            rows = update(DocumentRow).where(*_scope(DocumentRow, place), _any(DocumentRow.id, ids))
            await session.execute(rows.values(ended))
            return await _bump(session, place, {plan.language for plan in plans})

    async def grown(self, chunks: int) -> None:
        """So many `chunks` have come. Each time they are twice as many PostgreSQL has to count its tables:
        by itself it does so within a minute, and until then it walks all of a collection for each look."""
        self.uncounted += chunks
        if self.uncounted < max(FEW, self.counted):
            return
        self.counted, self.uncounted = self.counted + self.uncounted, 0
        try:
            async with asyncio.timeout(COUNT_S), self.postgres.reading() as connection:
                await connection.execute(text(_COUNT))
        except TimeoutError:  # somebody holds the tables: it will count them in its own time
            log.warning("tables_uncounted", chunks=self.counted)

    async def mark_deleting(self, place: Place, document_id: str) -> tuple[list[str], str, int]:
        """Its chunk ids, name and the new version, once it is written that the document must go.

        Raises DocumentNotFound."""
        async with self.postgres.session() as session:
            row = await session.get(DocumentRow, (place.tenant, place.collection, document_id))
            if row is None or row.state == DELETING:
                raise DocumentNotFound("there is no such document", param="id", source="bridge")
            row.state = DELETING
            found = await session.scalars(
                select(_column(ChunkRow.id)).where(
                    *_scope(ChunkRow, place), _is(ChunkRow.document_id, document_id)
                )
            )
            return list(found), row.name, await _bump(session, place, set())

    async def forget(self, place: Place, document_id: str) -> int:
        """Remove the document's rows and bump the version."""
        async with self.postgres.session() as session:
            await session.execute(
                delete(ChunkRow).where(*_scope(ChunkRow, place), _is(ChunkRow.document_id, document_id))
            )
            await session.execute(
                delete(DocumentRow).where(*_scope(DocumentRow, place), _is(DocumentRow.id, document_id))
            )
            return await _bump(session, place, set())

    async def document(self, place: Place, document_id: str) -> tuple[DocumentRow, list[ChunkRow]]:
        """A finished document and its passages in order. Raises DocumentNotFound."""
        documents, chunks = await self.held(place, [document_id])
        row = documents.get(document_id)
        if row is None or row.state != DONE:
            raise DocumentNotFound("there is no such document", param="id", source="bridge")
        return row, [chunk for chunk in chunks.get(document_id, []) if chunk.state != STALE]

    async def bump(self, place: Place) -> int:
        """A write happened: no cached answer of this collection may be served again."""
        async with self.postgres.session() as session:
            return await _bump(session, place, set())

    async def documents(
        self, place: Place, *, limit: int = 1_000, offset: int = 0, only: DocumentFilter = EVERY
    ) -> tuple[list[DocumentRow], int]:
        """Finished documents in order of id, and how many there are."""
        where = (*_scope(DocumentRow, place), _is(DocumentRow.state, DONE), *only.conditions())
        async with self.postgres.session() as session:
            total = await session.scalar(select(func.count()).select_from(DocumentRow).where(*where))
            query = select(DocumentRow).where(*where).order_by(_column(DocumentRow.id))
            found = await session.scalars(query.limit(limit).offset(offset))
            return list(found), total or 0

    async def unfinished(self, *, limit: int = 50) -> list[DocumentRow]:
        """Documents that a crash or a dead store left half-written, or that the graph does not hold yet. In
        no order: those that can not be finished must not stand before the others for ever."""
        waiting = (DocumentRow.state != DONE) | (_column(DocumentRow.in_graph).is_(False))
        async with self.postgres.session() as session:
            some = select(DocumentRow).where(waiting).order_by(func.random()).limit(limit)
            return list(await session.scalars(some))

    async def search_words(self, place: Place, words: Sequence[str], *, limit: int) -> list[dict[str, Any]]:
        """The text leg when Milvus is down: PostgreSQL's own ranking over the same stems."""
        if not words:
            return []
        query = " | ".join(
            "'" + word.replace("'", "").replace("\\", "") + "'" for word in dict.fromkeys(words)
        )
        async with self.postgres.session() as session:
            found = await session.execute(
                text(_WORD_SEARCH),
                {"query": query, "tenant": place.tenant, "collection": place.collection, "limit": limit},
            )
            return [dict(row) for row in found.mappings()]


# What is long is left out: nothing is looked up by it.
_COUNT = """
    ANALYZE documents (tenant, collection, id, name, state),
    chunks (id, tenant, collection, document_id, chunk_hash, state)
"""
# In the order of the array, which is everybody's order.
_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(CAST(:keys AS bigint[])) AS key"
_WORD_SEARCH = """
    SELECT c.id, ts_rank_cd(to_tsvector('simple'::regconfig, c.tokens), q.words, 1) AS distance,
           c.document_id, d.title, d.source, c.heading, d.language, c.text, d.metadata
    FROM chunks c
    JOIN documents d ON (d.tenant, d.collection, d.id) = (c.tenant, c.collection, c.document_id),
         to_tsquery('simple'::regconfig, :query) AS q(words)
    WHERE c.tenant = :tenant AND c.collection = :collection AND c.state = 'done'
      AND to_tsvector('simple'::regconfig, c.tokens) @@ q.words
    ORDER BY distance DESC, c.id LIMIT :limit
"""


async def _bump(session: AsyncSession, place: Place, languages: set[str]) -> int:
    row = await session.get(
        CollectionRow, (place.tenant, place.collection), with_for_update=True, populate_existing=True
    )
    if row is None:
        return 0
    row.version += 1
    row.languages = sorted({*row.languages, *languages})
    return row.version


def place_of(row: CollectionRow) -> Place:
    return Place(row.tenant, row.name, row.physical, versions(row.embedder, row.dimensions), row.embedder)


def lock_key(place: Place, document_id: str = "") -> int:
    """The advisory lock of a document; without one, of the collection."""
    name = f"{place.tenant}\x1f{place.collection}\x1f{document_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def _scope(table: Any, place: Place) -> tuple[Any, Any]:
    return table.tenant == place.tenant, table.collection == place.collection


def _column(attribute: Any) -> Any:
    return attribute


def _is(attribute: Any, value: Any) -> Any:
    return attribute == value


def _any(attribute: Any, values: Sequence[str]) -> Any:
    return attribute == any_(literal(list(values), ARRAY(Text)))
