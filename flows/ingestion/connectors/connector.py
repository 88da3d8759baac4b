"""What a connector is: it lists what a source holds and fetches one thing of it. Each kind has a file."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_ENTRIES = 100_000
"""Of one source; more are refused by name, and nothing is deleted then."""
MAX_STATE = 128
"""As `tools.schema.Origin` takes it."""


@dataclass(frozen=True)
class Entry:
    """One thing that a source holds. `uri` is the identity of its document, `place` where its connector
    fetches it, `name` a file name whose suffix tells its kind (empty: the server tells). `version` changes
    when its content does, as the listing says; empty where it says nothing. `size` in bytes, 0 if unknown;
    `former` is what its document was called before ids were addresses."""

    uri: str
    place: str
    name: str = ""
    version: str = ""
    size: int = 0
    former: str = ""

    @property
    def hash(self) -> str:
        """Of its version, for this entry alone: another's `v1` says nothing of its content."""
        if not self.version:
            return ""
        return hashlib.blake2b(f"{self.uri}\0{self.version}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Content:
    """What was fetched: `suffix` (`.html`) tells its kind, `state` is what its server says of how it is now
    and can be asked again; at most `MAX_STATE` characters, empty where it says nothing."""

    body: bytes
    suffix: str
    state: str = ""


@dataclass(frozen=True)
class Listed:
    """What a source holds. `exhaustive` is False where it only tells what is new (a feed): nothing that is
    not in it is gone. The address of a `folder` begins the uri of each of its entries."""

    entries: Iterator[Entry]
    exhaustive: bool = True
    folder: bool = False


class NotModified(Exception):
    """The server still has what is known of it."""


class Connector(Protocol):
    """One kind of source. Its verbs raise `tools.errors` and `Unreadable`."""

    def uri(self, address: str) -> str:
        """What a source is called by the documents that it brought (`source_uri`). It asks nobody."""
        ...

    def entries(self, address: str) -> Listed:
        """What is at a source's address."""
        ...

    def fetch(self, place: str, *, known: str = "") -> Content:
        """What is at an entry's place. Raises NotModified when its state is still the one that is `known`."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...
