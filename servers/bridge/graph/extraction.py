"""What an extractor (a model, mostly) found in a document: kept in the manifest, linked in the graph.

Its edges have a rank of their own, so the links made without a model are never touched; the manifest's row
says which edges there are, so that they go when the document changes or leaves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from servers.bridge.graph.extraction_edges import check, edge, holds, links, rank_of, row_of, same
from servers.bridge.graph.knowledge_graph import Graph, space_name
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DONE, PENDING, STALE, ChunkRow, DocumentRow, ExtractionRow
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.manifest.upsert_plan import Place
from servers.bridge.text import entities
from servers.bridge.text.title_names import name_of, names_in, vertex
from tools.schema import Extraction, Language

DEFAULT = f"names:v{entities.VERSION}"


class Extractions:
    """Owns the rows of extractions and their edges. Raises StoreUnavailable."""

    def __init__(self, library: Repository, titles: TitleIndex, graph: Graph) -> None:
        self.library, self.titles, self.graph = library, titles, graph

    async def put(self, place: Place, document_id: str, found: Extraction) -> dict[str, Any]:
        """Replace what this extractor had found; the same again changes nothing.

        Raises DocumentNotFound, ChunkNotFound, DocumentChanged."""
        async with self.library.locked(place, [document_id]):
            document, chunks = await self.library.document(place, document_id)
            check(found, document, chunks)
            held = (await self._rows(place, [document_id], extractor=found.extractor)).get(document_id, [])
            row = row_of(place, document_id, found)
            changed = not any(same(row, item) for item in held)
            if changed:
                await self._note(held, state=PENDING)
                for item in held:
                    await self._unlink(place, item)
                await self._save(row)
                await self._link(place, row, document, chunks)
                await self._note([row], state=DONE)
                await self.library.bump(place)
        collection = await self.library.collection(place.tenant, place.collection)
        return {
            "id": document_id,
            "extractor": found.extractor,
            "entities": len(row.entities),
            "relations": len(row.relations),
            "changed": changed,
            "collection_version": collection.version if collection else 0,
        }

    async def ran(self, place: Place, documents: Sequence[DocumentRow]) -> dict[str, list[str]]:
        """The extractors that have read each document as it is now."""
        held = await self._rows(place, [row.id for row in documents])
        return {
            row.id: [DEFAULT] * row.in_graph
            + sorted(
                item.extractor
                for item in held.get(row.id, [])
                if item.state == DONE and item.content_hash == row.content_hash
            )
            for row in documents
        }

    async def drop(self, place: Place, keep: Mapping[str, tuple[str, set[str]]]) -> None:
        """Forget what was found in these documents, unless it holds for this content hash and passages."""
        rows = await self._rows(place, list(keep)) if keep else {}
        stale = [row for held in rows.values() for row in held if not holds(row, keep[row.document_id])]
        if not stale:
            return
        await self._note(stale, state=PENDING)
        for row in stale:
            await self._unlink(place, row)
        async with self.library.postgres.session() as session:
            for row in stale:
                await session.execute(delete(ExtractionRow).where(*_key(row)))

    async def repair(self) -> int:
        """Finish what a crash or a dead graph left half-linked; how many extractions were touched."""
        waiting = select(ExtractionRow).where(_is(ExtractionRow.state, PENDING)).limit(50)
        async with self.library.postgres.session() as session:
            rows = list(await session.scalars(waiting))
        for row in rows:
            place = self.library.place(row.tenant, row.collection)
            async with self.library.locked(place, [row.document_id]):
                await self._again(place, row.document_id, row.extractor)
        return len(rows)

    async def _again(self, place: Place, document_id: str, extractor: str) -> None:
        held = (await self._rows(place, [document_id], extractor=extractor)).get(document_id, [])
        documents, chunks = await self.library.rows_of(place, [document_id])
        document = documents.get(document_id)
        present = [chunk for chunk in chunks.get(document_id, []) if chunk.state != STALE]
        if document is None or document.state != DONE:
            return
        await self.drop(place, {document_id: (document.content_hash, {row.id for row in present})})
        for row in held:
            if row.state == PENDING and holds(row, (document.content_hash, {item.id for item in present})):
                await self._unlink(place, row)
                await self._link(place, row, document, present)
                await self._note([row], state=DONE)

    async def _link(
        self, place: Place, row: ExtractionRow, document: DocumentRow, chunks: Sequence[ChunkRow]
    ) -> None:
        space, rank = space_name(place.tenant, place.collection), rank_of(row.extractor)
        language: Language = "es" if document.language == "es" else "en"
        made = links(row)
        mentions = await self._mentions(place, row, document, chunks, language)
        await self.graph.ensure(space)
        await self.graph.each(
            space, "INSERT EDGE names(weight) VALUES", [f"{item}:(1.0)" for item in made.names]
        )
        await self.graph.each(
            space,
            "INSERT EDGE related(relation, chunk, extractor) VALUES",
            [f"{item}:({said})" for item, said in made.related.items()],
        )
        await self.graph.name_things(space, made.things)
        edges = [f"{edge(chunk, vertex(name), rank)}:()" for chunk, name in mentions]
        await self.graph.each(space, "INSERT EDGE mentions() VALUES", edges)
        await self.graph.count(space, sorted({name for _, name in mentions}))

    async def _mentions(
        self,
        place: Place,
        row: ExtractionRow,
        document: DocumentRow,
        chunks: Sequence[ChunkRow],
        language: Language,
    ) -> list[tuple[str, str]]:
        """Passages that speak of another document's title without writing it so."""
        said = {chunk.id: names_in(chunk.text, language) for chunk in chunks}
        asked = {(item["chunk_id"], name_of(item["name"], language)) for item in row.entities}
        known = await self.titles.known(place, {name for _, name in asked if name})
        return sorted(
            (chunk, name)
            for chunk, name in asked
            if name in known and name != document.name and name not in said[chunk]
        )

    async def _unlink(self, place: Place, row: ExtractionRow) -> None:
        space, rank = space_name(place.tenant, place.collection), rank_of(row.extractor)
        made = links(row)
        languages: tuple[Language, ...] = ("es", "en")
        mentions = {
            edge(item["chunk_id"], vertex(name_of(item["name"], language)), rank)
            for item in row.entities
            for language in languages
        }
        await self.graph.ensure(space)
        await self.graph.each(space, "DELETE EDGE names", made.names)
        await self.graph.each(space, "DELETE EDGE related", list(made.related))
        await self.graph.each(space, "DELETE EDGE mentions", sorted(mentions))
        await self.graph.sweep(space, made.things)
        asked = {name_of(item["name"], language) for item in row.entities for language in languages}
        await self.graph.count(space, sorted(await self.titles.known(place, asked)), fewer=True)

    async def _rows(
        self, place: Place, ids: Sequence[str], *, extractor: str | None = None
    ) -> dict[str, list[ExtractionRow]]:
        table: Any = ExtractionRow
        query = select(ExtractionRow).where(
            table.tenant == place.tenant, table.collection == place.collection, table.document_id.in_(ids)
        )
        if extractor is not None:
            query = query.where(table.extractor == extractor)
        grouped: dict[str, list[ExtractionRow]] = {}
        async with self.library.postgres.session() as session:
            for row in await session.scalars(query):
                grouped.setdefault(row.document_id, []).append(row)
        return grouped

    async def _note(self, rows: Sequence[ExtractionRow], *, state: str) -> None:
        async with self.library.postgres.session() as session:
            for row in rows:
                await session.execute(update(ExtractionRow).where(*_key(row)).values(state=state))

    async def _save(self, row: ExtractionRow) -> None:
        table = ExtractionRow.__table__  # type: ignore[attr-defined]
        values = row.model_dump(exclude={"updated_at"})
        changed = {name: values[name] for name in ("content_hash", "state", "entities", "relations")}
        keys = ["tenant", "collection", "document_id", "extractor"]
        query = insert(table).values(values)
        query = query.on_conflict_do_update(index_elements=keys, set_={**changed, "updated_at": func.now()})
        async with self.library.postgres.session() as session:
            await session.execute(query)


def _key(row: ExtractionRow) -> tuple[Any, ...]:
    table: Any = ExtractionRow
    return (
        table.tenant == row.tenant,
        table.collection == row.collection,
        table.document_id == row.document_id,
        table.extractor == row.extractor,
    )


def _is(attribute: Any, value: Any) -> Any:
    return attribute == value
