"""Converts a document's passages into rows of Milvus and into passages of the graph. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np

from servers.bridge.clients.milvus.schema import TEXT_BYTES
from servers.bridge.graph.statements import Passage
from servers.bridge.manifest.tables import ChunkRow
from servers.bridge.manifest.upsert_plan import Location, Plan
from tools.schema import JsonObject

HEADING_CHARS = 2_000
"""Milvus' field holds 8,000 bytes (`clients.milvus.schema`), and UTF-8 needs four for a character at most."""


def milvus_row(
    location: Location, document_id: str, chunk: ChunkRow, vector: np.ndarray, attributes: JsonObject
) -> JsonObject:
    """One row of Milvus: a chunk, its vector (float32, length 1) and its document's attributes: language,
    title, source, metadata."""
    return {
        "id": chunk.id,
        "document_id": document_id,
        "tenant": location.tenant,
        "heading": chunk.heading[:HEADING_CHARS],
        "text": chunk.text,
        "tokens": chunk.tokens.encode()[:TEXT_BYTES].decode(errors="ignore"),
        "dense": vector,
        **attributes,
    }


def milvus_rows(
    location: Location, plans: Sequence[Plan], vectors: Mapping[str, np.ndarray]
) -> list[JsonObject]:
    """The rows of Milvus that `plans` have to write; `vectors` by chunk id."""
    return [
        milvus_row(
            location,
            item.document.id,
            row,
            vectors[row.id],
            {
                "language": item.language,
                "title": item.document.title,
                "source": item.document.source,
                "metadata": item.document.metadata,
            },
        )
        for item in plans
        for row in item.write
    ]


def passages_of(plan: Plan, mentions: Mapping[str, set[str]]) -> list[Passage]:
    """All passages of a document as the graph takes them; `mentions` are names of titles by chunk id."""
    return [
        Passage(
            id=row.id,
            document_id=row.document_id,
            title=plan.document.title,
            source=plan.document.source,
            heading=row.heading,
            text=row.text,
            position=row.position,
            name=plan.name,
            mentions=frozenset(mentions.get(row.id, ())),
        )
        for row in plan.rows
    ]
