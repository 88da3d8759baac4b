"""Which files changed since they were ingested, before any is parsed: by the hash of their bytes and of the
code that reads them.

It asks nobody: the bridge compares hashes, `flows/ingest.py` asks it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from flows.ingestion.sources import Listing, SourceFile
from tools.access.local_files import open_unlinked
from tools.clients.bridge import Difference

BLOCK = 2**20


@dataclass
class Changes:
    """`files` are to be read; of the others the documents' ids are `same`. `known` is by file what the store
    said of it, `held` the ids of the documents that it has of it."""

    files: list[SourceFile] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    held: dict[str, list[str]] = field(default_factory=dict)


def file_hash(path: Path) -> str:
    """Of a file's bytes: BLAKE2b of 128 bits, hexadecimal. Raises OSError."""
    digest = hashlib.blake2b(digest_size=16)
    with open_unlinked(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@cache
def reader(text_field: str = "") -> str:
    """The version of the code that makes documents out of files: a hash of that code, so that nobody has to
    remember to count it up; and of what it was told."""
    digest = hashlib.blake2b(text_field.encode(), digest_size=8)
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def with_hashes(files: Iterable[SourceFile]) -> list[SourceFile]:
    """The files, those on this machine with their hash; one that can not be read has none, and is named when
    it is loaded. What lies elsewhere has the one that its listing told."""
    found = []
    for file in files:
        try:
            found.append(file if file.url else replace(file, hash=file_hash(file.path)))
        except OSError:
            found.append(file)
    return found


def choose(files: Sequence[SourceFile], differences: Mapping[str, Difference], listing: Listing) -> Changes:
    """Which files to read, and from where those come that moved: a new file has the content of one that left
    the listed folders, each of which is one file's. Pure."""
    changes, present = Changes(), {file.id for file in listing.files} | set(listing.skipped)
    present |= {name for name, _ in listing.problems}
    roots, taken = tuple(listing.roots), set[str]()
    for file in files:
        found = differences.get(file.id)
        if found is None:
            changes.files.append(file)
            continue
        changes.known[file.id], changes.held[file.id] = found["status"], found["documents"]
        if found["status"] == "same":
            changes.same += found["documents"]
            continue
        if file.url:
            changes.files.append(replace(file, known=found["hash"]))
            continue
        moved = [
            other
            for other in found["elsewhere"]
            if listing.complete and other.startswith(roots or ("\0",)) and other not in present | taken
        ]
        taken.update(moved[:1])
        changes.files.append(replace(file, moved_from=moved[0]) if moved else file)
    return changes
