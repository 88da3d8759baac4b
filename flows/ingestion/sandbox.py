"""Turns one file that needs a parser into documents, in a process of its own that may not take too much.

`python -m flows.ingestion.sandbox FILE` prints a JSON line a document: `{name, title, text, …}`, or `{name,
key, fields}` for one that is not readable. A file that needs more than `MEMORY` or `CPU_S`, or that is not
what its name says, ends the process with a sentence on standard error; nobody else is hurt.
"""

import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from flows.ingestion.formats import FORMATS, ZIP, Malformed, reading
from flows.ingestion.text import TEXT, Unreadable, plain

MEMORY = 240 * 2**20
CPU_S = 30
TEXT_CHARS = 4 * 2**20
TOTAL_CHARS = 64 * 2**20
MEMBERS = 10_000
MEMBER_BYTES = 32 * 2**20
RECORDS = 100_000
FIELDS = ("id", "title", "source", "language", "metadata")

Part = dict[str, Any]


def parts(name: str, suffix: str, data: bytes) -> Iterator[Part]:
    """The documents in a file's bytes; `name` is what the file's own name is followed by."""
    if suffix in FORMATS:
        title, text = FORMATS[suffix](data)
        yield {"name": name, "title": title, "text": text}
    elif suffix == ".jsonl":
        lines = plain(data, suffix)[1].split("\n")
        yield from _records(name, ((number, line) for number, line in enumerate(lines, 1) if line.strip()))
    elif suffix == ".json":
        whole = json.loads(plain(data, suffix)[1])
        inner = whole.get("documents") if isinstance(whole, dict) else whole
        yield from _records(name, enumerate(inner if isinstance(inner, list) else [whole], 1))
    else:
        head, text = plain(data, suffix)
        yield {"name": name, "title": head.get("title"), "language": head.get("language"), "text": text}


def archive(file: Path) -> Iterator[Part]:
    """Every member that can be a document; nothing is written to disk, whatever a member calls itself."""
    with reading(*ZIP):
        opened = zipfile.ZipFile(file)
    with opened as packed:
        members = [member for member in packed.infolist() if not member.is_dir()]
        if len(members) > MEMBERS:
            raise ValueError(f"more than {MEMBERS} files")
        for member in members:
            path = PurePosixPath(member.filename)
            if path.suffix.lower() not in TEXT | FORMATS.keys() | {".json", ".jsonl"}:
                continue
            try:
                yield from _member(packed, member)
            except Unreadable as exc:
                yield {"name": f"/{member.filename}", "key": exc.key, "fields": exc.fields}
            except (Malformed, RecursionError, ValueError) as exc:
                yield {"name": f"/{member.filename}", "key": "malformed", "fields": {"detail": _last(exc)}}


def _member(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[Part]:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
        raise Unreadable("bad_name")
    with reading(*ZIP), packed.open(member) as stream:
        data = stream.read(MEMBER_BYTES + 1)  # what it says of its own size is not believed
    if len(data) > MEMBER_BYTES:
        raise Unreadable("too_large", size=f"> {MEMBER_BYTES}", limit=MEMBER_BYTES)
    return iter(list(parts(f"/{member.filename}", name.suffix.lower(), data)))


def _records(name: str, records: Iterator[tuple[int, Any]]) -> Iterator[Part]:
    """One document a record; its number names it when it does not name itself."""
    for number, record in records:
        here = f"{name}#{number}"
        if number > RECORDS:
            raise ValueError(f"more than {RECORDS} records")
        try:
            fields = json.loads(record) if isinstance(record, str) else record
        except (ValueError, RecursionError) as exc:
            yield {"name": here, "key": "malformed", "fields": {"detail": _last(exc)}}
            continue
        if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
            yield {"name": here, "key": "no_text", "fields": {}}
            continue
        given = {key: fields[key] for key in FIELDS if fields.get(key) is not None}
        yield {**given, "name": here, "text": fields["text"]}


def main(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    suffix, total = path.suffix.lower(), 0
    try:
        for part in archive(path) if suffix == ".zip" else parts("", suffix, path.read_bytes()):
            size = len(part.get("text") or "")
            total += size
            if size > TEXT_CHARS:
                limit = {"size": size, "limit": TEXT_CHARS}
                _print({"name": part["name"], "key": "too_large", "fields": limit})
            elif total > TOTAL_CHARS:
                sys.exit(f"it holds more than {TOTAL_CHARS} characters")
            else:
                _print(part)
    except MemoryError:
        sys.exit("it needs too much memory")
    except RecursionError:
        sys.exit("it is nested too deeply")
    except Unreadable as exc:
        _print({"name": "", "key": exc.key, "fields": exc.fields})
    except (Malformed, ValueError) as exc:
        sys.exit(_last(exc))


def _print(part: Part) -> None:
    sys.stdout.buffer.write(json.dumps(part, default=str).encode() + b"\n")


def _last(exc: Exception) -> str:
    said = str(exc) if isinstance(exc, Malformed) else f"{type(exc).__name__}: {exc}"
    return said[:200]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
