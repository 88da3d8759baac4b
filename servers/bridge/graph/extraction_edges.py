"""An extraction as a row of the manifest and as edges of the graph. Pure.

Edges carry a rank that is the extractor's own, so no two extractors share an edge.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servers.bridge.clients.nebula.client import quoted
from servers.bridge.graph.statements import thing_vertex
from servers.bridge.manifest.tables import DONE, ChunkRow, DocumentRow, ExtractionRow
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.text.entities import normal
from tools.errors import ChunkNotFound, DocumentChanged
from tools.schema import Extraction

KIND_RELATION = "is a"


@dataclass(frozen=True)
class ExtractionEdges:
    """The graph of one extraction: names of things by vertex id; edges as `source->target@rank`, those of
    `related` with their properties."""

    things: Mapping[str, str]
    names: Sequence[str]
    related: Mapping[str, str]


def edges_of(row: ExtractionRow) -> ExtractionEdges:
    """The edges of an extraction. A kind is a thing too: what has it `is a` that thing."""
    rank = rank_of(row.extractor)
    triples = [
        (item["chunk_id"], item["subject"], item["relation"], item["object"]) for item in row.relations
    ]
    triples += [
        (item["chunk_id"], item["name"], KIND_RELATION, item["kind"]) for item in row.entities if item["kind"]
    ]
    named = {(item["chunk_id"], item["name"]) for item in row.entities}
    named |= {
        (item["chunk_id"], name) for item in row.relations for name in (item["subject"], item["object"])
    }
    things: dict[str, str] = {}
    for name in sorted({name for _, name in named} | {part for item in triples for part in item[1::2]}):
        things[thing_vertex(normal(name))] = normal(name)
    names = sorted({ranked_edge(chunk, thing_vertex(normal(name)), rank) for chunk, name in named})
    related = {
        ranked_edge(
            thing_vertex(normal(one)), thing_vertex(normal(two)), rank_of(row.extractor, chunk, relation)
        ): f"{quoted(relation)}, {quoted(chunk)}, {quoted(row.extractor)}"
        for chunk, one, relation, two in triples
    }
    return ExtractionEdges(things, names, related)


def row_of(location: Location, document_id: str, found: Extraction) -> ExtractionRow:
    """The row of an extraction, without repetitions and empty names, in one order: equal findings are equal
    rows."""
    entities = {
        (item.chunk_id, normal(item.name)): item.model_dump() for item in found.entities if normal(item.name)
    }
    relations = {
        (item.chunk_id, normal(item.subject), item.relation, normal(item.object)): item.model_dump()
        for item in found.relations
        if normal(item.subject) and normal(item.object)
    }
    for item in entities.values():
        item["kind"] = item["kind"] if normal(item["kind"] or "") else None
    return ExtractionRow(
        tenant=location.tenant,
        collection=location.collection,
        document_id=document_id,
        extractor=found.extractor,
        content_hash=found.content_hash,
        entities=[entities[key] for key in sorted(entities)],
        relations=[relations[key] for key in sorted(relations)],
    )


def check(found: Extraction, document: DocumentRow, chunks: Sequence[ChunkRow]) -> None:
    """Raises DocumentChanged for another content than the document's, ChunkNotFound for another's passage."""
    if found.content_hash != document.content_hash:
        raise DocumentChanged(
            "the document has another content by now", param="content_hash", source="bridge"
        )
    present = {chunk.id for chunk in chunks}
    if not {item.chunk_id for item in (*found.entities, *found.relations)} <= present:
        raise ChunkNotFound("the document has no such passage", param="chunk_id", source="bridge")


def is_current(row: ExtractionRow, content_hash: str, chunks: set[str]) -> bool:
    """Whether an extraction is of this content and of no other passages than these (ids)."""
    return (
        row.content_hash == content_hash
        and {item["chunk_id"] for item in (*row.entities, *row.relations)} <= chunks
    )


def same_findings(row: ExtractionRow, stored: ExtractionRow) -> bool:
    """Whether all of `row` is stored, and linked, already."""
    findings = (row.content_hash, row.entities, row.relations)
    return stored.state == DONE and findings == (stored.content_hash, stored.entities, stored.relations)


def ranked_edge(source: str, target: str, rank: int) -> str:
    """An edge's key in nGQL."""
    return f"{quoted(source)}->{quoted(target)}@{rank}"


def rank_of(*parts: str) -> int:
    """An edge rank of 62 bits; never 0, which is the rank of the edges made without a model."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 2) + 1
