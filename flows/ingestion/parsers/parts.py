"""What a parser hands back: a document's text, or a file found inside another one."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from xml.etree import ElementTree

from flows.ingestion.unreadable import Unreadable

if TYPE_CHECKING:
    from tools.schema import JsonObject

MAX_XML_BYTES = 64 * 2**20
MAX_MEMBER_BYTES = 32 * 2**20

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
"""What `zipfile` raises on a broken, encrypted or oddly packed archive; `OSError` is what bz2 raises."""


class Malformed(Exception):
    """The file is not what it says."""


@dataclass
class Parsed:
    """A document: Markdown, a title (empty when the file has none), and what else is known of it.

    `name` is what the file's own name is followed by (`#3`) when it holds several; `headed`: whether its
    first heading may be its title; `places` are those of `tools.schema.Document`."""

    text: str
    title: str = ""
    metadata: JsonObject = field(default_factory=dict)
    name: str = ""
    headed: bool = True
    places: list[JsonObject] = field(default_factory=list)


@dataclass
class Embedded:
    """A file inside the file, such as an attachment, to be read as a document of its own."""

    name: str
    data: bytes


@dataclass
class Unread:
    """A part that could not be read; the others could. `reason` says why, `name` which."""

    name: str
    reason: Unreadable


Part = Parsed | Embedded | Unread


@contextmanager
def parsing(*errors: type[Exception]) -> Iterator[None]:
    """Around a library that parses a stranger's bytes: these errors of it are raised as `Malformed`."""
    try:
        yield
    except (Malformed, RecursionError, Unreadable):
        raise
    except errors as exc:
        raise Malformed(f"{type(exc).__name__}: {exc}") from exc


class Package:
    """A document that is a ZIP of XML parts (Office Open XML, OpenDocument, EPUB)."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises `Malformed`, and `Unreadable` when it is locked."""
        head = file.read(8)
        file.seek(0)
        if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):  # where a password is, Office wraps the ZIP
            raise Unreadable("locked")
        with parsing(*ZIP_ERRORS):
            self.archive = zipfile.ZipFile(file)
        self.names = self.archive.namelist()

    def read(self, name: str) -> bytes | None:
        """A part's bytes; None for one that is not there. Raises `Malformed`, `Unreadable`, `ValueError`."""
        with parsing(*ZIP_ERRORS, KeyError):
            if name not in self.archive.NameToInfo:
                return None
            info = self.archive.getinfo(name)
            if info.file_size > MAX_XML_BYTES:
                raise ValueError(f"unpacks to {info.file_size} bytes")
            if info.flag_bits & 1:
                raise Unreadable("locked")
            return self.archive.read(info)

    def xml(self, name: str) -> ElementTree.Element | None:
        """A part's root without its namespaces (Strict and Transitional then read the same)."""
        data = self.read(name)
        return None if data is None else parse_xml(data)


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of an XML file; names lose their namespace. Raises `Malformed`."""
    with parsing(ElementTree.ParseError, ValueError, LookupError):
        root = ElementTree.fromstring(data)
    for node in root.iter():
        node.tag = local(node.tag)
        if any("}" in key for key in node.attrib):
            node.attrib = {_attribute(key): value for key, value in node.attrib.items()}
    return root


def _attribute(key: str) -> str:
    """`id` and the `id` of a relationship are two things."""
    return f"rel:{local(key)}" if key.partition("}")[0].endswith("relationships") else local(key)


def local(name: object) -> str:
    """A name of XML without its namespace. Pure."""
    return str(name).rpartition("}")[2]


def suffix(name: str) -> str:
    """The suffix (`.html`) of a file's name, in lower case. Pure."""
    return PurePosixPath(name).suffix.lower()
