"""Re-embeds a collection with another embedder while it is searched and written: a second Milvus collection
is filled from the manifest, the row is pointed at it, the first is dropped.

Passes over the documents copy what changed since the last one; the final pass holds the collection's lock, so
writes wait for it and are in both or after it. Searches never wait.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import func, select, text, update
from sqlmodel import col

from servers.bridge.clients.milvus.client import Milvus
from servers.bridge.embedding.embedder import Embedder
from servers.bridge.embedding.registry import EmbedderRegistry
from servers.bridge.ingest.records import milvus_row
from servers.bridge.manifest.locks import lock_key
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DELETING, DONE, ChunkRow, CollectionRow, DocumentRow
from servers.bridge.manifest.upsert_plan import Location, embedding_text, versions
from tools.errors import CollectionNotFound, Conflict
from tools.schema import JsonObject

PAGE, BATCH = 200, 64
"""Documents read at once; passages embedded and written at once."""
FEW, MAX_PASSES = 32, 6
"""So few changed documents are left to the final pass, under the lock; a collection that is written faster
than it is copied gets no more passes before that than this."""
LOCK_TIMEOUT = "120s"
GRACE_S = 4.0
"""A search that began before the swap may still read the old vectors: longer than its retrievers' three
deadlines of 1.2 s (`search.retrievers`)."""
COPY_NAME = re.compile(r"__r?[0-9a-f]{8}$")
Report = Callable[[int, int], Awaitable[None]]
"""Hears how many documents are copied, and of how many."""


@dataclass
class Copy:
    """The new collection and what has been copied into it: fingerprint and passage ids by document id."""

    location: Location
    embedder: Embedder
    copied: dict[str, tuple[str, list[str]]] = field(default_factory=dict[str, tuple[str, list[str]]])


class Reembedding:
    """Raises CollectionNotFound, Conflict (already under way, or rows that no document explains),
    EmbedderMissing, and what embedders and stores raise; the collection is then as it was."""

    def __init__(self, repository: Repository, milvus: Milvus, embedders: EmbedderRegistry) -> None:
        self.repository, self.milvus, self.embedders = repository, milvus, embedders
        self.grace_s = GRACE_S

    async def begin(self, tenant: str, name: str) -> int:
        """How many documents there are to copy. Raises CollectionNotFound, Conflict."""
        location = await self._place(tenant, name)
        await self._check_explained(location)
        return (await self.repository.documents(location, limit=1))[1]

    async def run(self, tenant: str, name: str, embedder: str | None, report: Report) -> int:
        """Copy, swap, drop; the collection's new version. Without `embedder` it is the default one."""
        chosen = self.embedders.get(embedder)
        await chosen.load()
        async with self._exclusive(name):
            old = await self._place(tenant, name)
            physical = f"{name}__r{uuid.uuid4().hex[:8]}"
            made = versions(chosen.name, chosen.dimensions)
            copy = Copy(Location(tenant, name, physical, made, chosen.name), chosen)
            try:
                await self.milvus.ensure(physical, dimensions=chosen.dimensions)
                for _ in range(MAX_PASSES):
                    if await self._pass(copy, report) <= FEW:
                        break
                version = await self._swap(old, copy, report)
            except BaseException:
                await asyncio.shield(self._drop_unless_used(physical))
                raise
            await asyncio.sleep(self.grace_s)
            await self._drop_unless_used(old.physical)
            return version

    async def sweep(self, name: str) -> list[str]:
        """Drop the Milvus collections that an interrupted copy of this name left behind; their names."""
        used = await self._used()
        left = [
            physical
            for physical in await self.milvus.names()
            if physical.startswith(f"{name}__")
            and COPY_NAME.fullmatch(physical, len(name))
            and physical not in used
        ]
        for physical in left:
            await self.milvus.drop(physical)
        return left

    async def _pass(self, copy: Copy, report: Report) -> int:
        """Copy every document that is not in the copy as it is now; how many there were."""
        changed, last, seen = 0, "", set[str]()
        while page := await self._page(copy.location, last):
            last = page[-1].id
            seen |= {row.id for row in page}
            stale = [row for row in page if copy.copied.get(row.id, ("",))[0] != _fingerprint(row)]
            await self._copy(copy, stale)
            changed += len(stale)
            await report(len(seen), max(len(seen), len(copy.copied)))
        for gone in [key for key in copy.copied if key not in seen]:
            await self.milvus.delete(copy.location.physical, copy.copied.pop(gone)[1])
            changed += 1
        return changed

    async def _copy(self, copy: Copy, documents: Sequence[DocumentRow]) -> None:
        _, chunks = await self.repository.rows_of(copy.location, [row.id for row in documents])
        work = [
            (row, chunk)
            for row in documents
            for chunk in chunks.get(row.id, [])
            if chunk.state == DONE and row.state != DELETING
        ]
        for start in range(0, len(work), BATCH):
            part = work[start : start + BATCH]
            texts = [embedding_text(row.title, chunk.heading, chunk.text) for row, chunk in part]
            vectors = await copy.embedder.embed(texts)
            rows = [
                milvus_row(copy.location, row.id, chunk, vector, _attributes(row))
                for (row, chunk), vector in zip(part, vectors, strict=True)
            ]
            await self.milvus.write(copy.location.physical, rows)
        now: dict[str, list[str]] = {row.id: [] for row in documents}
        for row, chunk in work:
            now[row.id].append(chunk.id)
        for row in documents:
            before = copy.copied.get(row.id, ("", []))[1]
            await self.milvus.delete(copy.location.physical, sorted(set(before) - set(now[row.id])))
            copy.copied[row.id] = (_fingerprint(row), now[row.id])

    async def _swap(self, old: Location, copy: Copy, report: Report) -> int:
        """Under the collection's lock: copy the last changes, then point the row at the copy."""
        async with self.repository.postgres.session() as session:
            await session.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(old)})
            await self._pass(copy, report)
            # Vectors aside, documents are what they were: sending one again must not write it again.
            await session.execute(
                update(DocumentRow)
                .where(
                    col(DocumentRow.tenant) == old.tenant,
                    col(DocumentRow.collection) == old.collection,
                    col(DocumentRow.versions) == old.versions,
                )
                .values(versions=copy.location.versions)
            )
            row = await session.get(CollectionRow, (old.tenant, old.collection), with_for_update=True)
            if row is None:
                raise CollectionNotFound(f"there is no collection {old.collection}", source="bridge")
            row.physical, row.embedder = copy.location.physical, copy.embedder.name
            row.dimensions = copy.embedder.dimensions
            row.version += 1
            return row.version

    async def _page(self, location: Location, last: str) -> list[DocumentRow]:
        """The next documents after the id `last`, by id."""
        query = (
            select(DocumentRow)
            .where(
                col(DocumentRow.tenant) == location.tenant, col(DocumentRow.collection) == location.collection
            )
            .where(col(DocumentRow.id) > last)
            .order_by(col(DocumentRow.id))
            .limit(PAGE)
        )
        async with self.repository.postgres.session() as session:
            return list(await session.scalars(query))

    async def _place(self, tenant: str, name: str) -> Location:
        if await self.repository.collection(tenant, name) is None:
            raise CollectionNotFound(f"there is no collection {name}", param="collection", source="bridge")
        return await self.repository.where(tenant, name)

    async def _check_explained(self, location: Location) -> None:
        """Rows that were inserted at Milvus' own door are in no document: they would be lost."""
        mine = (col(ChunkRow.tenant) == location.tenant, col(ChunkRow.collection) == location.collection)
        async with self.repository.postgres.session() as session:
            count = await session.scalar(select(func.count()).select_from(ChunkRow).where(*mine))
        if await self.milvus.count(location.physical) > (count or 0):
            raise Conflict("the collection holds rows of no document", param="collection", source="bridge")

    async def _used(self) -> set[str]:
        """The Milvus collections that some collection's row points at."""
        async with self.repository.postgres.session() as session:
            return set(await session.scalars(select(col(CollectionRow.physical))))

    async def _drop_unless_used(self, physical: str) -> None:
        if physical not in await self._used():
            await self.milvus.drop(physical)

    @asynccontextmanager
    async def _exclusive(self, name: str) -> AsyncIterator[None]:
        """One copy of this name at a time, in any replica; what an earlier one left behind is dropped."""
        key = {"key": lock_key(Location("", f"reembed\x1f{name}", "", ""))}
        async with self.repository.postgres.autocommit() as connection:
            if not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
                raise Conflict("the collection is being embedded again", param="collection", source="bridge")
            try:
                await self.sweep(name)
                yield
            finally:
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)


def _fingerprint(row: DocumentRow) -> str:
    """Differs whenever a document has been written since."""
    return f"{row.state} {row.content_hash} {row.attributes_hash} {row.versions} {row.updated_at}"


def _attributes(row: DocumentRow) -> JsonObject:
    return {
        "language": row.language,
        "title": row.title,
        "source": row.source,
        "metadata": row.meta or {},
    }
