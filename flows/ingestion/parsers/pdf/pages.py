"""PDF: pages in reading order as Markdown, each a place: headings, paragraphs, tables, form values."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.ocr.recognition import LONG_SIDE, is_installed, read_picture
from flows.ingestion.parsers.ocr.recognition import MAX_PAGES as MAX_SCANS
from flows.ingestion.parsers.parts import Malformed, Parsed, Part, Unread
from flows.ingestion.parsers.pdf.layout import Layout, Line, flow, layout_of, titles_first, without_margins
from flows.ingestion.parsers.pdf.lines import read_lines
from flows.ingestion.unreadable import Unreadable

if TYPE_CHECKING:
    from tools.schema import JsonObject

MAX_PAGES = 5_000
SCAN_SCALE = 200 / 72
"""200 dots an inch, where the page is no larger than A4."""
SCAN_CHARS = 20
"""A page with an image and fewer characters than this is a picture of a page."""
NO_TITLE = re.compile(r"(?i)\(?(?:anonymous|untitled|sin t[ií]tulo|document\d*|unknown)\)?|.*\.[a-z]{2,5}")
MADE_BY = re.compile(r"(?i)^(?:microsoft (?:word|powerpoint|excel)) - ")


def parse(data: bytes, suffix: str) -> Iterator[Part]:
    """One document; the pages that could not be read are named.

    Raises `Malformed`, `Unreadable`, `ValueError`."""
    document = _open(data)
    if len(document) > MAX_PAGES:
        raise ValueError(f"more than {MAX_PAGES} pages")
    pages: list[list[Line]] = []
    scanned, broken = list[int](), list[int]()
    for number in range(1, len(document) + 1):
        lines: list[Line] = []
        try:
            lines, is_scan = _read_page(document, number - 1)
            if is_scan:
                scanned.append(number)
        except pypdfium2.PdfiumError:
            broken.append(number)
        pages.append(lines)
    if broken and len(broken) == len(pages):
        raise Malformed("no page of it can be read")
    scans = len(scanned)
    scanned = _recognised(document, pages, scanned) if is_installed() else scanned
    if scans and sum(len(line.text) for lines in pages for line in lines) < SCAN_CHARS * scans:
        raise Unreadable("no_writing" if scans > len(scanned) else "scan", pages=len(pages))
    layout = layout_of(pages)
    text, places = _text(pages, layout)
    title = _title(document, pages, layout)
    about = {"pages": len(pages), **({"ocr": True} if scans > len(scanned) else {})}
    yield Parsed(text, title, about, headed=False, places=places)
    if scanned:
        yield Unread(f" p. {_ranges(scanned)}", _remedy(scanned))
    if broken:
        yield Unread(f" p. {_ranges(broken)}", Unreadable("malformed", detail="PDF"))


def _recognised(document: pypdfium2.PdfDocument, pages: list[list[Line]], scanned: list[int]) -> list[int]:
    """Read what stands on the pictures of pages into `pages`; the numbers of those that are too many."""
    body = layout_of(pages).size
    for number in scanned[:MAX_SCANS]:
        page = document[number - 1]
        try:
            scale = min(SCAN_SCALE, LONG_SIDE / max(*page.get_size(), 1.0))
            picture = page.render(scale=scale)  # type: ignore[arg-type]  # its default is 1, it takes any
            lines = read_picture(picture.to_numpy(), scale=scale)
            pages[number - 1] += _as_large_as(body, lines)
        finally:
            page.close()
    return scanned[MAX_SCANS:]


def _as_large_as(body: float, lines: list[Line]) -> list[Line]:
    """The lines of a picture whose running text is as large as that of the pages with text, if there are any:
    a letter's box only tells about how large it is, and what is larger is taken for a heading."""
    own = layout_of([lines]).size
    factor = body / own if body and own else 1.0
    return [replace(line, size=round(line.size * factor, 1)) for line in lines]


def _remedy(scanned: list[int]) -> Unreadable:
    if is_installed():
        return Unreadable("many_scans", pages=len(scanned), limit=MAX_SCANS)
    return Unreadable("scan", pages=len(scanned))


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as exc:
        if exc.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise Unreadable("locked") from exc
        raise Malformed(str(exc)) from exc
    if document.get_formtype() != pdfium.FORMTYPE_NONE:
        document.init_forms()
    return document


