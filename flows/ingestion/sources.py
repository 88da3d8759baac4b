"""Finds what is behind folders, files, globs, lists of pages and S3 prefixes; it reads none of it.

It names what it could not list and goes on; it writes nowhere.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.ingestion.formats import FORMATS
from flows.ingestion.text import TEXT, Unreadable
from tools.errors import Capibara6Error

PACKED = frozenset(FORMATS) | {".json", ".jsonl", ".zip"}
LIST = ".urls"
ID_CHARS = 256
MOST_BYTES = 32 * 2**20

ListObjects = Callable[[str], Iterable[tuple[str, int]]]


@dataclass(frozen=True)
class Found:
    """One file: `id` is stable (root folder's name and the path inside it), `size` in bytes, 0 when unknown.

    `url` is where it is brought from when it does not lie on this machine.
    """

    id: str
    path: Path
    size: int
    url: str = ""


@dataclass
class Listing:
    """What the sources hold. `complete` is False when a part could not be listed; `roots` are id prefixes
    of whole folders, whose missing documents may be deleted."""

    files: list[Found] = field(default_factory=list)
    problems: list[tuple[str, Unreadable]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    complete: bool = True


def find(sources: Sequence[str], *, objects: ListObjects | None = None) -> Listing:
    """List folders (recursively, hidden names left out), files, glob patterns, `http(s)://` pages, `*.urls`
    files (one address a line) and, with `objects`, `s3://bucket/prefix`; links are not followed."""
    listing, seen = Listing(), dict[str, str]()
    for source in sources:
        for found, named in _expand(source, listing, objects):
            _add(listing, seen, found, named=named)
    return listing


def _expand(source: str, listing: Listing, objects: ListObjects | None) -> Iterator[tuple[Found, bool]]:
    if source.startswith(("http://", "https://")):
        yield _page(source), True
        return
    if source.startswith("s3://"):
        yield from _bucket(source, listing, objects)
        return
    path = Path(source).expanduser().absolute()
    if path.is_dir():
        listing.roots.append(f"{path.name}/")
        yield from _walk(path, listing)
    elif path.is_file() and path.suffix.lower() == LIST:
        lines = (line.strip() for line in path.read_text("utf-8", errors="replace").splitlines())
        yield from ((_page(line), True) for line in lines if line and not line.startswith("#"))
    elif path.is_file():
        yield Found(path.name, path, 0), True
    elif any(mark in source for mark in "*?["):
        yield from _glob(path, listing)
    else:
        _problem(listing, source, Unreadable("missing"))


def _page(url: str) -> Found:
    return Found(url, Path("page"), 0, url)


def _bucket(source: str, listing: Listing, objects: ListObjects | None) -> Iterator[tuple[Found, bool]]:
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if objects is None:
        _problem(listing, source, Unreadable("unsupported"))
        return
    root = f"{bucket}/{prefix}"
    try:
        for key, size in objects(source):
            yield Found(f"{bucket}/{key}", Path(key), size, f"s3://{bucket}/{key}"), False
    except Capibara6Error as exc:
        _problem(listing, source, Unreadable("unreadable", detail=exc.message))
        return
    listing.roots.append(root if root.endswith("/") else f"{root}/")


def _walk(root: Path, listing: Listing) -> Iterator[tuple[Found, bool]]:
    def failed(exc: OSError) -> None:
        _problem(listing, str(exc.filename), Unreadable("unreadable", detail=exc.strerror))

    for folder, names, files in os.walk(root, onerror=failed):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and not path.is_symlink():
                yield Found(f"{root.name}/{path.relative_to(root).as_posix()}", path, 0), False


def _glob(pattern: Path, listing: Listing) -> Iterator[tuple[Found, bool]]:
    fixed = next(parent for parent in pattern.parents if not any(mark in str(parent) for mark in "*?["))
    matches = sorted(path for path in fixed.glob(str(pattern.relative_to(fixed))) if path.is_file())
    if not matches:
        _problem(listing, str(pattern), Unreadable("missing"))
    for path in matches:
        yield Found(f"{fixed.name}/{path.relative_to(fixed).as_posix()}", path, 0), False


def _add(listing: Listing, seen: dict[str, str], found: Found, *, named: bool) -> None:
    if not _is_name(found.id):
        shown = found.id.encode(errors="replace").decode()[:ID_CHARS]
        listing.problems.append((shown, Unreadable("bad_name")))
        return
    page = found.url and not found.url.startswith("s3://")
    if not page and found.path.suffix.lower() not in TEXT | PACKED:
        if named:
            listing.problems.append((found.id, Unreadable("unsupported")))
        else:
            listing.skipped.append(found.id)
        return
    place = found.url or str(found.path)
    if found.id in seen:
        if seen[found.id] != place:
            listing.problems.append((place, Unreadable("same_id", other=seen[found.id])))
        return
    seen[found.id] = place
    try:
        size = found.size if found.url else found.path.stat().st_size
    except OSError as exc:
        _problem(listing, found.id, Unreadable("unreadable", detail=exc.strerror))
        return
    listing.files.append(Found(found.id, found.path, size, found.url))


def _is_name(text: str) -> bool:
    """Whether it can name a document: short, on one line, and made of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return False
    return len(text) <= ID_CHARS and text.isprintable()


def _problem(listing: Listing, name: str, reason: Unreadable) -> None:
    listing.problems.append((name, reason))
    listing.complete = False
