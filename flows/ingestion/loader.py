"""The document loader: files, pages and objects that `flows/ingestion/sources.py` listed become documents.

Whatever needs a parser is read in the sandbox; nothing here trusts a name, a size or a byte.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from flows.ingestion.download import download
from flows.ingestion.sources import MAX_FILE_BYTES, PARSED_SUFFIXES, SourceFile
from flows.ingestion.text import TEXT_SUFFIXES, Unreadable, first_heading, parse_text
from tools.errors import Capibara6Error
from tools.schema import Document, JsonObject
from tools.settings import Settings

MAX_TEXT_BYTES = 4 * 2**20
SANDBOX_S = 60.0


@dataclass
class LoadResult:
    """What was read, and `(id, reason)` of what could not be."""

    documents: list[Document] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def load(batch: Sequence[SourceFile], settings: Settings) -> LoadResult:
    """Read a batch, wherever it lies. It raises nothing: what can not be read is named."""
    result, language = LoadResult(), settings.language
    for file in batch:
        try:
            with _local_copy(file, settings) as local:
                for item_id, item in read(local):
                    if isinstance(item, Document):
                        result.documents.append(item)
                    else:
                        result.failed.append((item_id, item.say(language)))
        except Unreadable as exc:
            result.failed.append((file.id, exc.say(language)))
        except Capibara6Error as exc:
            result.failed.append((file.id, exc.message))
    return result


def read(file: SourceFile) -> Iterator[tuple[str, Document | Unreadable]]:
    """`(id, document or reason)` of everything in one local file. Raises `Unreadable` for the whole."""
    suffix = file.path.suffix.lower()
    limit = MAX_FILE_BYTES if suffix in PARSED_SUFFIXES else MAX_TEXT_BYTES
    if file.size > limit:
        raise Unreadable("too_large", size=file.size, limit=limit)
    if suffix in TEXT_SUFFIXES:
        head, text = parse_text(_bytes(file.path), suffix)
        parts: Sequence[JsonObject] = [
            {"name": "", "text": text, **{key: head.get(key) for key in ("title", "language")}}
        ]
    else:
        parts = parse_in_sandbox(file.path)
    if not parts:
        raise Unreadable("empty")
    for part in parts:
        yield _document(file, part)


def parse_in_sandbox(path: Path) -> list[JsonObject]:
    """The documents that the sandbox printed for a file. Raises `Unreadable` when it ends badly or late."""
    with tempfile.TemporaryFile() as output:
        command = [sys.executable, "-m", "flows.ingestion.sandbox", str(path)]
        try:
            done = subprocess.run(
                command, stdout=output, stderr=subprocess.PIPE, timeout=SANDBOX_S, check=False
            )
        except subprocess.TimeoutExpired as exc:
            raise Unreadable("malformed", detail=f"> {SANDBOX_S:.0f} s") from exc
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise Unreadable("malformed", detail=reason[0][:200] if reason else f"signal {-done.returncode}")
        output.seek(0)
        return [json.loads(line) for line in output]


def _document(file: SourceFile, part: JsonObject) -> tuple[str, Document | Unreadable]:
    """A record that names itself keeps that id; where it came from is in its metadata then."""
    origin = f"{file.id}{part['name']}"
    item_id = str(part.get("id") or origin)
    if "key" in part:
        return origin, Unreadable(part["key"], **part["fields"])
    text, language, metadata = part["text"], part.get("language"), part.get("metadata")
    if not text.strip():
        return item_id, Unreadable("empty")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    if item_id != origin:
        metadata["origin"] = file.id
    try:
        document = Document(
            id=item_id,
            title=str(part.get("title") or first_heading(text) or Path(part["name"] or file.id).stem)[:1_000],
            text=text,
            source=str(part.get("source") or origin)[:2_000],
            language=language if language in ("es", "en") else None,
            metadata=metadata,
        )
        document.model_dump_json()  # half a character passes as text, and can not be sent
    except ValidationError as exc:
        first = exc.errors()[0]
        return origin, Unreadable("malformed", detail=f"{first['loc'][0]}: {first['msg']}")
    except (PydanticSerializationError, UnicodeError):
        return origin, Unreadable("encoding")
    return item_id, document


@contextmanager
def _local_copy(file: SourceFile, settings: Settings) -> Iterator[SourceFile]:
    """The same as a local file; one that was downloaded goes away with the block."""
    if not file.url:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="capibara6-") as folder:
        yield download(file, settings, Path(folder))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise Unreadable("unreadable", detail=exc.strerror or str(exc)) from exc
