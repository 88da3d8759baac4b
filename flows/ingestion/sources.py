"""Lists the files behind data sources: folders, files, globs, lists of web pages, and what connectors know.

It reads none of them and writes nowhere; what it could not list is named, and it goes on.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from flows.ingestion.connectors.connector import Listed
from flows.ingestion.formats import PARSERS
from flows.ingestion.identity import UNNAMED, identity, source_uri
from flows.ingestion.text import TEXT_SUFFIXES, Unreadable
from tools.access.local_files import fixed_part, is_local, lies_below, named_path, open_unlinked
from tools.errors import BadRequest, Capibara6Error

PARSED_SUFFIXES = frozenset(PARSERS) | {".json", ".jsonl", ".zip"}
"""Kinds of files that a parser reads, in a process of its own."""
URL_LIST_SUFFIX = ".urls"
MAX_FILE_BYTES = 32 * 2**20

PAGE = Path("page")
"""In place of a file's name, where only its server tells what it is."""


class Elsewhere(Protocol):
    """What is not on this machine (`flows/ingestion/connectors/registry.py`). It raises `tools.errors` and
    `Unreadable`."""

    def uri(self, source: str) -> str:
        """What a source is called by the documents that it brought."""
        ...

    def entries(self, source: str) -> Listed:
        """What a source holds."""
        ...


@dataclass(frozen=True)
class SourceFile:
    """A file to ingest: `id` is its identity (`flows/ingestion/identity.py`), `path` has no links, `size` is
    in bytes, 0 when unknown. `url` is where a connector downloads it from, empty for one on this machine.

    `name` is what a person calls it, the folder's name and the path inside, which was its id once;
    `source_uri` is the source that brought it. `hash` is that of its bytes, or of the version that its
    listing tells, where that is known; `known` the hash under which the store holds a page that tells no
    version; `moved_from` the identity that a file of these bytes had before."""

    id: str
    path: Path
    size: int
    url: str = ""
    name: str = ""
    source_uri: str = ""
    hash: str = ""
    known: str = ""
    moved_from: str = ""


