"""EPUB books: their chapters in reading order, with title and authors."""

import io
import posixpath
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from flows.ingestion.encoding import decode
from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.html import page as html
from flows.ingestion.parsers.parts import Malformed, Package, Parsed
from flows.ingestion.unreadable import Unreadable


def parse(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One document. Raises `Malformed`, `Unreadable`, `ValueError`."""
    package = Package(io.BytesIO(data))
    container = package.xml("META-INF/container.xml")
    named = None if container is None else next(container.iter("rootfile"), None)
    place = "" if named is None else named.get("full-path") or ""
    book = package.xml(place)
    if book is None:
        raise Malformed("there is no book in it")
    locked = package.read("META-INF/encryption.xml") or b""
    items = {item.get("id"): item for item in book.iter("item")}
    title = next((node.text or "" for node in book.iter("title")), "").strip()
    blocks = [markdown.paragraph("\n".join(_about(book, title)))]
    for reference in book.iter("itemref"):
        item = items.get(reference.get("idref"))
        if (
            item is None
            or "html" not in (item.get("media-type") or "")
            or "nav" in (item.get("properties") or "")
        ):
            continue
        name = posixpath.normpath(posixpath.join(posixpath.dirname(place), unquote(item.get("href") or "")))
        if name.encode() in locked:
            raise Unreadable("locked")
        chapter = package.read(name)
        if chapter is not None:
            blocks.append(html.fragment(decode(chapter, declared=html.declared_encoding(chapter))))
    yield Parsed(markdown.join("\n\n".join(blocks).split("\n\n")), title)


def _about(book: Element, title: str) -> Iterator[str]:
    yield title
    for name in ("creator", "description"):
        for node in book.iter(name):
            yield " ".join((node.text or "").split())
