"""The identity of a document: the address of what it came from, absolute, stable, readable. Pure.

It looks at no file and asks nobody. Whoever lists a source (a folder, a bucket, a mail box, a site) names
what it lists with `identity`, and what is inside with `part_of`.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

MAX_CHARS = 256
"""What a document's id may have (`tools.schema.Identifier`)."""
HEAD, TAIL = 96, 140
"""Of an address that is longer: how much of its beginning and of its end stays."""
PORTS = {"http": 80, "https": 443}
RESERVED = frozenset(' "#%<>?[\\]^`{|}')
"""Characters that mean something else in an address, or may not stand in one (RFC 3987)."""
UNNAMED: Mapping[str, str] = MappingProxyType({})


def identity(place: str, named: Mapping[str, str] = UNNAMED) -> str:
    """The id of what lies at `place`: an absolute path of this machine, an `http(s)://`, `s3://` or
    `upload://` address, or `mid:` and a message's id; at most `MAX_CHARS` long, in one line, without a
    password.

    `named` are folders (absolute paths) with a name of their own: what lies below them is called
    `name/path/inside` on every machine. Of nested ones the innermost counts. Raises ValueError for what is
    none of these."""
    scheme, mark, rest = place.partition(":")
    if place.startswith("/"):
        return bounded(_file(os.path.normpath(place), named))
    if scheme.lower() in PORTS and rest.startswith("//"):
        return bounded(_page(place))
    if mark and scheme.lower() in ("s3", "upload") and rest.startswith("//"):
        return bounded(f"{scheme.lower()}://{escaped(rest[2:])}")
    if mark and scheme.lower() == "mid":
        return bounded(f"mid:{escaped(rest.strip().removeprefix('<').removesuffix('>'))}")
    raise ValueError(f"no absolute path and no address: {place!r}")


def source_uri(place: str, named: Mapping[str, str] = UNNAMED, *, folder: bool = False) -> str:
    """The address of a source; that of a `folder` (or a bucket's prefix) ends in a slash and begins the id of
    everything in it that is not too long."""
    found = identity(place, named)
    return f"{found.rstrip('/')}/" if folder else found


def part_of(whole: str, name: str) -> str:
    """The id of a part of a document or file; `name` begins with its mark: `/inner.md`, `#part-2`."""
    return bounded(whole + "".join(_escaped(char, ' "%') for char in name)) if name else whole


def bounded(address: str) -> str:
    """The address; one that is too long is cut in its middle and gets a hash, so that it stays one of a
    kind."""
    if len(address) <= MAX_CHARS:
        return address
    digest = hashlib.blake2b(address.encode(), digest_size=8).hexdigest()
    return f"{address[:HEAD]}…{address[-TAIL:]}~{digest}"


def escaped(path: str) -> str:
    """A path as a person reads it in an address: letters of any language stay, what would be taken for
    something else is escaped with percent signs."""
    if path.isprintable() and RESERVED.isdisjoint(path):  # most are
        return path
    return "".join(_escaped(char, RESERVED) for char in path)


def _escaped(char: str, reserved: str | frozenset[str]) -> str:
    if char not in reserved and char.isprintable():
        return char
    # Python's stand-ins for bytes that are no UTF-8 are bytes again; other halves of characters have none.
    try:
        data = os.fsencode(char)
    except UnicodeEncodeError:
        data = char.encode(errors="surrogatepass")
    return "".join(f"%{byte:02X}" for byte in data)


def _file(path: str, named: Mapping[str, str]) -> str:
    pure = PurePosixPath(path)
    for folder in (pure, *pure.parents):
        name = named.get(str(folder))
        if name is not None:
            inside = pure.relative_to(folder).as_posix()
            return escaped(name if inside == "." else f"{name}/{inside}")
    return f"file://{escaped(str(pure))}"


def _page(url: str) -> str:
    """Of two ways to write the address of one page, one; who signs in and what is scrolled to are no part of
    it."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, PORTS[scheme]) else f":{parts.port}"
    path = "".join(_escaped(char, ' "<>\\^`{|}') for char in parts.path or "/")
    query = "".join(_escaped(char, ' "<>') for char in parts.query)
    return urlunsplit((scheme, f"{host}{port}", path, query, ""))
