"""Finds where Milvus and the manifest disagree, and lets the manifest win.

A passage in Milvus that no document has is dropped from answers, counted, and deleted; a passage of the
manifest that Milvus lost is marked, and `ingest.repair` writes it again.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, text, update

from servers.bridge.clients.milvus.client import Milvus
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.tables import DONE, PENDING, STALE, ChunkRow, DocumentRow
from servers.bridge.manifest.upsert_plan import Place
from tools.log import get_logger
from tools.schema import Hit

PAGE = 500
OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Ids as `plan` makes them: rows that callers insert at Milvus' own door have names of their own."""
log = get_logger("reconcile")


class Reconciler:
    """Raises StoreUnavailable. `dropped` counts the passages that were kept out of answers."""

    def __init__(self, library: Repository, milvus: Milvus) -> None:
        self.library, self.milvus = library, milvus
        self.dropped = 0
        self.strays: dict[tuple[str, str], dict[str, str]] = {}

    async def known(self, place: Place, hits: Sequence[Hit]) -> list[Hit]:
        """The hits without those that no document has; these are remembered for `sweep`."""
        asked = {hit.id: hit.document_id for hit in hits if OURS.fullmatch(hit.id)}
        strays = asked.keys() - await self._held(place, list(asked))
        if not strays:
            return list(hits)
        self.dropped += len(strays)
        log.warning("strays_dropped", collection=place.collection, passages=len(strays))
        noted = self.strays.setdefault((place.tenant, place.collection), {})
        noted.update({key: asked[key] for key in strays})
        return [hit for hit in hits if hit.id not in strays]

    async def sweep(self) -> int:
        """Delete the strays that searches met; a document that is being written is asked again first."""
        count = 0
        while self.strays:
            (tenant, collection), noted = self.strays.popitem()
            place = self.library.place(tenant, collection)
            for document_id in sorted(set(noted.values())):
                async with self.library.locked(place, [document_id]) as now:
                    ids = [key for key, owner in noted.items() if owner == document_id]
                    gone = sorted(set(ids) - await self._held(now, ids))
                    await self.milvus.delete(now.physical, gone)
                    count += len(gone)
        return count

    async def look(self, tenant: str, collection: str) -> int:
        """How many passages Milvus lost; their documents are marked for `ingest.repair`."""
        place = await self.library.where(tenant, collection)
        chunks: Any = ChunkRow
        last, lost = "", 0
        while True:
            query = (
                select(chunks.id, chunks.document_id)
                .where(chunks.tenant == tenant, chunks.collection == collection, chunks.state == DONE)
                .where(chunks.id > last)
                .order_by(chunks.id)
                .limit(PAGE)
            )
            async with self.library.postgres.session() as session:
                rows = [(key, owner) for key, owner in await session.execute(query)]
            if not rows:
                return lost
            last = rows[-1][0]
            found = await self.milvus.get(place.physical, [key for key, _ in rows], fields=["id"])
            missing = [(key, owner) for key, owner in rows if key not in found]
            await self._mark(place, missing)
            lost += len(missing)

    async def _mark(self, place: Place, missing: Sequence[tuple[str, str]]) -> None:
        if not missing:
            return
        chunks, documents = _columns()
        owners = sorted({owner for _, owner in missing})
        async with self.library.postgres.session() as session:
            await session.execute(
                update(ChunkRow)
                .where(chunks.id.in_([key for key, _ in missing]), chunks.state == DONE)
                .values(state=PENDING)
            )
            await session.execute(
                update(DocumentRow)
                .where(documents.tenant == place.tenant, documents.collection == place.collection)
                .where(documents.id.in_(owners), documents.state == DONE)
                .values(state=PENDING)
            )

    async def _held(self, place: Place, ids: list[str]) -> set[str]:
        values = {"ids": ids, "tenant": place.tenant, "collection": place.collection, "stale": STALE}
        async with self.library.postgres.autocommit() as connection:
            return set((await connection.scalars(text(_HELD), values)).all())


_HELD = """
    SELECT id FROM chunks WHERE id = ANY(CAST(:ids AS text[]))
    AND tenant = :tenant AND collection = :collection AND state <> :stale
"""


def _columns() -> tuple[Any, Any]:
    return ChunkRow, DocumentRow
