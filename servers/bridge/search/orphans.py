"""Keeps orphans out of answers: passages that Milvus still has and no document does.

A delete that Milvus lost must not come back in an answer. They are counted and reported; `ingest.reconcile`
deletes them. The same query tells where each passage stands: that may change while its vector stays.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import text

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.tables import STALE
from servers.bridge.manifest.upsert_plan import Location
from tools.log import get_logger
from tools.schema import Hit, JsonObject, Whereabouts

OUR_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""A UUID of version 5 (RFC 9562), as `manifest.upsert_plan` makes them: rows that callers insert at Milvus'
own door have ids of their own and are nobody's orphans."""
log = get_logger("reconcile")


class OrphanFilter:
    """`report` is given the orphans of a collection, document id by passage id. `dropped` counts them."""

    def __init__(self, postgres: Postgres, report: Callable[[Location, Mapping[str, str]], None]) -> None:
        self.postgres, self.report = postgres, report
        self.dropped = 0

    async def without_orphans(self, location: Location, hits: Sequence[Hit]) -> list[Hit]:
        """The hits, in order, without orphans; each knows where it stands. Raises StoreUnavailable."""
        documents = {hit.id: hit.document_id for hit in hits if OUR_ID.fullmatch(hit.id)}
        present = await self._present(location, list(documents))
        hits = [hit.model_copy(update=_fields(present.get(hit.id))) for hit in hits]
        orphans = documents.keys() - present.keys()
        if not orphans:
            return hits
        self.dropped += len(orphans)
        log.warning("strays_dropped", collection=location.collection, passages=len(orphans))
        self.report(location, {key: documents[key] for key in orphans})
        return [hit for hit in hits if hit.id not in orphans]

    async def _present(self, location: Location, ids: list[str]) -> dict[str, JsonObject | None]:
        """Those of `ids` that are passages of a document, or are about to be, with their whereabouts."""
        values = {"ids": ids, "tenant": location.tenant, "collection": location.collection, "stale": STALE}
        async with self.postgres.autocommit() as connection:
            rows = (await connection.execute(text(_PRESENT), values)).all()
        return {key: whereabouts for key, whereabouts in rows}


def _fields(stored: JsonObject | None) -> JsonObject:
    """The fields of a hit from what is stored of a passage; none for one of before that was kept."""
    return dict(Whereabouts.model_validate(stored)) if stored else {}


_PRESENT = """
    SELECT id, whereabouts FROM chunks WHERE id = ANY(CAST(:ids AS text[]))
    AND tenant = :tenant AND collection = :collection AND state <> :stale
"""
