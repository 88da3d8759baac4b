"""Finds the files behind folders, files and globs, and reads one as a document.

It names what it could not list or read and goes on; it writes nowhere.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from flows.texts import say
from tools.schema import Document
from tools.settings import Language

TEXT = frozenset({".md", ".markdown", ".txt", ".text", ".rst"})
MARKDOWN = frozenset({".md", ".markdown"})
PACKED = frozenset({".html", ".htm", ".pdf", ".docx", ".csv"})
MAX_BYTES = 4 * 2**20
MAX_PACKED_BYTES = 32 * 2**20
UNPACK_S = 90.0


class Unreadable(Exception):
    """A file that is not ingested; `key` and `fields` choose the sentence that says why."""

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields

    def say(self, language: Language) -> str:
        return say(self.key, language, **self.fields)


@dataclass(frozen=True)
class Found:
    """One file: `id` is stable (root folder's name and the path inside it), `size` in bytes."""

    id: str
    path: Path
    size: int


@dataclass
class Listing:
    """What the sources hold. `complete` is False when a part could not be listed; `roots` are id prefixes
    of whole folders, whose missing documents may be deleted."""

    files: list[Found] = field(default_factory=list)
    problems: list[tuple[str, Unreadable]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    complete: bool = True


def find(sources: Sequence[str]) -> Listing:
    """List folders (recursively, hidden names left out), files and glob patterns; links are not followed."""
    listing, seen = Listing(), dict[str, Path]()
    for source in sources:
        for item_id, path, named in _expand(Path(source).expanduser().absolute(), listing):
            _add(listing, seen, item_id, path, named=named)
    return listing


def read(found: Found) -> Document:
    """Read one file. Raises `Unreadable`."""
    suffix = found.path.suffix.lower()
    limit = MAX_PACKED_BYTES if suffix in PACKED else MAX_BYTES
    if found.size > limit:
        raise Unreadable("too_large", size=found.size, limit=limit)
    head, body = unpack(found.path) if suffix in PACKED else _plain(found.path, suffix)
    if not body.strip():
        raise Unreadable("empty")
    language = head.get("language")
    return Document(
        id=found.id,
        title=str(head.get("title") or heading(body) or found.path.stem)[:1_000],
        text=body,
        source=found.id,
        language=language if language in ("es", "en") else None,
    )


def unpack(path: Path) -> tuple[dict[str, Any], str]:
    """Text of a file that needs a parser, which runs where a hostile file can hurt nobody."""
    command = [sys.executable, "-m", "flows.unpack", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=UNPACK_S, check=False)
    except subprocess.TimeoutExpired as exc:
        raise Unreadable("malformed", detail=f"> {UNPACK_S:.0f} s") from exc
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise Unreadable("malformed", detail=said[0][:200] if said else f"signal {-done.returncode}")
    unpacked = json.loads(done.stdout)
    return {"title": unpacked["title"]}, unpacked["text"]


def decode(data: bytes) -> str:
    """UTF-8 text, or UTF-16 that says so. Raises `Unreadable` for anything else."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data:
        raise Unreadable("binary")
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise Unreadable("encoding") from exc


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Split YAML between `---` lines at the top from the body; without it, an empty dict."""
    if not text.startswith("---\n"):
        return {}, text
    head, mark, body = text[4:].partition("\n---\n")
    if not mark:
        return {}, text
    try:
        values = yaml.safe_load(head)
    except yaml.YAMLError:
        return {}, text
    return (values, body.lstrip("\n")) if isinstance(values, dict) else ({}, text)


def heading(text: str) -> str:
    """The first Markdown heading, or nothing."""
    return next((line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")), "")


def _plain(path: Path, suffix: str) -> tuple[dict[str, Any], str]:
    try:
        text = decode(path.read_bytes())
    except OSError as exc:
        raise Unreadable("unreadable", detail=exc.strerror or str(exc)) from exc
    return front_matter(text) if suffix in MARKDOWN else ({}, text)


def _expand(source: Path, listing: Listing) -> Iterator[tuple[str, Path, bool]]:
    if source.is_dir():
        listing.roots.append(f"{source.name}/")
        yield from ((item_id, path, False) for item_id, path in _walk(source, listing))
    elif source.is_file():
        yield source.name, source, True
    elif any(mark in str(source) for mark in "*?["):
        yield from _glob(source, listing)
    else:
        _problem(listing, str(source), Unreadable("missing"))


def _walk(root: Path, listing: Listing) -> Iterator[tuple[str, Path]]:
    def failed(exc: OSError) -> None:
        _problem(listing, str(exc.filename), Unreadable("unreadable", detail=exc.strerror))

    for folder, names, files in os.walk(root, onerror=failed):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and not path.is_symlink():
                yield f"{root.name}/{path.relative_to(root).as_posix()}", path


def _glob(pattern: Path, listing: Listing) -> Iterator[tuple[str, Path, bool]]:
    fixed = next(parent for parent in pattern.parents if not any(mark in str(parent) for mark in "*?["))
    matches = sorted(path for path in fixed.glob(str(pattern.relative_to(fixed))) if path.is_file())
    if not matches:
        _problem(listing, str(pattern), Unreadable("missing"))
    for path in matches:
        yield f"{fixed.name}/{path.relative_to(fixed).as_posix()}", path, False


def _add(listing: Listing, seen: dict[str, Path], item_id: str, path: Path, *, named: bool) -> None:
    if path.suffix.lower() not in TEXT | PACKED:
        if named:
            listing.problems.append((item_id, Unreadable("unsupported")))
        else:
            listing.skipped.append(item_id)
        return
    if item_id in seen:
        if seen[item_id] != path:
            listing.problems.append((str(path), Unreadable("same_id", other=seen[item_id])))
        return
    seen[item_id] = path
    try:
        listing.files.append(Found(item_id, path, path.stat().st_size))
    except OSError as exc:
        _problem(listing, item_id, Unreadable("unreadable", detail=exc.strerror))


def _problem(listing: Listing, name: str, reason: Unreadable) -> None:
    listing.problems.append((name, reason))
    listing.complete = False
