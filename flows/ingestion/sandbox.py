"""The sandbox: parses one file in a process of its own whose memory and CPU time are bounded (`setrlimit`).

`python -m flows.ingestion.sandbox FILE [SUFFIX [TEXT_FIELD]]` prints a JSON line a document: `{name, title,
text, …}`, or `{name, key, fields}` for one that is not read; `unsupported` is one that is no document.
A file that needs more than `MEMORY_BYTES` or the time of its size (`cpu_s`), or that is not what its name
says, ends the process with a sentence on standard error; nobody else is hurt.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from flows.ingestion.formats import PARSERS, REMEDIES, parse_format
from flows.ingestion.parsers import records
from flows.ingestion.parsers.ocr import recognition
from flows.ingestion.parsers.parts import (
    MAX_MEMBER_BYTES,
    ZIP_ERRORS,
    Embedded,
    Malformed,
    Parsed,
    Part,
    parsing,
)
from flows.ingestion.text import MARKDOWN_SUFFIXES, TEXT_SUFFIXES, Unreadable, first_heading, parse_text

if TYPE_CHECKING:
    from tools.schema import JsonObject

MEMORY_BYTES = 240 * 2**20
CPU_S, CPU_S_A_MIB = 60, 10
"""Seconds of a small file, and what each MiB adds: a thousand full pages in 6 MB took 20."""
MAX_TEXT_CHARS = 32 * 2**20
MAX_TOTAL_CHARS = 64 * 2**20
MAX_MEMBERS = 10_000
MAX_INSIDE = 3
"""A file may be in a file (a mail in a mail in an archive) so many times."""
RECORDS = records.LINES | {".json"}


def parse(name: str, suffix: str, data: bytes, text_field: str = "", inside: int = 0) -> Iterator[JsonObject]:
    """The documents in a file's bytes; `name` is what the file's own name is followed by (`/member`, `#3`).

    Raises `Unreadable`, `Malformed`, `ValueError`, `RecursionError`."""
    if suffix in RECORDS:
        yield from records.parse(name, suffix, data, text_field)
    elif suffix == ".zip":
        yield from parse_zip(io.BytesIO(data), name, text_field, inside)
    elif suffix in PARSERS:
        for part in parse_format(suffix, data):
            yield from _told(name, part, text_field, inside)
    else:
        head, text = parse_text(data, suffix)
        if suffix in MARKDOWN_SUFFIXES:
            from flows.ingestion.parsers.html.in_markdown import without_tags  # noqa: PLC0415  (few files)

            text = without_tags(text)
        title = head.get("title") or first_heading(text)
        yield {"name": name, "title": title, "language": head.get("language"), "text": text}


def parse_zip(file: BinaryIO, name: str = "", text_field: str = "", inside: int = 0) -> Iterator[JsonObject]:
    """Every member that can be a document; nothing is written to disk, whatever a member calls itself.

    Raises `Malformed`, `ValueError`."""
    with parsing(*ZIP_ERRORS):
        opened = zipfile.ZipFile(file)
    with opened as packed:
        members = [member for member in packed.infolist() if not member.is_dir()]
        if len(members) > MAX_MEMBERS:
            raise ValueError(f"more than {MAX_MEMBERS} files")
        for member in members:
            here = f"{name}/{member.filename}"
            if _suffix(member.filename) not in READABLE:
                yield _skipped(here, member.filename)
                continue
            try:
                yield from _inner(here, _member(packed, member), text_field, inside)
            except Unreadable as exc:
                yield _unread(here, exc)
            except Malformed as exc:
                yield _unread(here, Unreadable("malformed", detail=_reason(exc)))


READABLE = TEXT_SUFFIXES | PARSERS.keys() | RECORDS | {".zip"}


def _told(name: str, part: Part, text_field: str, inside: int) -> Iterator[JsonObject]:
    here = f"{name}{part.name}"
    if isinstance(part, Parsed):
        title = part.title or (first_heading(part.text) if part.headed else "")
        told = {"title": title, "text": part.text, "metadata": part.metadata, "places": part.places}
        yield {"name": here, **told}
    elif not isinstance(part, Embedded):
        yield _unread(here, part.reason)
    elif _suffix(part.name) in READABLE:
        yield from _inner(here, part.data, text_field, inside)
    else:
        yield _skipped(here, part.name)


def _inner(name: str, data: bytes, text_field: str, inside: int) -> Iterator[JsonObject]:
    """The documents of a file inside the file; one that is broken leaves the others alone."""
    try:
        if inside >= MAX_INSIDE:
            raise Unreadable("nested")
        if len(data) > MAX_MEMBER_BYTES:
            raise Unreadable("too_large", size=len(data), limit=MAX_MEMBER_BYTES)
        yield from list(parse(name, _suffix(name), data, text_field, inside + 1))
    except Unreadable as exc:  # a logo in a mail is no document that could not be read
        yield _unread(name, Unreadable("unsupported") if exc.key == "no_writing" else exc)
    except (Malformed, RecursionError, ValueError) as exc:
        yield _unread(name, Unreadable("malformed", detail=_reason(exc)))


def _member(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
        raise Unreadable("bad_name")
    if member.flag_bits & 1:
        raise Unreadable("locked")
    with parsing(*ZIP_ERRORS), packed.open(member) as stream:
        data = stream.read(MAX_MEMBER_BYTES + 1)  # what it says of its own size is not believed
    if len(data) > MAX_MEMBER_BYTES:
        raise Unreadable("too_large", size=f"> {MAX_MEMBER_BYTES}", limit=MAX_MEMBER_BYTES)
    return data


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _unread(name: str, reason: Unreadable) -> JsonObject:
    return {"name": name, "key": reason.key, "fields": reason.fields}


def _skipped(name: str, file: str) -> JsonObject:
    """A file inside that no parser reads; an old document says what to do, a picture is just none."""
    old = REMEDIES.get(_suffix(file)) == "old_office"
    return _unread(name, Unreadable("old_office" if old else "unsupported"))


def cpu_s(size: int) -> int:
    """Seconds of CPU that a file of so many bytes may take. Pure."""
    return CPU_S + CPU_S_A_MIB * (size >> 20)


def main(path: Path, suffix: str = "", text_field: str = "") -> None:
    """Print the documents of one file, within the bounds; what is wrong with the whole file is `sys.exit`.

    `suffix` is the kind of a file whose path does not tell, such as `/dev/fd/3`."""
    seconds = cpu_s(path.stat().st_size)
    most, longest = MEMORY_BYTES, seconds
    if recognition.is_installed():  # what it may raise the bounds to, page by page
        most, longest = recognition.MEMORY_BYTES, seconds + recognition.MAX_PAGES * recognition.PAGE_CPU_S
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, longest))
    suffix, total = (suffix or path.suffix).lower(), 0
    try:
        for part in _parts(path, suffix, text_field):
            size = len(part.get("text") or "")
            total += size
            if size > MAX_TEXT_CHARS:
                _print(_unread(part["name"], Unreadable("too_large", size=size, limit=MAX_TEXT_CHARS)))
            elif total > MAX_TOTAL_CHARS:
                sys.exit(f"it holds more than {MAX_TOTAL_CHARS} characters")
            else:
                _print(part)
    except MemoryError:
        sys.exit("it needs too much memory")
    except RecursionError:
        sys.exit("it is nested too deeply")
    except Unreadable as exc:
        _print(_unread("", exc))
    except (Malformed, ValueError) as exc:
        sys.exit(_reason(exc))


def _parts(path: Path, suffix: str, text_field: str) -> Iterator[JsonObject]:
    with path.open("rb") as file:
        if suffix == ".zip":
            yield from parse_zip(file, text_field=text_field)
        else:
            yield from parse("", suffix, file.read(), text_field)


def _print(part: JsonObject) -> None:
    sys.stdout.buffer.write(json.dumps(part, default=str).encode() + b"\n")


def _reason(exc: Exception) -> str:
    reason = str(exc) if isinstance(exc, Malformed) else f"{type(exc).__name__}: {exc}"
    return reason[:200]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
