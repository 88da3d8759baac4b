"""Word documents (DOCX, DOTX, DOCM; also Strict): the text as Word shows it once changes are accepted."""

import io
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.office.numbering import Numbering, Styles
from flows.ingestion.parsers.parts import Malformed, Package, Parsed

GONE = frozenset(
    {"del", "moveFrom", "delText", "instrText", "Fallback", "pPr", "rPr", "tblPr", "sectPr", "sdtPr"}
)
"""What is not, or no longer, text; a text box stands a second time in its `Fallback`."""
NOTES = {"footnotes": "footnote", "endnotes": "endnote", "comments": "comment"}
MARGINS = {"header": "Encabezado · Header", "footer": "Pie de página · Footer"}
"""What stands on every page is said to: who asks what the footer says asks for it by that word."""
BREAKS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
BODY = re.compile(r"word/document\d*\.xml")


class Word:
    """One document being read: its parts, and what numbers its paragraphs."""

    def __init__(self, data: bytes) -> None:
        """Raises `Malformed`, `Unreadable`, `ValueError`."""
        self.package = Package(io.BytesIO(data))
        name = next(filter(BODY.fullmatch, self.package.names), "word/document.xml")
        body = self.package.xml(name)
        if body is None:
            raise Malformed("there is no word/document.xml in it")
        self.body = body
        self.styles = Styles(self.package.xml("word/styles.xml"))
        self.numbering = Numbering(self.package.xml("word/numbering.xml"))
        self.boxes: list[Element] = []

    def blocks(self) -> Iterator[str]:
        """Headers, body, footers, then notes and comments."""
        yield from self._margins("header")
        yield from self._blocks(self.body)
        yield from self._margins("footer")
        for part, name in NOTES.items():
            yield from self._notes(part, name)

    def _margins(self, kind: str) -> Iterator[str]:
        """What stands above or below every page, each text once."""
        seen: set[str] = set()
        for name in self.package.names:
            if re.fullmatch(rf"word/{kind}\d*\.xml", name) and (root := self.package.xml(name)) is not None:
                for block in self._blocks(root):
                    if block not in seen and re.search(r"[^\W\d]", block):
                        yield block if block.startswith("|") else f"{MARGINS[kind]}: {block.lstrip('# ')}"
                    seen.add(block)

    def _notes(self, part: str, name: str) -> Iterator[str]:
        root = self.package.xml(f"word/{part}.xml")
        for note in [] if root is None else root.iter(name):
            if note.get("type") in ("separator", "continuationSeparator", "continuationNotice"):
                continue
            first, *more = [block for block in self._blocks(note) if block] or [""]
            mark = note.get("author") or f"[{note.get('id') or ''}]"
            if first:
                yield f"{mark}: {first}" if not first.startswith("|") else f"{mark}:\n\n{first}"
            yield from more

    def _blocks(self, node: Element) -> Iterator[str]:
        """Paragraphs and tables; the items of a list that follow each other are one block."""
        items: list[str] = []
        for child in _children(node):
            block, is_item = self._paragraph(child) if child.tag == "p" else ("", False)
            boxes, self.boxes = self.boxes, []
            if is_item and not boxes:
                items.append(block)
                continue
            yield "\n".join(items)
            items = []
            yield block
            for box in boxes:
                yield from self._blocks(box)
            if child.tag == "tbl":
                yield from self._table(child)
        yield "\n".join(items)

    def _paragraph(self, node: Element) -> tuple[str, bool]:
        """A heading, an item of a list or a paragraph; and whether it is an item."""
        text = markdown.paragraph(self._text(node))
        style = self.styles.of(node)
        if not text:
            return "", False
        number, depth = self.numbering.next(style)
        if style.level:
            return markdown.heading(
                style.level, f"{number} {text}" if number not in ("", "-") else text
            ), False
        if number:
            return f"{'  ' * depth}{number} {' '.join(text.split())}", True
        return text, False

    def _table(self, node: Element) -> Iterator[str]:
        rows: list[list[str]] = []
        above: dict[int, str] = {}
        for row in (child for child in _children(node) if child.tag == "tr"):
            cells: list[str] = []
            for cell in (child for child in _children(row) if child.tag == "tc"):
                merged, across = _spans(cell)
                text = " ".join(" ".join(self._blocks(cell)).split())
                text = above.get(len(cells), "") if merged == "continue" else text
                above[len(cells)] = text
                cells += [text, *[""] * (across - 1)]
            rows.append(cells)
        yield from markdown.table(rows, headers=1 if len(rows) > 1 else 0)

    def _text(self, node: Element) -> str:
        parts: list[str] = []
        for child in node:
            if child.tag in GONE:
                continue
            if child.tag == "t":
                parts.append(child.text or "")
            elif child.tag in BREAKS:
                parts.append(BREAKS[child.tag])
            elif child.tag == "txbxContent":
                self.boxes.append(child)
            elif child.tag == "sym":
                parts.append(_symbol(child))
            elif child.tag in ("footnoteReference", "endnoteReference"):
                parts.append(f"[{child.get('id')}]")
            elif child.tag == "oMath":
                parts.append(_formula(child))
            else:
                parts.append(self._text(child))
        return "".join(parts)


def parse(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One document. Raises `Malformed`, `Unreadable`, `ValueError`."""
    word = Word(data)
    text = markdown.join(word.blocks())
    yield Parsed(text, title_of(word.package))


def title_of(package: Package) -> str:
    """The title among an Office file's properties; empty for none."""
    properties = package.xml("docProps/core.xml")
    return "" if properties is None else (properties.findtext("title") or "").strip()


def _children(node: Element) -> Iterator[Element]:
    """Paragraphs, tables, rows and cells, whatever they are wrapped in."""
    for child in node:
        if child.tag in ("p", "tbl", "tr", "tc"):
            yield child
        elif child.tag not in GONE:
            yield from _children(child)


def _spans(cell: Element) -> tuple[str, int]:
    """How a cell is merged with the one above (`restart`, `continue`, nothing), and its columns."""
    merge, across = cell.find("tcPr/vMerge"), cell.find("tcPr/gridSpan")
    columns = "" if across is None else across.get("val") or ""
    return (
        "" if merge is None else merge.get("val") or "continue",
        min(int(columns), 100) if columns.isdecimal() and columns != "0" else 1,
    )


def _symbol(node: Element) -> str:
    try:
        return chr(int(node.get("char") or "", 16))
    except (ValueError, OverflowError):
        return ""


def _formula(node: Element) -> str:
    """A formula on one line: `a^2`, `x_i`, `(a)/(b)`."""
    marks = {"sup": "^", "sub": "_", "den": "/"}
    parts: list[str] = []
    for child in node:
        if child.tag in ("t", "r"):
            parts.append(child.text or "" if child.tag == "t" else _formula(child))
        elif child.tag == "rad":
            parts.append(f"√({_formula(child)})")
        elif not child.tag.endswith("Pr"):
            inner = _formula(child)
            wide = len(inner) > 1 and child.tag in ("num", "den")
            parts.append(f"{marks.get(child.tag, '')}{f'({inner})' if wide else inner}" if inner else "")
    return "".join(parts)
