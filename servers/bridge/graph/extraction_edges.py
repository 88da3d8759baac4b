"""An extractor's findings as a row of the manifest and as edges of the graph. Pure.

Edges carry a rank that is the extractor's own, so no two extractors share an edge.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servers.bridge.clients.nebula.client import quoted
from servers.bridge.graph.knowledge_graph import thing_vertex
from servers.bridge.manifest.tables import DONE, ChunkRow, DocumentRow, ExtractionRow
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.text.entities import normal
from tools.errors import ChunkNotFound, DocumentChanged
from tools.schema import Extraction

KIND = "is a"


@dataclass(frozen=True)
class Links:
    """The vertices and edges of one extraction: things by id, edges as `src->dst@rank`."""

    things: Mapping[str, str]
    names: Sequence[str]
    related: Mapping[str, str]


def links(row: ExtractionRow) -> Links:
    """The edges of an extraction. A kind is a thing too: what has it `is a` that thing."""
    rank = rank_of(row.extractor)
    said = [(item["chunk_id"], item["subject"], item["relation"], item["object"]) for item in row.relations]
    said += [(item["chunk_id"], item["name"], KIND, item["kind"]) for item in row.entities if item["kind"]]
    named = {(item["chunk_id"], item["name"]) for item in row.entities}
    named |= {
        (item["chunk_id"], name) for item in row.relations for name in (item["subject"], item["object"])
    }
    things: dict[str, str] = {}
    for name in sorted({name for _, name in named} | {part for item in said for part in item[1::2]}):
        things[thing_vertex(normal(name))] = normal(name)
    names = sorted({edge(chunk, thing_vertex(normal(name)), rank) for chunk, name in named})
    related = {
        edge(
            thing_vertex(normal(one)), thing_vertex(normal(two)), rank_of(row.extractor, chunk, relation)
        ): f"{quoted(relation)}, {quoted(chunk)}, {quoted(row.extractor)}"
        for chunk, one, relation, two in said
    }
    return Links(things, names, related)


def row_of(place: Location, document_id: str, found: Extraction) -> ExtractionRow:
    """Without repetitions and names that say nothing, in one order: equal findings are equal rows."""
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
        tenant=place.tenant,
        collection=place.collection,
        document_id=document_id,
        extractor=found.extractor,
        content_hash=found.content_hash,
        entities=[entities[key] for key in sorted(entities)],
        relations=[relations[key] for key in sorted(relations)],
    )


def check(found: Extraction, document: DocumentRow, chunks: Sequence[ChunkRow]) -> None:
    if found.content_hash != document.content_hash:
        raise DocumentChanged(
            "the document has another content by now", param="content_hash", source="bridge"
        )
    present = {chunk.id for chunk in chunks}
    if not {item.chunk_id for item in (*found.entities, *found.relations)} <= present:
        raise ChunkNotFound("the document has no such passage", param="chunk_id", source="bridge")


def holds(row: ExtractionRow, now: tuple[str, set[str]]) -> bool:
    content_hash, chunks = now
    return (
        row.content_hash == content_hash
        and {item["chunk_id"] for item in (*row.entities, *row.relations)} <= chunks
    )


def same(one: ExtractionRow, other: ExtractionRow) -> bool:
    found = (one.content_hash, one.entities, one.relations)
    return other.state == DONE and found == (other.content_hash, other.entities, other.relations)


def edge(one: str, two: str, rank: int) -> str:
    return f"{quoted(one)}->{quoted(two)}@{rank}"


def rank_of(*parts: str) -> int:
    """Never 0, which is the rank of the links made without a model."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 2) + 1
