"""Plans an upsert: which chunks of a document to write and which to purge. Pure.

It compares the document with the rows that are stored and the versions in use; it reads and writes nothing.
"""

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

ANALYSIS_VERSION = 3
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True)
class Location:
    """A collection as writers and searches see it: whose it is, the Milvus collection (`physical`) that holds
    its vectors, the versions of what shapes its rows, and the name of its embedder."""

    tenant: str
    collection: str
    physical: str
    versions: str
    embedder: str = ""


@dataclass(frozen=True)
class Plan:
    """What one document needs: `rows` are all its chunks, `write` those to write, `purge` ids to remove;
    `name` is its title in stems, `old_name` what that was before."""

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
        """Chunks whose content is stored already; their position in the document may have changed."""
        written = {row.id for row in self.write}
        return [row for row in self.rows if row.id not in written]

    @property
    def embedded(self) -> list[str]:
        """What the embedder reads, one text a chunk to write: title and headings give it its subject."""
        return [embedding_text(self.document.title, row.heading, row.text) for row in self.write]


def versions(embedder: str, dimensions: int) -> str:
    """The versions of everything but the text that shapes a document's rows, as one string."""
    ours = (
        f"split{chunking.VERSION}.words{ANALYSIS_VERSION}.things{entities.VERSION}.names{title_names.VERSION}"
    )
    return f"{ours}.{embedder}.{dimensions}"


def content_hash(document: Document) -> str:
    """Of title and text: BLAKE2b of 128 bits, hexadecimal."""
    return _hash(document.title, document.text)


def attributes_hash(document: Document) -> str:
    """Of source, language and metadata: BLAKE2b of 128 bits, hexadecimal."""
    return _hash(document.source, document.language or "", json.dumps(document.metadata, sort_keys=True))


def unchanged(document: Document, stored: DocumentRow | None, location: Location) -> bool:
    """True when the stores already hold exactly this."""
    return (
        stored is not None
        and stored.state == DONE
        and stored.content_hash == content_hash(document)
        and stored.attributes_hash == attributes_hash(document)
        and stored.versions == location.versions
    )


def plan(
    document: Document, stored: DocumentRow | None, stored_chunks: Iterable[ChunkRow], location: Location
) -> Plan:
    """What to write and purge so that the stores hold `document` and nothing of its past."""
    language: Language = document.language or detect(f"{document.title}\n{document.text}")
    present: Mapping[str, ChunkRow] = {row.id: row for row in stored_chunks}
    rows = _rows(document, language, location)
    attributes = attributes_hash(document)
    same = (
        stored is not None and stored.attributes_hash == attributes and stored.versions == location.versions
    )
    write = [row for row in rows if not (same and _is_written(present.get(row.id)))]
    wanted = {row.id for row in rows}
    return Plan(
        document=document,
        language=language,
        content_hash=content_hash(document),
        attributes_hash=attributes,
        name=name_of(document.title, language),
        old_name=stored.name if stored else "",
        rows=rows,
        write=write,
        purge=[key for key in present if key not in wanted],
    )


def resume(stored: DocumentRow, stored_chunks: Iterable[ChunkRow]) -> Plan:
    """The plan that a crash interrupted, read back from the rows that it had declared."""
    rows = list(stored_chunks)
    document = Document(
        id=stored.id, title=stored.title, text="", source=stored.source, metadata=stored.meta or {}
    )
    kept = [row for row in rows if row.state != STALE]
    return Plan(
        document=document,
        language="es" if stored.language == "es" else "en",
        content_hash=stored.content_hash,
        attributes_hash=stored.attributes_hash,
        name=stored.name,
        old_name="",
        rows=kept,
        write=[row for row in kept if row.state == PENDING],
        purge=[row.id for row in rows if row.state == STALE],
    )


def embedding_text(title: str, heading: str, text: str) -> str:
    """The text that the embedder reads for a chunk: title and heading before it give it its subject."""
    above = ". ".join(part for part in (title.replace("_", " "), heading) if part)
    return f"{above}\n{text}" if above else text


def _rows(document: Document, language: Language, location: Location) -> list[ChunkRow]:
    found: dict[str, ChunkRow] = {}
    for chunk in chunking.split(document.text):
        digest = _hash(document.title, chunk.heading, chunk.text)
        key = str(
            uuid.uuid5(NAMESPACE, f"{location.tenant}\x1f{location.collection}\x1f{document.id}\x1f{digest}")
        )
        row = ChunkRow(
            id=key,
            tenant=location.tenant,
            collection=location.collection,
            document_id=document.id,
            chunk_hash=digest,
            position=chunk.position,
            heading=chunk.heading,
            text=chunk.text,
            tokens=tokens(f"{document.title} {chunk.heading}", chunk.text, language),
        )
        found.setdefault(key, row)
    return list(found.values())


def _is_written(row: ChunkRow | None) -> bool:
    return row is not None and row.state == DONE


def _hash(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
