"""Lists the files behind data sources: folders, files, globs, lists of web pages, S3 prefixes.

It reads none of them and writes nowhere; what it could not list is named, and it goes on.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from flows.ingestion.formats import PARSERS
from flows.ingestion.text import TEXT_SUFFIXES, Unreadable
from tools.errors import Capibara6Error

PARSED_SUFFIXES = frozenset(PARSERS) | {".json", ".jsonl", ".zip"}
"""Kinds of files that a parser reads, in a process of its own."""
URL_LIST_SUFFIX = ".urls"
MAX_ID_CHARS = 256
MAX_FILE_BYTES = 32 * 2**20

ListObjects: TypeAlias = Callable[[str], Iterable[tuple[str, int]]]
"""From `s3://bucket/prefix` to the `(key, bytes)` of each object. Raises `tools.errors`."""


@dataclass(frozen=True)
class SourceFile:
    """A file to ingest: `id` is stable (root folder's name and the path inside it), `size` in bytes, 0 when
    unknown. `url` (`http(s)://`, `s3://`) is where it is downloaded from, empty for one on this machine."""

    id: str
    path: Path
    size: int
    url: str = ""


@dataclass
class Listing:
    """What the sources hold. `complete` is False when a part could not be listed; `roots` are id prefixes
    of whole folders, whose missing documents may be deleted."""

    files: list[SourceFile] = field(default_factory=list)
    problems: list[tuple[str, Unreadable]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    complete: bool = True


def find(sources: Sequence[str], *, list_objects: ListObjects | None = None) -> Listing:
    """List folders (recursively, hidden names left out), files, glob patterns, `http(s)://` pages, `*.urls`
    files (one address a line) and, with `list_objects`, `s3://bucket/prefix`; links are not followed."""
    listing, seen = Listing(), dict[str, str]()
    for source in sources:
        for file, named in _expand(source, listing, list_objects):
            _add(listing, seen, file, named=named)
    return listing


def _expand(
    source: str, listing: Listing, list_objects: ListObjects | None
) -> Iterator[tuple[SourceFile, bool]]:
    """Files of one source, and whether the source named the file itself."""
    if source.startswith(("http://", "https://")):
        yield _page(source), True
        return
    if source.startswith("s3://"):
        yield from _bucket(source, listing, list_objects)
        return
    path = Path(source).expanduser().absolute()
    if path.is_dir():
        listing.roots.append(f"{path.name}/")
        yield from _walk(path, listing)
    elif path.is_file() and path.suffix.lower() == URL_LIST_SUFFIX:
        lines = (line.strip() for line in path.read_text("utf-8", errors="replace").splitlines())
        yield from ((_page(line), True) for line in lines if line and not line.startswith("#"))
    elif path.is_file():
        yield SourceFile(path.name, path, 0), True
    elif any(mark in source for mark in "*?["):
        yield from _glob(path, listing)
    else:
        _problem(listing, source, Unreadable("missing"))


def _page(url: str) -> SourceFile:
    return SourceFile(url, Path("page"), 0, url)


def _bucket(
    source: str, listing: Listing, list_objects: ListObjects | None
) -> Iterator[tuple[SourceFile, bool]]:
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if list_objects is None:
        _problem(listing, source, Unreadable("unsupported"))
        return
    root = f"{bucket}/{prefix}"
    try:
        for key, size in list_objects(source):
            yield SourceFile(f"{bucket}/{key}", Path(key), size, f"s3://{bucket}/{key}"), False
    except Capibara6Error as exc:
        _problem(listing, source, Unreadable("unreadable", detail=exc.message))
        return
    listing.roots.append(root if root.endswith("/") else f"{root}/")


def _walk(root: Path, listing: Listing) -> Iterator[tuple[SourceFile, bool]]:
    def failed(exc: OSError) -> None:
        _problem(listing, str(exc.filename), Unreadable("unreadable", detail=exc.strerror))

    for folder, names, files in os.walk(root, onerror=failed):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and not path.is_symlink():
                yield SourceFile(f"{root.name}/{path.relative_to(root).as_posix()}", path, 0), False


def _glob(pattern: Path, listing: Listing) -> Iterator[tuple[SourceFile, bool]]:
    fixed = next(parent for parent in pattern.parents if not any(mark in str(parent) for mark in "*?["))
    matches = sorted(path for path in fixed.glob(str(pattern.relative_to(fixed))) if path.is_file())
    if not matches:
        _problem(listing, str(pattern), Unreadable("missing"))
    for path in matches:
        yield SourceFile(f"{fixed.name}/{path.relative_to(fixed).as_posix()}", path, 0), False


def _add(listing: Listing, seen: dict[str, str], file: SourceFile, *, named: bool) -> None:
    """Into the listing, once; `seen` is where each id was found."""
    if not _is_valid_id(file.id):
        shown = file.id.encode(errors="replace").decode()[:MAX_ID_CHARS]
        listing.problems.append((shown, Unreadable("bad_name")))
        return
    page = file.url and not file.url.startswith("s3://")
    if not page and file.path.suffix.lower() not in TEXT_SUFFIXES | PARSED_SUFFIXES:
        if named:
            listing.problems.append((file.id, Unreadable("unsupported")))
        else:
            listing.skipped.append(file.id)
        return
    place = file.url or str(file.path)
    if file.id in seen:
        if seen[file.id] != place:
            listing.problems.append((place, Unreadable("same_id", other=seen[file.id])))
        return
    seen[file.id] = place
    try:
        size = file.size if file.url else file.path.stat().st_size
    except OSError as exc:
        _problem(listing, file.id, Unreadable("unreadable", detail=exc.strerror))
        return
    listing.files.append(replace(file, size=size))


def _is_valid_id(text: str) -> bool:
    """Whether it can name a document: short, on one line, and made of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return False
    return len(text) <= MAX_ID_CHARS and text.isprintable()


def _problem(listing: Listing, name: str, reason: Unreadable) -> None:
    listing.problems.append((name, reason))
    listing.complete = False
