"""HTML, PDF, DOCX and CSV as `(title, text)`: Markdown with the headings and pages that citations name.

It is imported by the process that may not take too much (`flows.ingestion.sandbox`). A file that is not
what it says raises `Malformed` or `ValueError`; whatever else is raised is a fault of ours.
"""

import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from pypdf import PdfReader

PAGES = 5_000
XML_BYTES = 64 * 2**20
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
HIDDEN = frozenset({"script", "style", "template", "noscript", "svg"})
BLOCKS = frozenset("p div br li tr section article header footer table ul ol pre blockquote dt dd".split())
LEVELS = {f"h{level}": "#" * level for level in range(1, 7)}

Unpacked = tuple[str, str]

ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
"""What `zipfile` raises on a broken, encrypted or oddly packed archive; `OSError` is what bz2 raises."""
PDF = (OSError, KeyError, TypeError, AttributeError, AssertionError, RuntimeError)
"""What pypdf trips over, beside its own errors, when objects of a file are not what they should be."""


class Malformed(Exception):
    """The file is not what it says."""


@contextmanager
def reading(*odd: type[Exception]) -> Iterator[None]:
    """Around a library that reads a stranger's bytes: what it raises of `odd` is the file's fault."""
    try:
        yield
    except RecursionError:
        raise
    except odd as exc:
        raise Malformed(f"{type(exc).__name__}: {exc}") from exc


class Page(HTMLParser):
    """Text of an HTML page as Markdown: headings and paragraphs, nothing that is not shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title, self.parts = "", list[str]()
        self.hidden, self.in_title = 0, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in HIDDEN
        self.in_title = self.in_title or tag == "title"
        if tag in LEVELS:
            self.parts.append(f"\n\n{LEVELS[tag]} ")
        elif tag in BLOCKS:
            self.parts.append("\n\n" if tag != "br" else "\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in HIDDEN and self.hidden > 0
        self.in_title = self.in_title and tag != "title"
        if tag in LEVELS or tag in BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self.in_title:
            self.title += data
        elif not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def html(data: bytes) -> Unpacked:
    page = Page()
    page.feed(_text(data))
    page.close()
    return " ".join(page.title.split()), _tidy("".join(page.parts))


def pdf(data: bytes) -> Unpacked:
    """A heading a page, so that an answer can say which."""
    # A third of a second that the other kinds do not need.
    import pypdf  # noqa: PLC0415
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    with reading(PyPdfError, *PDF):
        document = pypdf.PdfReader(io.BytesIO(data))
        if _promised(document) > PAGES or len(document.pages) > PAGES:
            raise ValueError(f"more than {PAGES} pages")
        pages = [(number, page.extract_text().strip()) for number, page in enumerate(document.pages, start=1)]
        title = document.metadata.title if document.metadata else None
    return str(title or ""), "\n\n".join(f"## p. {number}\n\n{text}" for number, text in pages if text)


def docx(data: bytes) -> Unpacked:
    """Paragraphs of the body; styles called Heading N become headings."""
    with reading(*ZIP, KeyError, ElementTree.ParseError), zipfile.ZipFile(io.BytesIO(data)) as archive:
        body = archive.getinfo("word/document.xml")
        if body.file_size > XML_BYTES:
            raise ValueError(f"unpacks to {body.file_size} bytes")
        root = ElementTree.fromstring(archive.read(body))
    return "", "\n\n".join(filter(None, map(_paragraph, root.iter(f"{WORD}p"))))


def table(data: bytes) -> Unpacked:
    """A line a row, each value with its column's name, so that a row can be found by itself."""
    sample = _text(data)
    with reading(csv.Error):
        dialect = csv.Sniffer().sniff(sample[:4_096], delimiters=",;\t|")
        rows = list(csv.DictReader(io.StringIO(sample), dialect=dialect))
    lines = ("; ".join(f"{name}: {value}" for name, value in row.items() if name and value) for row in rows)
    return "", "\n\n".join(line for line in lines if line)


FORMATS: dict[str, Callable[[bytes], Unpacked]] = {
    ".html": html,
    ".htm": html,
    ".pdf": pdf,
    ".docx": docx,
    ".csv": table,
}


def _promised(document: "PdfReader") -> int:
    """How many pages the file itself says it has, without walking to each."""
    tree = document.root_object["/Pages"].get_object()
    count = tree.get("/Count", 0) if isinstance(tree, dict) else 0
    return count if isinstance(count, int) else 0


def _paragraph(paragraph: ElementTree.Element) -> str:
    text = "".join(node.text or "" for node in paragraph.iter(f"{WORD}t")).strip()
    style = paragraph.find(f"{WORD}pPr/{WORD}pStyle")
    name = (style.get(f"{WORD}val") or "") if style is not None else ""
    level = name[-1:] if name.lower().startswith(("heading", "ttulo", "título")) else ""
    return f"{'#' * int(level)} {text}" if text and level.isdigit() and level != "0" else text


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig")


def _tidy(text: str) -> str:
    blocks = (" ".join(block.split()) for block in text.split("\n\n"))
    return "\n\n".join(block for block in blocks if block.strip("# "))
