"""The sandbox: parses one file in a process of its own whose memory and CPU time are bounded (`setrlimit`).

`python -m flows.ingestion.sandbox FILE` prints a JSON line a document: `{name, title, text, …}`, or `{name,
key, fields}` for one that is not readable. A file that needs more than `MEMORY_BYTES` or `CPU_S`, or that is
not what its name says, ends the process with a sentence on standard error; nobody else is hurt.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flows.ingestion.formats import PARSERS, ZIP_ERRORS, Malformed, parsing
from flows.ingestion.text import TEXT_SUFFIXES, Unreadable, parse_text

if TYPE_CHECKING:
    from tools.schema import JsonObject

MEMORY_BYTES = 240 * 2**20
CPU_S = 30
MAX_TEXT_CHARS = 4 * 2**20
MAX_TOTAL_CHARS = 64 * 2**20
MAX_MEMBERS = 10_000
MAX_MEMBER_BYTES = 32 * 2**20
MAX_RECORDS = 100_000
RECORD_FIELDS = ("id", "title", "source", "language", "metadata")


def parse(name: str, suffix: str, data: bytes) -> Iterator[JsonObject]:
    """The documents in a file's bytes; `name` is what the file's own name is followed by (`/member`, `#3`).

    Raises `Unreadable`, `Malformed`, `ValueError`, `RecursionError`."""
    if suffix in PARSERS:
        title, text = PARSERS[suffix](data)
        yield {"name": name, "title": title, "text": text}
    elif suffix == ".jsonl":
        lines = parse_text(data, suffix)[1].split("\n")
        yield from _records(name, ((number, line) for number, line in enumerate(lines, 1) if line.strip()))
    elif suffix == ".json":
        whole = json.loads(parse_text(data, suffix)[1])
        inner = whole.get("documents") if isinstance(whole, dict) else whole
        yield from _records(name, enumerate(inner if isinstance(inner, list) else [whole], 1))
    else:
        head, text = parse_text(data, suffix)
        yield {"name": name, "title": head.get("title"), "language": head.get("language"), "text": text}


def parse_zip(file: Path) -> Iterator[JsonObject]:
    """Every member that can be a document; nothing is written to disk, whatever a member calls itself.

    Raises `Malformed`, `ValueError`."""
    with parsing(*ZIP_ERRORS):
        opened = zipfile.ZipFile(file)
    with opened as packed:
        members = [member for member in packed.infolist() if not member.is_dir()]
        if len(members) > MAX_MEMBERS:
            raise ValueError(f"more than {MAX_MEMBERS} files")
        for member in members:
            path = PurePosixPath(member.filename)
            if path.suffix.lower() not in TEXT_SUFFIXES | PARSERS.keys() | {".json", ".jsonl"}:
                continue
            try:
                yield from _member(packed, member)
            except Unreadable as exc:
                yield {"name": f"/{member.filename}", "key": exc.key, "fields": exc.fields}
            except (Malformed, RecursionError, ValueError) as exc:
                yield {
                    "name": f"/{member.filename}",
                    "key": "malformed",
                    "fields": {"detail": _reason(exc)},
                }


def _member(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[JsonObject]:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
        raise Unreadable("bad_name")
    with parsing(*ZIP_ERRORS), packed.open(member) as stream:
        data = stream.read(MAX_MEMBER_BYTES + 1)  # what it says of its own size is not believed
    if len(data) > MAX_MEMBER_BYTES:
        raise Unreadable("too_large", size=f"> {MAX_MEMBER_BYTES}", limit=MAX_MEMBER_BYTES)
    return iter(list(parse(f"/{member.filename}", name.suffix.lower(), data)))


def _records(name: str, records: Iterator[tuple[int, Any]]) -> Iterator[JsonObject]:
    """One document a record; its number names it when it does not name itself."""
    for number, record in records:
        here = f"{name}#{number}"
        if number > MAX_RECORDS:
            raise ValueError(f"more than {MAX_RECORDS} records")
        try:
            fields = json.loads(record) if isinstance(record, str) else record
        except (ValueError, RecursionError) as exc:
            yield {"name": here, "key": "malformed", "fields": {"detail": _reason(exc)}}
            continue
        if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
            yield {"name": here, "key": "no_text", "fields": {}}
            continue
        given = {key: fields[key] for key in RECORD_FIELDS if fields.get(key) is not None}
        yield {**given, "name": here, "text": fields["text"]}


def main(path: Path) -> None:
    """Print the documents of one file, within the bounds; what is wrong with the whole file is `sys.exit`."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    suffix, total = path.suffix.lower(), 0
    try:
        for part in parse_zip(path) if suffix == ".zip" else parse("", suffix, path.read_bytes()):
            size = len(part.get("text") or "")
            total += size
            if size > MAX_TEXT_CHARS:
                limit = {"size": size, "limit": MAX_TEXT_CHARS}
                _print({"name": part["name"], "key": "too_large", "fields": limit})
            elif total > MAX_TOTAL_CHARS:
                sys.exit(f"it holds more than {MAX_TOTAL_CHARS} characters")
            else:
                _print(part)
    except MemoryError:
        sys.exit("it needs too much memory")
    except RecursionError:
        sys.exit("it is nested too deeply")
    except Unreadable as exc:
        _print({"name": "", "key": exc.key, "fields": exc.fields})
    except (Malformed, ValueError) as exc:
        sys.exit(_reason(exc))


def _print(part: JsonObject) -> None:
    sys.stdout.buffer.write(json.dumps(part, default=str).encode() + b"\n")


def _reason(exc: Exception) -> str:
    reason = str(exc) if isinstance(exc, Malformed) else f"{type(exc).__name__}: {exc}"
    return reason[:200]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
