"""Entities and relations that an extractor (a model, mostly) found in a document: kept in the manifest as
rows, in the graph as edges.

Its edges have a rank of their own, so the links made without a model are never touched; the manifest's row
says which edges there are, so that they go when the document changes or leaves.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from servers.bridge.graph.extraction_edges import (
    check,
    edges_of,
    is_current,
    rank_of,
    ranked_edge,
    row_of,
    same_findings,
)
from servers.bridge.graph.knowledge_graph import KnowledgeGraph
from servers.bridge.graph.statements import space_name
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DONE, PENDING, STALE, ChunkRow, DocumentRow, ExtractionRow
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.text import entities
from servers.bridge.text.title_names import name_of, names_in, vertex
from tools.schema import Extraction, Language

BUILT_IN = f"names:v{entities.VERSION}"
"""The name of the extractor without a model (`text.entities`), which every document in the graph has had."""
REPAIRED_AT_ONCE = 50


class StoredExtraction(TypedDict):
    """What `put` has stored: how many entities and relations, and whether these are others than before."""

    id: str
    extractor: str
    entities: int
    relations: int
    changed: bool
    collection_version: int


class Extractions:
    """Owns the rows of extractions and their edges. Raises StoreUnavailable."""

    def __init__(self, repository: Repository, titles: TitleIndex, graph: KnowledgeGraph) -> None:
        self.repository, self.titles, self.graph = repository, titles, graph

    async def put(self, location: Location, document_id: str, found: Extraction) -> StoredExtraction:
        """Replace what this extractor had found; the same again changes nothing.

        Raises DocumentNotFound, ChunkNotFound, DocumentChanged."""
        async with self.repository.locked(location, [document_id]):
            document, chunks = await self.repository.document(location, document_id)
            check(found, document, chunks)
            stored = (await self._rows(location, [document_id], extractor=found.extractor)).get(
                document_id, []
            )
            row = row_of(location, document_id, found)
            changed = not any(same_findings(row, item) for item in stored)
            if changed:
                await self._mark(stored, state=PENDING)
                for item in stored:
                    await self._unlink(location, item)
                await self._save(row)
                await self._link(location, row, document, chunks)
                await self._mark([row], state=DONE)
                await self.repository.bump(location)
        collection = await self.repository.collection(location.tenant, location.collection)
        return {
            "id": document_id,
            "extractor": found.extractor,
            "entities": len(row.entities),
            "relations": len(row.relations),
            "changed": changed,
            "collection_version": collection.version if collection else 0,
        }

    async def ran(self, location: Location, documents: Sequence[DocumentRow]) -> dict[str, list[str]]:
        """The names of the extractors that have read each document as it is now, by document id."""
        stored = await self._rows(location, [row.id for row in documents])
        return {
            row.id: [BUILT_IN] * row.in_graph
            + sorted(
                item.extractor
                for item in stored.get(row.id, [])
                if item.state == DONE and item.content_hash == row.content_hash
            )
            for row in documents
        }

    async def drop(self, location: Location, keep: Mapping[str, tuple[str, set[str]]]) -> None:
        """Remove what was found in these documents, unless it is of the content hash and the passages (ids)
        that `keep` names by document id."""
        stored = await self._rows(location, list(keep)) if keep else {}
        stale = [
            row for rows in stored.values() for row in rows if not is_current(row, *keep[row.document_id])
        ]
        if not stale:
            return
        await self._mark(stale, state=PENDING)
        for row in stale:
            await self._unlink(location, row)
        async with self.repository.postgres.session() as session:
            for row in stale:
                await session.execute(delete(ExtractionRow).where(*_key(row)))

    async def repair(self) -> int:
        """Finish what a crash or a dead graph left half-linked; how many extractions were touched."""
        pending = select(ExtractionRow).where(col(ExtractionRow.state) == PENDING).limit(REPAIRED_AT_ONCE)
        async with self.repository.postgres.session() as session:
            rows = list(await session.scalars(pending))
        for row in rows:
            location = self.repository.location(row.tenant, row.collection)
            async with self.repository.locked(location, [row.document_id]):
                await self._repair(location, row.document_id, row.extractor)
        return len(rows)

    async def _repair(self, location: Location, document_id: str, extractor: str) -> None:
        stored = (await self._rows(location, [document_id], extractor=extractor)).get(document_id, [])
        documents, chunks = await self.repository.rows_of(location, [document_id])
        document = documents.get(document_id)
        present = [chunk for chunk in chunks.get(document_id, []) if chunk.state != STALE]
        if document is None or document.state != DONE:
            return
        ids = {chunk.id for chunk in present}
        await self.drop(location, {document_id: (document.content_hash, ids)})
        for row in stored:
            if row.state == PENDING and is_current(row, document.content_hash, ids):
                await self._unlink(location, row)
                await self._link(location, row, document, present)
                await self._mark([row], state=DONE)

    async def _link(
        self, location: Location, row: ExtractionRow, document: DocumentRow, chunks: Sequence[ChunkRow]
    ) -> None:
        """Write the edges of one extraction, and names for what they reach."""
        space, rank = space_name(location.tenant, location.collection), rank_of(row.extractor)
        language: Language = "es" if document.language == "es" else "en"
        edges = edges_of(row)
        mentions = await self._mentions(location, row, document, chunks, language)
        await self.graph.ensure(space)
        await self.graph.each(
            space, "INSERT EDGE names(weight) VALUES", [f"{item}:(1.0)" for item in edges.names]
        )
        await self.graph.each(
            space,
            "INSERT EDGE related(relation, chunk, extractor) VALUES",
            [f"{item}:({properties})" for item, properties in edges.related.items()],
        )
        await self.graph.name_things(space, edges.things)
        mentioning = [f"{ranked_edge(chunk, vertex(name), rank)}:()" for chunk, name in mentions]
        await self.graph.each(space, "INSERT EDGE mentions() VALUES", mentioning)
        await self.graph.count(space, sorted({name for _, name in mentions}))

    async def _mentions(
        self,
        location: Location,
        row: ExtractionRow,
        document: DocumentRow,
        chunks: Sequence[ChunkRow],
        language: Language,
    ) -> list[tuple[str, str]]:
        """`(passage id, name)` of passages that speak of another document's title without writing it so."""
        written = {chunk.id: names_in(chunk.text, language) for chunk in chunks}
        named = {(item["chunk_id"], name_of(item["name"], language)) for item in row.entities}
        titles = await self.titles.known(location, {name for _, name in named if name})
        return sorted(
            (chunk, name)
            for chunk, name in named
            if name in titles and name != document.name and name not in written[chunk]
        )

    async def _unlink(self, location: Location, row: ExtractionRow) -> None:
        """Remove the edges of one extraction, in whichever language its document was, and what they alone
        reached."""
        space, rank = space_name(location.tenant, location.collection), rank_of(row.extractor)
        edges = edges_of(row)
        languages: tuple[Language, ...] = ("es", "en")
        named = {
            (item["chunk_id"], name_of(item["name"], language))
            for item in row.entities
            for language in languages
        }
        mentions = {ranked_edge(chunk, vertex(name), rank) for chunk, name in named}
        await self.graph.ensure(space)
        await self.graph.each(space, "DELETE EDGE names", edges.names)
        await self.graph.each(space, "DELETE EDGE related", list(edges.related))
        await self.graph.each(space, "DELETE EDGE mentions", sorted(mentions))
        await self.graph.sweep(space, edges.things)
        titles = await self.titles.known(location, {name for _, name in named})
        await self.graph.count(space, sorted(titles), fewer=True)

    async def _rows(
        self, location: Location, ids: Sequence[str], *, extractor: str | None = None
    ) -> dict[str, list[ExtractionRow]]:
        """Rows of documents by document id, of one extractor or all."""
        query = select(ExtractionRow).where(
            col(ExtractionRow.tenant) == location.tenant,
            col(ExtractionRow.collection) == location.collection,
            col(ExtractionRow.document_id).in_(ids),
        )
        if extractor is not None:
            query = query.where(col(ExtractionRow.extractor) == extractor)
        grouped: dict[str, list[ExtractionRow]] = {}
        async with self.repository.postgres.session() as session:
            for row in await session.scalars(query):
                grouped.setdefault(row.document_id, []).append(row)
        return grouped

    async def _mark(self, rows: Sequence[ExtractionRow], *, state: str) -> None:
        async with self.repository.postgres.session() as session:
            for row in rows:
                await session.execute(update(ExtractionRow).where(*_key(row)).values(state=state))

    async def _save(self, row: ExtractionRow) -> None:
        values = row.model_dump(exclude={"updated_at"})
        changed = {name: values[name] for name in ("content_hash", "state", "entities", "relations")}
        keys = ["tenant", "collection", "document_id", "extractor"]
        query = insert(ExtractionRow).values(values)
        query = query.on_conflict_do_update(index_elements=keys, set_={**changed, "updated_at": func.now()})
        async with self.repository.postgres.session() as session:
            await session.execute(query)


def _key(row: ExtractionRow) -> tuple[ColumnElement[bool], ...]:
    return (
        col(ExtractionRow.tenant) == row.tenant,
        col(ExtractionRow.collection) == row.collection,
        col(ExtractionRow.document_id) == row.document_id,
        col(ExtractionRow.extractor) == row.extractor,
    )
