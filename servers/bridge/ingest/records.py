"""A document's passages as rows of Milvus and as passages of the graph. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from servers.bridge.clients.milvus.schema import TEXT_BYTES
from servers.bridge.graph.knowledge_graph import Passage
from servers.bridge.manifest.tables import ChunkRow
from servers.bridge.manifest.upsert_plan import Location, Plan


def milvus_row(
    place: Location, document_id: str, chunk: ChunkRow, vector: np.ndarray, attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """`attributes` are its document's: language, title, source, metadata."""
    return {
        "id": chunk.id,
        "document_id": document_id,
        "tenant": place.tenant,
        "heading": chunk.heading[:2_000],
        "text": chunk.text,
        "tokens": chunk.tokens.encode()[:TEXT_BYTES].decode(errors="ignore"),
        "dense": vector,
        **attributes,
    }


def milvus_rows(place: Location, plans: Sequence[Plan], vectors: dict[str, Any]) -> list[dict[str, Any]]:
    """What `plans` have to write; `vectors` by chunk id."""
    return [
        milvus_row(
            place,
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
    """All passages of a document as the graph wants them; `mentions` are titles by chunk id."""
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
