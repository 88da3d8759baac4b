"""OpenDocument texts and presentations (ODT, OTT, ODP): headings, lists, tables, notes and comments."""

import io
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.parts import Malformed, Package, Parsed
from flows.ingestion.unreadable import Unreadable

GONE = frozenset(
    {"tracked-changes", "sequence-decls", "forms", "table-of-content", "alphabetical-index", "settings"}
)
MAX_REPEATED = 100


def parse(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One document. Raises `Malformed`, `Unreadable`, `ValueError`."""
    package = Package(io.BytesIO(data))
    if b"encryption-data" in (package.read("META-INF/manifest.xml") or b""):
        raise Unreadable("locked")
    root = package.xml("content.xml")
    body = None if root is None else root.find("body")
    if body is None:
        raise Malformed("there is no content.xml in it")
    about = package.xml("meta.xml")
    title = "" if about is None else next((node.text or "" for node in about.iter("title")), "")
    blocks: list[str | markdown.Mark] = []
    for number, page in enumerate(body.iter("page"), start=1):
        blocks += [markdown.Mark(slide=number), *_page(page, number)]
    if not blocks:
        notes: list[str] = []
        blocks = [*_blocks(body, notes), *notes]
    text, places = markdown.placed(blocks)
    yield Parsed(text, title.strip(), places=places)


def _page(page: Element, number: int) -> Iterator[str]:
    notes: list[str] = []
    title, said = "", list[str]()
    shown: list[str] = []
    for frame in page:
        if frame.tag == "notes":
            said += _blocks(frame, notes)
        elif frame.get("class") == "title" and not title:
            title = " ".join(" ".join(_blocks(frame, notes)).split())
        else:
            shown += _blocks(frame, notes)
    yield markdown.heading(2, f"{number}. {title}")
    yield from shown
    if any(said):
        yield markdown.heading(3, "Notas · Notes")
        yield from said
    yield from notes


def _blocks(node: Element, notes: list[str]) -> Iterator[str]:
    """What a node holds; footnotes and comments are put aside in `notes`."""
    for child in node:
        if child.tag in GONE:
            continue
        if child.tag == "h":
            level = child.get("outline-level") or "1"
            yield markdown.heading(int(level) if level.isdecimal() else 1, _text(child, notes))
        elif child.tag == "p":
            boxes = [box for frame in child.iter("frame") for box in frame.iter("text-box")]
            yield markdown.paragraph(_text(child, notes))
            for box in boxes:
                yield from _blocks(box, notes)
        elif child.tag == "list":
            yield "\n".join(_items(child, notes, 0))
        elif child.tag == "table":
            rows = list(_rows(child, notes))
            yield from markdown.table(rows, headers=1 if len(rows) > 1 else 0)
        else:
            yield from _blocks(child, notes)


def _items(node: Element, notes: list[str], depth: int) -> Iterator[str]:
    for item in node:
        for child in item:
            if child.tag == "list":
                yield from _items(child, notes, depth + 1)
            elif text := " ".join(_text(child, notes).split()):
                yield f"{'  ' * depth}- {text}"


def _rows(table: Element, notes: list[str]) -> Iterator[list[str]]:
    for row in table.iter("table-row"):
        cells: list[str] = []
        for cell in row:
            if cell.tag not in ("table-cell", "covered-table-cell"):
                continue
            text = " ".join(" ".join(_blocks(cell, notes)).split())
            again = cell.get("number-columns-repeated") or "1"
            cells += [text] * (min(int(again), MAX_REPEATED) if again.isdecimal() else 1)
        yield cells


def _text(node: Element, notes: list[str]) -> str:
    parts = [node.text or ""]
    for child in node:
        if child.tag == "tab":
            parts.append("\t")
        elif child.tag == "line-break":
            parts.append("\n")
        elif child.tag == "s":
            parts.append(" ")
        elif child.tag == "note":
            mark = (child.findtext("note-citation") or "").strip()
            body = child.find("note-body")
            said = " ".join(_blocks(body, notes)) if body is not None else ""
            notes.append(f"[{mark}]: {said}")
            parts.append(f"[{mark}]")
        elif child.tag == "annotation":
            who = (child.findtext("creator") or "").strip()
            said = " ".join(filter(None, (_text(one, notes) for one in child.iter("p"))))
            notes.append(f"{who}: {said}" if who else said)
        elif child.tag not in ("frame", "text-box", *GONE):
            parts.append(_text(child, notes))
        parts.append(child.tail or "")
    return "".join(parts)
