"""Where documents came from: noted when that alone has changed, and which of many files differ.

Repository's writes carry the same columns (`bulk`); what a difference means is the caller's business.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.bulk import origin_values
from servers.bridge.manifest.tables import DONE, DocumentRow
from servers.bridge.manifest.upsert_plan import Location
from tools.schema import Document

MAX_TWINS = 100
"""Of one content that lies at many places: how many are told."""


@dataclass
class Difference:
    """A document, or a file with all that it holds (`documents`, ids), beside what was said of it. `hash` is
    that under which all of it is stored, as this reader reads it; empty where it is not. `elsewhere` are
    files of the same content, for one that is new."""

    id: str
    status: Literal["new", "changed", "same"]
    documents: list[str] = field(default_factory=list)
    hash: str = ""
    elsewhere: list[str] = field(default_factory=list)


async def differences(
    postgres: Postgres, location: Location, hashes: Mapping[str, str], reader: str = ""
) -> list[Difference]:
    """What is new, changed or the same of `hashes`: `content_hash` by a document's id, or the hash of its
    file by the file's identity, where only files that `reader` read count as the same."""
    scope = {"tenant": location.tenant, "collection": location.collection}
    async with postgres.session() as session:
        rows = (await session.execute(text(_ROWS), {**scope, "ids": list(hashes)})).all()
        found = differ(hashes, rows, location.versions, reader)
        new = sorted({hashes[item.id] for item in found if item.status == "new"} - {""})
        twins = await session.execute(text(_TWINS), {**scope, "hashes": new, "limit": MAX_TWINS})
        elsewhere = {digest: origins for digest, origins in twins}
    for item in found:
        if item.status == "new":
            item.elsewhere = elsewhere.get(hashes[item.id], [])
    return found


def differ(
    hashes: Mapping[str, str], rows: Sequence[Row[Any] | Any], versions: str, reader: str
) -> list[Difference]:
    """As `differences`, from the stored rows. A file is the same when all that it held is there. Pure."""
    held: dict[str, list[Any]] = {}
    for row in rows:
        for key in {row.id, row.origin} & hashes.keys():
            held.setdefault(key, []).append(row)
    found = []
    for key, digest in hashes.items():
        stored = held.get(key, [])
        files = [row for row in stored if row.origin == key]
        stored = files or stored
        whole = all(row.state == DONE and row.versions == versions for row in stored)
        whole = whole and all(
            row.origin_reader == reader and row.origin_documents == len(files) for row in files
        )
        kept = {row.origin_hash if files else row.content_hash for row in stored}
        own = kept.pop() if whole and len(kept) == 1 else ""
        status = "new" if not stored else "same" if own and own == digest else "changed"
        found.append(Difference(key, status, [row.id for row in stored], own))
    return found


async def note_origins(
    session: AsyncSession, location: Location, documents: Iterable[Document], held: Mapping[str, DocumentRow]
) -> None:
    """Write where unchanged documents came from, those of which something else is stored."""
    rows = [
        {"id": document.id, **values}
        for document in documents
        if document.origin is not None
        and (values := origin_values(document))
        and any(getattr(held[document.id], name) != value for name, value in values.items())
    ]
    if rows:
        given = {"tenant": location.tenant, "collection": location.collection, "rows": json.dumps(rows)}
        await session.execute(text(_NOTE), given)


async def retire_replaced(session: AsyncSession, location: Location, ids: Sequence[str]) -> list[str]:
    """Mark as to be removed what these documents, which are done now, replace; the ids of those. A document
    that has become another since stays."""
    given = {"tenant": location.tenant, "collection": location.collection, "ids": list(ids)}
    retired = list((await session.scalars(text(_RETIRE), given)).all())
    await session.execute(text(_SETTLE), given)
    return retired


_ROWS = """
    SELECT id, origin, content_hash, origin_hash, origin_reader, origin_documents, state, versions
    FROM documents WHERE tenant = :tenant AND collection = :collection
    AND (id = ANY(CAST(:ids AS text[])) OR origin = ANY(CAST(:ids AS text[]))) AND state <> 'deleting'
"""
_TWINS = """
    SELECT h.hash, ARRAY(
        SELECT DISTINCT d.origin FROM documents d WHERE d.tenant = :tenant AND d.collection = :collection
        AND d.origin_hash = h.hash AND d.origin_hash <> '' AND d.state = 'done' ORDER BY 1 LIMIT :limit
    ) FROM unnest(CAST(:hashes AS text[])) AS h(hash)
"""
_NOTE = """
    UPDATE documents d SET source_uri = r.source_uri, origin = r.origin, origin_hash = r.origin_hash,
    origin_reader = r.origin_reader, origin_documents = r.origin_documents
    FROM json_to_recordset(CAST(:rows AS json)) AS r(
        id text, source_uri text, origin text, origin_hash text, origin_reader text, origin_documents int)
    WHERE d.tenant = :tenant AND d.collection = :collection AND d.id = r.id
"""
_RETIRE = """
    UPDATE documents o SET state = 'deleting' FROM documents n
    WHERE n.tenant = :tenant AND n.collection = :collection AND n.id = ANY(CAST(:ids AS text[]))
    AND n.replaces <> '' AND o.tenant = n.tenant AND o.collection = n.collection AND o.id = n.replaces
    AND o.id <> n.id AND o.state = 'done'
    AND (
        o.content_hash = n.content_hash OR (o.origin_hash <> '' AND o.origin_hash = n.origin_hash)
        OR (o.origin = '' AND o.source = o.id AND n.origin <> '')
    )
    RETURNING o.id
"""
_SETTLE = """
    UPDATE documents SET replaces = '' WHERE tenant = :tenant AND collection = :collection
    AND id = ANY(CAST(:ids AS text[])) AND replaces <> ''
"""
