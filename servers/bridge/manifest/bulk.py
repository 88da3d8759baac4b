"""Bulk upsert of the manifest's rows: one fixed statement and one JSON parameter, however many rows.

It knows columns; what is written when, and in which transaction, is `repository`'s business.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from servers.bridge.manifest.tables import ChunkRow
from servers.bridge.manifest.upsert_plan import Location, Plan
from tools.schema import Document, JsonObject

DOCUMENT_COLUMNS = {
    "tenant": "text",
    "collection": "text",
    "id": "text",
    "content_hash": "text",
    "attributes_hash": "text",
    "title": "text",
    "name": "text",
    "source": "text",
    "language": "text",
    "state": "text",
    "versions": "text",
    "chunks": "int",
    "in_graph": "bool",
    "metadata": "jsonb",
    "owner": "text",
    "source_uri": "text",
    "origin": "text",
    "origin_hash": "text",
    "origin_reader": "text",
    "origin_documents": "int",
    "replaces": "text",
    "former_ids": "jsonb",
    "created_at": "timestamptz",
}
LASTING = ("owner", "former_ids", "created_at")
"""What a document keeps when it is written again."""
CHUNK_COLUMNS = {
    "id": "text",
    "tenant": "text",
    "collection": "text",
    "document_id": "text",
    "chunk_hash": "text",
    "position": "int",
    "heading": "text",
    "text": "text",
    "tokens": "text",
    "state": "text",
    "whereabouts": "jsonb",
}
BATCH_ROWS = 500
"""Chunks a statement: their texts travel in one parameter."""


async def put_documents(
    session: AsyncSession, location: Location, plans: Sequence[Plan], *, state: str, owner: str
) -> None:
    """Insert or replace the documents of `plans` in this `state`, as not yet in the graph. Those that are
    replaced stay whose they were."""
    if plans:
        rows = [_document(location, plan, state) | _history(plan, owner) for plan in plans]
        await session.execute(_UPSERT_DOCUMENTS, {"rows": json.dumps(rows)})


async def put_chunks(session: AsyncSession, chunks: Sequence[ChunkRow], *, state: str) -> None:
    """Insert chunks in this `state`; those that exist get their new position, heading, text, tokens and
    whereabouts."""
    for start in range(0, len(chunks), BATCH_ROWS):
        rows = [
            {name: getattr(row, name) for name in CHUNK_COLUMNS} | {"state": state}
            for row in chunks[start : start + BATCH_ROWS]
        ]
        await session.execute(_UPSERT_CHUNKS, {"rows": json.dumps(rows)})


def _document(location: Location, plan: Plan, state: str) -> JsonObject:
    document = plan.document
    return {
        "tenant": location.tenant,
        "collection": location.collection,
        "id": document.id,
        "content_hash": plan.content_hash,
        "attributes_hash": plan.attributes_hash,
        "title": document.title,
        "name": plan.name,
        "source": document.source,
        "language": plan.language,
        "state": state,
        "versions": location.versions,
        "chunks": len(plan.rows),
        "in_graph": False,
        "metadata": document.metadata,
        **origin_values(document),
    }


def origin_values(document: Document) -> JsonObject:
    """The columns that say where a document came from. Pure."""
    origin = document.origin
    return {
        "source_uri": origin.source_uri if origin else "",
        "origin": origin.id if origin else "",
        "origin_hash": origin.hash if origin else "",
        "origin_reader": origin.reader if origin else "",
        "origin_documents": origin.documents if origin else 0,
    }


def _history(plan: Plan, owner: str) -> JsonObject:
    """What a new document begins with: that of the one which it replaces, where there is one."""
    was = plan.replaced
    if was is None:
        born = datetime.now(UTC).isoformat()
        return {"owner": owner, "replaces": "", "former_ids": [], "created_at": born}
    born = (was.created_at or datetime.now(UTC)).isoformat()
    return {
        "owner": was.owner,
        "replaces": was.id,
        "former_ids": [*was.former_ids, was.id],
        "created_at": born,
    }


def _upsert(
    table: str, columns: dict[str, str], keys: Sequence[str], changed: Sequence[str], more: str = ""
) -> TextClause:
    names = ", ".join(columns)
    shape = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    values = ", ".join(f"{name} = excluded.{name}" for name in changed)
    read = f"SELECT {names} FROM json_to_recordset(CAST(:rows AS json)) AS r({shape})"
    again = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {values}{more}"
    return text(f"INSERT INTO {table} ({names}) {read} {again}")


_KEYS = ("tenant", "collection", "id")
_UPSERT_DOCUMENTS = _upsert(
    "documents",
    DOCUMENT_COLUMNS,
    _KEYS,
    [name for name in DOCUMENT_COLUMNS if name not in (*_KEYS, *LASTING)],
    ", updated_at = now()",
)
_UPSERT_CHUNKS = _upsert(
    "chunks", CHUNK_COLUMNS, ("id",), ("position", "heading", "text", "tokens", "state", "whereabouts")
)