@dataclass
class Listing:
    """What the sources hold. `complete` is False when a part could not be listed; `roots` are the addresses
    of whole folders, which begin the ids of what is in them, `sources` those of all sources but the ones that
    only tell news (feeds): nothing has left these."""

    files: list[SourceFile] = field(default_factory=list)
    problems: list[tuple[str, Unreadable]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    complete: bool = True
    named: Mapping[str, str] = field(default_factory=dict)

    def begin(self, place: str, *, folder: bool = False) -> str:
        """Note a source; its address."""
        return self.note(source_uri(place, self.named, folder=folder), folder=folder)

    def note(self, uri: str, *, folder: bool) -> str:
        """Note a source by its address."""
        self.sources.append(uri)
        if folder:
            self.roots.append(uri)
        return uri

    @property
    def empty(self) -> list[str]:
        """Sources in which nothing was found: folders that are not mounted look so."""
        brought = {file.source_uri for file in self.files}
        return [source for source in self.sources if source not in brought]


def find(
    sources: Sequence[str],
    *,
    elsewhere: Elsewhere | None = None,
    within: Sequence[Path] | None = None,
    named: Mapping[str, str] = UNNAMED,
) -> Listing:
    """List folders (recursively, hidden names left out), files, glob patterns, `http(s)://` pages, `*.urls`
    files (one address a line) and, with `elsewhere`, whatever a connector knows.

    Links in folders are left out; elsewhere they count as what they lead to, and never lead out of the
    folder that was named, or in which the named file lies. With `within`, nothing outside those folders is
    listed. `named` is as in `identity`."""
    listing, seen = Listing(named=named), dict[str, str]()
    for source in sources:
        for file, by_name in _expand(source, listing, elsewhere, within):
            _add(listing, seen, file, by_name=by_name)
    return listing


def names_of(sources: Sequence[str], knowledge: Path, name: str = "") -> dict[str, str]:
    """Folders whose documents are called the same on every machine: the sample knowledge, and the one that
    was given a name. Raises BadRequest for a name that is not for one folder of this machine."""
    named = {os.path.normpath(knowledge.expanduser().absolute()): "knowledge"}
    if not name:
        return named
    path = named_path(sources[0]) if len(sources) == 1 and is_local(sources[0]) else None
    if path is None or not path.is_dir():
        raise BadRequest("a name is for one folder", param="name", source="ingest")
    return named | {os.path.normpath(path): name}


def _expand(
    source: str, listing: Listing, elsewhere: Elsewhere | None, within: Sequence[Path] | None
) -> Iterator[tuple[SourceFile, bool]]:
    """Files of one source, and whether the source named the file itself."""
    if not is_local(source):
        yield from _listed(source, listing, elsewhere)
        return
    path = named_path(source)
    if path is None:
        _problem(listing, source, Unreadable("missing"))
    elif within is not None and not (lies_below(path, within) and lies_below(fixed_part(path), within)):
        _problem(listing, source, Unreadable("outside"))
    elif path.is_dir():
        yield from _walk(path, listing)
    elif path.is_file():
        yield from _named(path, listing)
    elif path != fixed_part(path):
        yield from _glob(path, listing)
    else:
        _problem(listing, source, Unreadable("missing"))


def _named(path: Path, listing: Listing) -> Iterator[tuple[SourceFile, bool]]:
    """The file itself, or the pages that it lists."""
    real = path.resolve()
    if not real.is_relative_to(path.parent.resolve()):
        _problem(listing, str(path), Unreadable("link"))
    elif real.suffix.lower() == URL_LIST_SUFFIX:
        uri = listing.begin(str(path))
        for address in _addresses(real, listing):
            try:
                yield _page(address, uri), True
            except ValueError:  # it is the address of no page
                listing.problems.append((address, Unreadable("bad_name")))
    else:
        uri = listing.begin(str(path))
        yield SourceFile(uri, real, 0, name=path.name, source_uri=uri), True


def _addresses(path: Path, listing: Listing) -> list[str]:
    """The lines of a `*.urls` file that are not empty and no comment."""
    try:
        with open_unlinked(path) as file:
            lines = file.read(MAX_FILE_BYTES).decode("utf-8", errors="replace").splitlines()
    except OSError as exc:
        _problem(listing, str(path), Unreadable("unreadable", detail=exc.strerror))
        return []
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


def _page(url: str, uri: str) -> SourceFile:
    return SourceFile(identity(url), PAGE, 0, url, name=url, source_uri=uri)


def _listed(source: str, listing: Listing, elsewhere: Elsewhere | None) -> Iterator[tuple[SourceFile, bool]]:
    """What a connector lists; without one, a page as it is named."""
    try:
        if elsewhere is None:
            yield _page(source, listing.begin(source)), True
            return
        uri, listed = elsewhere.uri(source), elsewhere.entries(source)
        for item in listed.entries:
            path = Path(item.name) if item.name else PAGE
            own = {"name": item.former, "source_uri": uri, "hash": item.hash}
            yield SourceFile(item.uri, path, item.size, item.place, **own), False
    except Capibara6Error as exc:
        _problem(listing, source, Unreadable("unreadable", detail=exc.message))
    except Unreadable as exc:
        _problem(listing, source, exc)
    else:
        if listed.exhaustive:
            listing.note(uri, folder=listed.folder)


def _walk(folder_named: Path, listing: Listing) -> Iterator[tuple[SourceFile, bool]]:
    """The files below a folder; called by the path that was named, read by the one without links."""
    root, uri = folder_named.resolve(), listing.begin(str(folder_named), folder=True)

    def failed(exc: OSError) -> None:
        _problem(listing, str(exc.filename), Unreadable("unreadable", detail=exc.strerror))

    for folder, names, files in os.walk(root, onerror=failed):
        names[:] = sorted(inner for inner in names if not inner.startswith("."))
        for file in sorted(files):
            path = Path(folder, file)
            if not file.startswith(".") and not path.is_symlink():
                inside = path.relative_to(root)
                called = f"{folder_named.name}/{inside.as_posix()}"
                own = identity(str(folder_named / inside), listing.named)
                yield SourceFile(own, path, 0, name=called, source_uri=uri), False


def _glob(pattern: Path, listing: Listing) -> Iterator[tuple[SourceFile, bool]]:
    fixed = fixed_part(pattern)
    root, uri = fixed.resolve(), listing.begin(str(pattern))
    matches = sorted(path for path in fixed.glob(str(pattern.relative_to(fixed))) if path.is_file())
    if not matches:
        _problem(listing, str(pattern), Unreadable("missing"))
    for path in matches:
        if (real := path.resolve()).is_relative_to(root):
            called = f"{fixed.name}/{path.relative_to(fixed).as_posix()}"
            own = identity(str(path), listing.named)
            yield SourceFile(own, real, 0, name=called, source_uri=uri), False
        else:
            _problem(listing, str(path), Unreadable("link"))


def _add(listing: Listing, seen: dict[str, str], file: SourceFile, *, by_name: bool) -> None:
    """Into the listing, once; `seen` is where each id was found."""
    if file.path != PAGE and file.path.suffix.lower() not in TEXT_SUFFIXES | PARSED_SUFFIXES:
        if by_name:
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
        size = file.size if file.url else file.path.lstat().st_size
    except OSError as exc:
        _problem(listing, file.id, Unreadable("unreadable", detail=exc.strerror))
        return
    listing.files.append(replace(file, size=size))


def _problem(listing: Listing, name: str, reason: Unreadable) -> None:
    listing.problems.append((name, reason))
    listing.complete = False
