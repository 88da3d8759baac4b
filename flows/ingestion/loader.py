"""The document loader: files, pages and objects that `flows/ingestion/sources.py` listed become documents.

Whatever needs a parser is read in the sandbox; nothing here trusts a name, a size or a byte.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from flows.ingestion.changes import file_hash, reader
from flows.ingestion.connectors.connector import NotModified
from flows.ingestion.connectors.registry import Connectors, open_connectors
from flows.ingestion.identity import MAX_CHARS, part_of
from flows.ingestion.parsers.ocr import recognition
from flows.ingestion.sources import MAX_FILE_BYTES, SourceFile
from flows.ingestion.text import (
    MARKDOWN_SUFFIXES,
    TAG,
    TEXT_SUFFIXES,
    Unreadable,
    cut,
    first_heading,
    headings_above,
    parse_text,
    places_within,
)
from tools.access.local_files import open_unlinked
from tools.access.source_address import Credential
from tools.errors import Capibara6Error
from tools.schema import Document, JsonObject, Language, Origin, Place
from tools.settings import Settings

SANDBOX_S = 900.0
"""For one that waits for ever; what it may compute is bounded in the sandbox, however busy the machine is."""
PART_CHARS = 1_000_000
"""A longer text is several documents, so that none is more than the bridge takes in one request."""

UNNAMED = re.compile(
    r"(?i)\(?(?:(?:document |page )?title|t[ií]tulo|untitled(?: document| page)?"
    r"|(?:documento |p[áa]gina )?sin t[ií]tulo"
    r"|documento?\s*\d*|(?:new|blank) (?:page|document)|(?:p[áa]gina|documento) (?:nueva|nuevo|en blanco)"
    r"|(?:home|index)(?: ?page)?|p[áa]gina principal|(?:microsoft )?word(?: document)?"
    r"|(?:powerpoint )?presentation\d*"
    r"|presentaci[óo]n(?: de powerpoint)?\d*|(?:book|libro|sheet|hoja|workbook)\s*\d+|unknown|anonymous)\)?"
)
"""Titles that programs write into files that nobody named."""
_HUMP = re.compile(r"(?<=[a-záéíóúñ])(?=[A-ZÁÉÍÓÚÑ])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass
class LoadResult:
    """What was read, `(id, reason)` of what could not be, and what is inside a file and no document; `same`
    are the files that are still as the store holds them."""

    documents: list[Document] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def load(
    batch: Sequence[SourceFile],
    settings: Settings,
    text_field: str = "",
    credential: Credential | None = None,
) -> LoadResult:
    """Read a batch, wherever it lies; `text_field` names the text of JSON records. It raises nothing: what
    can not be read is named."""
    result, language = LoadResult(), settings.language
    with open_connectors(settings, credential) as connectors:
        for file in batch:
            try:
                with _local_copy(file, connectors) as local:
                    _take(result, local, text_field, language)
            except NotModified:
                result.same.append(file.id)
            except Unreadable as exc:
                result.failed.append((file.id, exc.say(language)))
            except Capibara6Error as exc:
                result.failed.append((file.id, exc.message))
    return result


def _take(result: LoadResult, file: SourceFile, text_field: str, language: Language) -> None:
    """Put what is in one local file into the result."""
    found = list(read(file, text_field))
    for item_id, item in found:
        if isinstance(item, Document):
            result.documents.append(_with_origin(item, file, len(found), reader(text_field)))
        elif item.key == "unsupported":
            result.skipped.append(item_id)
        else:
            result.failed.append((item_id, item.say(language)))


def _with_origin(document: Document, file: SourceFile, documents: int, version: str) -> Document:
    """The document, which knows its file, and that there are so many in there."""
    try:
        digest = file.hash or file_hash(file.path)
    except OSError:  # it went away since; it will be read again
        digest = ""
    own = Origin(id=file.id, source_uri=file.source_uri, hash=digest, reader=version, documents=documents)
    return document.model_copy(update={"origin": own})


def read(file: SourceFile, text_field: str = "") -> Iterator[tuple[str, Document | Unreadable]]:
    """`(id, document or reason)` of everything in one local file. Raises `Unreadable` for the whole."""
    suffix = file.path.suffix.lower()
    if file.size > MAX_FILE_BYTES:
        raise Unreadable("too_large", size=file.size, limit=MAX_FILE_BYTES)
    parts = _read_text(file.path, suffix) if suffix in TEXT_SUFFIXES else None
    if parts is None:
        parts = parse_in_sandbox(file.path, text_field)
    if all(part.get("key") == "unsupported" for part in parts):
        raise Unreadable("empty")
    for part in parts:
        yield from (_document(file, piece) for piece in _pieces(part))


def _read_text(path: Path, suffix: str) -> list[JsonObject] | None:
    """The one document of a plain text; None when it holds HTML, which is for a parser."""
    head, text = parse_text(_bytes(path, MAX_FILE_BYTES), suffix)
    if suffix in MARKDOWN_SUFFIXES and TAG.search(text):
        return None
    title = head.get("title") or first_heading(text)
    return [{"name": "", "text": text, "title": title, "language": head.get("language")}]


def _pieces(part: JsonObject) -> Iterator[JsonObject]:
    """A document, or the documents that a long text is cut into: at a heading or an empty line, each under
    the headings above it. The first keeps the name."""
    text = part.get("text") or ""
    if len(text) <= PART_CHARS:
        yield part
        return
    above: list[str] = []
    for number, (start, piece) in enumerate(cut(text, PART_CHARS), start=1):
        own = dict(part)
        if number > 1:
            own |= {key: f"{part[key]}#part-{number}" for key in ("name", "address") if key in part}
            own["id"] = None
        whole = "\n\n".join([*above, piece])
        places = places_within(part.get("places") or [], start, len(piece), len(whole) - len(piece))
        yield {**own, "text": whole, "places": places}
        above = headings_above(piece, above)


def parse_in_sandbox(path: Path, text_field: str = "") -> list[JsonObject]:
    """The documents that the sandbox printed for a file. Raises `Unreadable` when it ends badly or late."""
    with tempfile.TemporaryFile() as output, _opened(path) as file:
        place = f"/dev/fd/{file.fileno()}"
        command = [sys.executable, "-m", "flows.ingestion.sandbox", place, path.suffix, text_field]
        try:
            done = subprocess.run(
                command,
                stdout=output,
                stderr=subprocess.PIPE,
                timeout=recognition.WAIT_S if recognition.is_installed() else SANDBOX_S,
                check=False,
                pass_fds=[file.fileno()],
            )
        except subprocess.TimeoutExpired as exc:
            raise Unreadable("malformed", detail=f"> {SANDBOX_S:.0f} s") from exc
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise Unreadable("malformed", detail=reason[0][:200] if reason else f"signal {-done.returncode}")
        output.seek(0)
        return [json.loads(line) for line in output]


def _document(file: SourceFile, part: JsonObject) -> tuple[str, Document | Unreadable]:
    """A part of a file is called by its address there; what a record calls itself is in its metadata."""
    item_id = part_of(file.id, part.get("address") or part["name"])
    if "key" in part:
        return item_id, Unreadable(part["key"], **part["fields"])
    text, language, metadata = part["text"], part.get("language"), part.get("metadata")
    if not text.strip():
        return item_id, Unreadable("empty")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    if part.get("id"):
        metadata.setdefault("id", part["id"])
    try:
        document = Document(
            id=item_id,
            title=_title(str(part.get("title") or ""), _name_of(file.name or file.id, part["name"])),
            text=text,
            source=str(part.get("source") or item_id)[:2_000],
            language=language if language in ("es", "en") else None,
            metadata=metadata,
            formerly=_former_id(file, part, item_id),
            places=[Place(**place) for place in part.get("places") or ()],
        )
        document.model_dump_json()  # half a character passes as text, and can not be sent
    except ValidationError as exc:
        first = exc.errors()[0]
        return item_id, Unreadable("malformed", detail=f"{first['loc'][0]}: {first['msg']}")
    except (PydanticSerializationError, UnicodeError):
        return item_id, Unreadable("encoding")
    return item_id, document


def _former_id(file: SourceFile, part: JsonObject, now: str) -> str | None:
    """What the same document was called where it was before, or before ids were addresses."""
    if file.moved_from:
        former = part_of(file.moved_from, part.get("address") or part["name"])
    else:
        former = part.get("id") or (f"{file.name}{part['name']}" if file.name else "")
    is_id = 0 < len(former) <= MAX_CHARS and former.isprintable()
    return former if is_id and former != now else None


def _title(stated: str, named: str) -> str:
    """What a document is called: as it says, or as its file is named, where it says what a program writes
    into files that nobody named."""
    return (named if not stated or UNNAMED.fullmatch(stated.strip()) else stated)[:1_000]


def _name_of(file_id: str, inside: str) -> str:
    """What a document without a title is called: its file's name, its words apart (`InformeAnual` is found by
    each of them), and its number in it. Pure."""
    called = Path(inside).stem if "/" in inside else f"{Path(file_id).stem} {inside}".strip()
    readable = _HUMP.sub(" ", called.encode(errors="surrogateescape").decode(errors="replace"))
    return "".join(char if char.isprintable() else " " for char in readable)


@contextmanager
def _local_copy(file: SourceFile, connectors: Connectors) -> Iterator[SourceFile]:
    """The same as a local file; one that was downloaded goes away with the block."""
    if not file.url:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="capibara6-") as folder:
        yield connectors.download(file, Path(folder).resolve())


def _bytes(path: Path, limit: int) -> bytes:
    """A file that has grown beyond `limit` since it was listed raises `Unreadable` too."""
    with _opened(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Unreadable("too_large", size=f"> {limit}", limit=limit)
    return data


def _opened(path: Path) -> BinaryIO:
    try:
        return open_unlinked(path)
    except OSError as exc:
        raise Unreadable("unreadable", detail=exc.strerror or str(exc)) from exc
