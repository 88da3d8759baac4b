"""Reads what `flows/ingestion/sources.py` found: files, pages and objects become documents.

Whatever needs a parser is read by a process of its own; nothing here trusts a name, a size or a byte.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from flows.ingestion.remote import bring
from flows.ingestion.sources import MOST_BYTES, PACKED, Found
from flows.ingestion.text import TEXT, Unreadable, heading, plain
from tools.errors import Capibara6Error
from tools.schema import Document
from tools.settings import Settings

MAX_BYTES = 4 * 2**20
UNPACK_S = 60.0


@dataclass
class Loaded:
    """Documents, and `(id, reason)` of what could not be read."""

    documents: list[Document] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def load(batch: Sequence[Found], settings: Settings) -> Loaded:
    """Read a batch, wherever it lies. It raises nothing: what can not be read is named."""
    loaded, language = Loaded(), settings.language
    for found in batch:
        try:
            with _here(found, settings) as local:
                for item_id, item in read(local):
                    if isinstance(item, Document):
                        loaded.documents.append(item)
                    else:
                        loaded.failed.append((item_id, item.say(language)))
        except Unreadable as exc:
            loaded.failed.append((found.id, exc.say(language)))
        except Capibara6Error as exc:
            loaded.failed.append((found.id, exc.message))
    return loaded


def read(found: Found) -> Iterator[tuple[str, Document | Unreadable]]:
    """`(id, document or reason)` of everything in one local file. Raises `Unreadable` for the whole."""
    suffix = found.path.suffix.lower()
    limit = MOST_BYTES if suffix in PACKED else MAX_BYTES
    if found.size > limit:
        raise Unreadable("too_large", size=found.size, limit=limit)
    if suffix in TEXT:
        head, text = plain(_bytes(found.path), suffix)
        parts: Sequence[dict[str, Any]] = [
            {"name": "", "text": text, **{key: head.get(key) for key in ("title", "language")}}
        ]
    else:
        parts = unpack(found.path)
    if not parts:
        raise Unreadable("empty")
    for part in parts:
        yield _document(found, part)


def unpack(path: Path) -> list[dict[str, Any]]:
    """The parts of a file that needs a parser, which runs where a hostile file can hurt nobody."""
    with tempfile.TemporaryFile() as output:
        command = [sys.executable, "-m", "flows.ingestion.sandbox", str(path)]
        try:
            done = subprocess.run(
                command, stdout=output, stderr=subprocess.PIPE, timeout=UNPACK_S, check=False
            )
        except subprocess.TimeoutExpired as exc:
            raise Unreadable("malformed", detail=f"> {UNPACK_S:.0f} s") from exc
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise Unreadable("malformed", detail=said[0][:200] if said else f"signal {-done.returncode}")
        output.seek(0)
        return [json.loads(line) for line in output]


def _document(found: Found, part: dict[str, Any]) -> tuple[str, Document | Unreadable]:
    """A record that names itself keeps that id; where it came from is in its metadata then."""
    place = f"{found.id}{part['name']}"
    item_id = str(part.get("id") or place)
    if "key" in part:
        return place, Unreadable(part["key"], **part["fields"])
    text, language, metadata = part["text"], part.get("language"), part.get("metadata")
    if not text.strip():
        return item_id, Unreadable("empty")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    if item_id != place:
        metadata["origin"] = found.id
    try:
        document = Document(
            id=item_id,
            title=str(part.get("title") or heading(text) or Path(part["name"] or found.id).stem)[:1_000],
            text=text,
            source=str(part.get("source") or place)[:2_000],
            language=language if language in ("es", "en") else None,
            metadata=metadata,
        )
        document.model_dump_json()  # half a character passes as text, and can not be sent
    except ValidationError as exc:
        first = exc.errors()[0]
        return place, Unreadable("malformed", detail=f"{first['loc'][0]}: {first['msg']}")
    except (PydanticSerializationError, UnicodeError):
        return place, Unreadable("encoding")
    return item_id, document


@contextmanager
def _here(found: Found, settings: Settings) -> Iterator[Found]:
    """The same as a local file; one that was brought goes away with the block."""
    if not found.url:
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="capibara6-") as folder:
        yield bring(found, settings, Path(folder))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise Unreadable("unreadable", detail=exc.strerror or str(exc)) from exc
