"""Decides what an upsert must write: pure, from a document, what is held, and the versions in use."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from servers.bridge.manifest.tables import DONE, PENDING, STALE, ChunkRow, DocumentRow
from servers.bridge.text import chunking, entities, title_names
from servers.bridge.text.title_names import name_of
from tools.schema import Document, Language
from tools.text.language import detect
from tools.text.words import tokens

ANALYSIS = 3
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True)
class Place:
    """Whose collection, and which Milvus collection holds its vectors."""

    tenant: str
    collection: str
    physical: str
    versions: str
    embedder: str = ""


@dataclass(frozen=True)
class Plan:
    """One document's work: rows to have, chunks to write, chunk ids to purge."""

    document: Document
    language: Language
    content_hash: str
    attributes_hash: str
    name: str
    old_name: str
    rows: list[ChunkRow]
    write: list[ChunkRow]
    purge: list[str]

    @property
    def kept(self) -> list[ChunkRow]:
        """Passages whose content stands; where they are in the document may have changed."""
        written = {row.id for row in self.write}
        return [row for row in self.rows if row.id not in written]

    @property
    def embedded(self) -> list[str]:
        """What the embedder reads, one text a chunk to write: title and headings give it its subject."""
        return [spoken(self.document.title, row.heading, row.text) for row in self.write]


def versions(embedder: str, dimensions: int) -> str:
    """Everything but the text that shapes the rows of a document."""
    ours = f"split{chunking.VERSION}.words{ANALYSIS}.things{entities.VERSION}.names{title_names.VERSION}"
    return f"{ours}.{embedder}.{dimensions}"


def content_hash(document: Document) -> str:
    return _hash(document.title, document.text)


def attributes_hash(document: Document) -> str:
    return _hash(document.source, document.language or "", json.dumps(document.metadata, sort_keys=True))


def unchanged(document: Document, held: DocumentRow | None, place: Place) -> bool:
    """True when the stores already hold exactly this."""
    return (
        held is not None
        and held.state == DONE
        and held.content_hash == content_hash(document)
        and held.attributes_hash == attributes_hash(document)
        and held.versions == place.versions
    )


def plan(document: Document, held: DocumentRow | None, held_chunks: Iterable[ChunkRow], place: Place) -> Plan:
    """What to write and purge so that the stores hold `document` and nothing of its past."""
    language: Language = document.language or detect(f"{document.title}\n{document.text}")
    present: Mapping[str, ChunkRow] = {row.id: row for row in held_chunks}
    rows = _rows(document, language, place)
    attributes = attributes_hash(document)
    same = held is not None and held.attributes_hash == attributes and held.versions == place.versions
    write = [row for row in rows if not (same and _stands(present.get(row.id)))]
    wanted = {row.id for row in rows}
    return Plan(
        document=document,
        language=language,
        content_hash=content_hash(document),
        attributes_hash=attributes,
        name=name_of(document.title, language),
        old_name=held.name if held else "",
        rows=rows,
        write=write,
        purge=[key for key in present if key not in wanted],
    )


def resume(held: DocumentRow, held_chunks: Iterable[ChunkRow]) -> Plan:
    """The plan that a crash interrupted, read back from what it had declared."""
    rows = list(held_chunks)
    document = Document(id=held.id, title=held.title, text="", source=held.source, metadata=held.meta or {})
    kept = [row for row in rows if row.state != STALE]
    return Plan(
        document=document,
        language="es" if held.language == "es" else "en",
        content_hash=held.content_hash,
        attributes_hash=held.attributes_hash,
        name=held.name,
        old_name="",
        rows=kept,
        write=[row for row in kept if row.state == PENDING],
        purge=[row.id for row in rows if row.state == STALE],
    )


def spoken(title: str, heading: str, text: str) -> str:
    above = ". ".join(part for part in (title.replace("_", " "), heading) if part)
    return f"{above}\n{text}" if above else text


def _rows(document: Document, language: Language, place: Place) -> list[ChunkRow]:
    found: dict[str, ChunkRow] = {}
    for chunk in chunking.split(document.text):
        digest = _hash(document.title, chunk.heading, chunk.text)
        key = str(uuid.uuid5(NAMESPACE, f"{place.tenant}\x1f{place.collection}\x1f{document.id}\x1f{digest}"))
        row = ChunkRow(
            id=key,
            tenant=place.tenant,
            collection=place.collection,
            document_id=document.id,
            chunk_hash=digest,
            position=chunk.position,
            heading=chunk.heading,
            text=chunk.text,
            tokens=tokens(f"{document.title} {chunk.heading}", chunk.text, language),
        )
        found.setdefault(key, row)
    return list(found.values())


def _stands(row: ChunkRow | None) -> bool:
    return row is not None and row.state == DONE


def _hash(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
