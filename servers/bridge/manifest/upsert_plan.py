"""Plans an upsert: which chunks of a document to write and which to purge. Pure.

It compares the document with the rows that are stored and the versions in use; it reads and writes nothing.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from servers.bridge.manifest.tables import DONE, PENDING, STALE, ChunkRow, DocumentRow
from servers.bridge.text import chunking, entities, title_names
from servers.bridge.text.title_names import name_of
from tools.schema import Document, JsonObject, Language, Whereabouts
from tools.text.language import detect
from tools.text.words import tokens

ANALYSIS_VERSION = 3
CAMEL = re.compile(r"(?<=[a-záéíóúüñ])(?=[A-ZÁÉÍÓÚÜÑ])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
"""Between the words of a name that is written in one."""
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
    `name` is its title in stems, `old_name` what that was before; `replaced` is the document that it was;
    `text` is what spans count in, empty when it is stored already."""

    document: Document
    language: Language
    content_hash: str
    attributes_hash: str
    name: str
    old_name: str
    rows: list[ChunkRow]
    write: list[ChunkRow]
    purge: list[str]
    replaced: DocumentRow | None = None
    text: str = ""

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
    """Of source, language, metadata, and which pages or rows there are: BLAKE2b of 128 bits, hexadecimal."""
    fixed = (document.source, document.language or "", json.dumps(document.metadata, sort_keys=True))
    places = [place.model_dump_json(exclude={"start"}, exclude_none=True) for place in document.places]
    return _hash(*fixed, *places)


def unchanged(document: Document, stored: DocumentRow | None, location: Location) -> bool:
    """True when the stores already hold exactly this."""
    return (
        stored is not None
        and stored.state == DONE
        and stored.content_hash == content_hash(document)
        and stored.attributes_hash == attributes_hash(document)
        and stored.versions == location.versions
    )


def replaced(
    document: Document, stored: DocumentRow | None, former: DocumentRow | None
) -> DocumentRow | None:
    """The document `former` when this one is the same under a new id: its text is equal, or its file, or it
    is the file that was called so before ids were addresses; None also when there is one of that id,
    `stored`, already."""
    if former is None or former.state != DONE or former.id == document.id:
        return None
    if stored is not None and (stored.state == DONE or stored.replaces != former.id):
        return None
    same_file = document.origin is not None and former.origin_hash == document.origin.hash != ""
    same = same_file or former.content_hash == content_hash(document)
    return former if same or is_legacy(document, former) else None


def is_legacy(document: Document, former: DocumentRow) -> bool:
    """Whether `former` is a file's document of before there were origins: it was called `folder/path`, and so
    was its source. Its text may have changed since."""
    return document.origin is not None and not former.origin and former.source == former.id


def plan(
    document: Document, stored: DocumentRow | None, stored_chunks: Iterable[ChunkRow], location: Location
) -> Plan:
    """What to write and purge so that the stores hold `document` and nothing of its past."""
    language: Language = document.language or detect(f"{document.title}\n{document.text}")
    present: Mapping[str, ChunkRow] = {row.id: row for row in stored_chunks}
    text, places = chunking.normalised(document.text, document.places)
    rows = _rows(document, chunking.split(text, places), language, location)
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
        text=text,
    )


def with_former(plans: Sequence[Plan], held: Mapping[str, DocumentRow]) -> list[Plan]:
    """The plans, each with the document that it replaces, if it does: one is replaced once, by the one of the
    same text where there is any. `held` are stored documents by id. Pure."""
    found, taken = list(plans), set[str]()
    for equal in (True, False):
        for at, item in enumerate(plans):
            key = item.document.formerly
            row = replaced(item.document, held.get(item.document.id), held.get(key)) if key else None
            if row is None or row.id in taken or (equal and row.content_hash != item.content_hash):
                continue
            if found[at].replaced is None:
                taken.add(row.id)
                found[at] = replace(item, replaced=row)
    return found


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


def _title_words(title: str) -> str:
    """What full-text search finds a title by: as it is written and, where that is one word as names of files
    are (`InformeAnual2023`, `utf16le`), by the words in it."""
    return title if " " in title.strip() or not CAMEL.search(title) else f"{title} {CAMEL.sub(' ', title)}"


def _rows(
    document: Document, chunks: Iterable[chunking.Chunk], language: Language, location: Location
) -> list[ChunkRow]:
    found: dict[str, ChunkRow] = {}
    for chunk in chunks:
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
            tokens=tokens(f"{_title_words(document.title)} {chunk.heading}", chunk.text, language),
            whereabouts=_whereabouts(chunk),
        )
        found.setdefault(key, row)
    return list(found.values())


def _whereabouts(chunk: chunking.Chunk) -> JsonObject:
    place = chunk.place.model_dump(exclude={"start"}) if chunk.place else {}
    found = Whereabouts(headings=list(chunk.headings), span=(chunk.start, chunk.end), **place)
    return found.model_dump(exclude_none=True, mode="json")


def _is_written(row: ChunkRow | None) -> bool:
    return row is not None and row.state == DONE


def _hash(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
