"""Presentations (PPTX, PPSX, POTX): a heading a slide, its lists and tables, and the speaker's notes."""

import io
import posixpath
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.office.word import title_of
from flows.ingestion.parsers.parts import Malformed, Package, Parsed

PRESENTATION = "ppt/presentation.xml"
TITLES = ("title", "ctrTitle")
FURNITURE = ("sldNum", "dt", "ftr", "hdr", "sldImg")


def parse(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One document. Raises `Malformed`, `Unreadable`, `ValueError`."""
    package = Package(io.BytesIO(data))
    root = package.xml(PRESENTATION)
    if root is None:
        raise Malformed(f"there is no {PRESENTATION} in it")
    places = _relations(package, PRESENTATION)
    names = [places.get(slide.get("rel:id") or "", ("", ""))[0] for slide in root.iter("sldId")]
    blocks: list[str | markdown.Mark] = []
    count = 0
    for name in filter(None, names):
        slide = package.xml(name)
        if slide is None:
            continue
        count += 1
        blocks += [markdown.Mark(slide=count), *_slide(slide, count)]
        notes = next(
            (place for place, kind in _relations(package, name).values() if kind == "notesSlide"), ""
        )
        page = package.xml(notes) if notes else None
        if page is not None and any(said := list(_shapes(page, but=(*TITLES, *FURNITURE)))):
            blocks += [markdown.heading(3, "Notas · Notes"), *said]
    text, places = markdown.placed(blocks)
    yield Parsed(text, title_of(package), {"slides": count}, places=places)


def _slide(slide: Element, number: int) -> Iterator[str]:
    title = " ".join(_lines(shape) for shape in slide.iter("sp") if _placeholder(shape) in TITLES).replace(
        "\n", " "
    )
    yield markdown.heading(2, f"{number}. {title}")
    yield from _shapes(slide, but=(*TITLES, *FURNITURE))


def _shapes(root: Element, *, but: tuple[str, ...]) -> Iterator[str]:
    """The text of every shape, those in groups too; `but` are kinds of placeholders that are left out."""
    for node in root.iter():
        if node.tag == "sp" and _placeholder(node) not in but:
            yield _lines(node)
        elif node.tag == "tbl":
            rows = [
                [" ".join(_lines(cell, plain=True).split()) for cell in row.findall("tc")]
                for row in node.findall("tr")
            ]
            yield from markdown.table(rows, headers=1 if len(rows) > 1 else 0)


def _placeholder(shape: Element) -> str:
    found = shape.find("nvSpPr/nvPr/ph")
    return "" if found is None else found.get("type") or "body"


def _lines(shape: Element, *, plain: bool = False) -> str:
    """The paragraphs of a shape; those of a list are its items."""
    lines: list[str] = []
    is_body = _placeholder(shape) == "body"
    for paragraph in shape.iter("p"):
        text = " ".join("".join(_runs(paragraph)).split())
        properties = paragraph.find("pPr")
        level = "0" if properties is None else properties.get("lvl") or "0"
        depth = int(level) if level.isdecimal() else 0
        marked = properties is not None and (
            properties.find("buChar") is not None or properties.find("buAutoNum") is not None
        )
        if text:
            is_item = not plain and (marked or depth > 0 or is_body)
            lines.append(f"{'  ' * depth}- {text}" if is_item else markdown.paragraph(text))
    return lines[0].removeprefix("- ") if len(lines) == 1 else "\n".join(lines)


def _runs(paragraph: Element) -> Iterator[str]:
    for node in paragraph.iter():
        if node.tag == "t":
            yield node.text or ""
        elif node.tag in ("br", "tab"):
            yield " "


def _relations(package: Package, name: str) -> dict[str, tuple[str, str]]:
    """By id: the part that is meant, and as what."""
    folder, file = posixpath.split(name)
    root = package.xml(f"{folder}/_rels/{file}.rels")
    return {
        node.get("Id") or "": (
            posixpath.normpath(posixpath.join(folder, node.get("Target") or "")).lstrip("/"),
            (node.get("Type") or "").rpartition("/")[2],
        )
        for node in (root if root is not None else ())
        if node.get("TargetMode") != "External"
    }