def _read_page(document: pypdfium2.PdfDocument, index: int) -> tuple[list[Line], bool]:
    """The lines of a page, the values of its form among them; and whether it is a picture of a page."""
    page = document[index]
    try:
        text = page.get_textpage()
        try:
            lines = titles_first(read_lines(text))
        finally:
            text.close()
        if document.formenv is not None:
            lines += _form_values(page, document.formenv)
        few = sum(len(line.text) for line in lines) < SCAN_CHARS
        return lines, few and any(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3))
    finally:
        page.close()


def _form_values(page: pypdfium2.PdfPage, form: pypdfium2.PdfFormEnv) -> list[Line]:
    """What is filled into a form's fields, a line each: `name: value`."""
    found: list[Line] = []
    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        if not annotation:
            continue
        try:
            if pdfium.FPDFAnnot_GetFormFieldType(form, annotation) in _FIELDS:
                value = _chosen(form, annotation) or _wide(
                    pdfium.FPDFAnnot_GetFormFieldValue, form, annotation
                )
                name = _wide(pdfium.FPDFAnnot_GetFormFieldName, form, annotation)
                if value and value not in ("Off", name):
                    found.append(Line(f"{name}: {value}" if name else value))
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return found


_FIELDS = (
    pdfium.FPDF_FORMFIELD_TEXTFIELD,
    pdfium.FPDF_FORMFIELD_COMBOBOX,
    pdfium.FPDF_FORMFIELD_LISTBOX,
    pdfium.FPDF_FORMFIELD_CHECKBOX,
    pdfium.FPDF_FORMFIELD_RADIOBUTTON,
)


def _wide(read: Callable[..., int], form: pypdfium2.PdfFormEnv, annotation: Any) -> str:
    """A string of a form; PDFium writes it as UTF-16 into a buffer of the caller's."""
    size = min(read(form, annotation, None, 0), 2**20)
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    read(form, annotation, buffer, size)
    return bytes(buffer)[: max(size - 2, 0)].decode("utf-16-le", errors="ignore").strip()


def _chosen(form: pypdfium2.PdfFormEnv, annotation: Any) -> str:
    """What a list shows as chosen: its labels, not the values that they stand for."""
    count = min(pdfium.FPDFAnnot_GetOptionCount(form, annotation), 10_000)
    labels: list[str] = []
    for number in range(max(count, 0)):
        if pdfium.FPDFAnnot_IsOptionSelected(form, annotation, number):
            labels.append(_wide(partial(_label, number), form, annotation))
    return ", ".join(labels)


def _label(number: int, form: Any, annotation: Any, buffer: Any, size: int) -> int:
    return pdfium.FPDFAnnot_GetOptionLabel(form, annotation, number, buffer, size)


def _text(pages: list[list[Line]], layout: Layout) -> tuple[str, list[JsonObject]]:
    """Every page, and where each begins. A sentence is not cut where its page ends."""
    blocks: list[tuple[int, str]] = []
    for number, lines in enumerate(without_margins(pages), start=1):
        found = list(filter(None, flow(lines, layout)))
        if blocks and found and _goes_on(blocks[-1][1], found[0]):
            blocks[-1] = blocks[-1][0], _joined(blocks[-1][1], found.pop(0))
        blocks += [(number, block) for block in found]
    written: list[str | markdown.Mark] = []
    for number, page in groupby(blocks, key=itemgetter(0)):
        written += [markdown.Mark(page=number), *(block for _, block in page)]
    return markdown.placed(written)


def _goes_on(block: str, following: str) -> bool:
    plain = not re.match(r"[#|]|\s*[-•\d]", block) and not re.match(r"[#|]", following)
    return plain and len(block) > 60 and not re.search(r"[.!?:;…»”\"]\s*$", block) and following[:1].islower()


def _joined(block: str, following: str) -> str:
    return block[:-1] + following if re.search(r"\w-$", block) else f"{block} {following}"


def _title(document: pypdfium2.PdfDocument, pages: list[list[Line]], layout: Layout) -> str:
    """The title that the file states, if it is one; else the largest heading of the first page."""
    stated = MADE_BY.sub("", " ".join(document.get_metadata_value("Title").split()))
    if len(stated) > 3 and not NO_TITLE.fullmatch(stated) and "\ufffd" not in stated:
        return stated
    headings = [block for block in (flow(pages[0], layout) if pages else ()) if markdown.HEADING.match(block)]
    largest = min(headings, key=lambda block: len(block) - len(block.lstrip("#")), default="")
    return largest.lstrip("# ")


def _ranges(numbers: list[int]) -> str:
    """`1-3, 7`. Pure."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, dict.fromkeys(span))) for span in spans)
