"""Parsers of HTML, PDF, DOCX and CSV: bytes become a title and Markdown with headings and page numbers.

They run in the sandbox (`flows/ingestion/sandbox.py`), which bounds memory and time. A file that is not what
it says raises `Malformed` or `ValueError`; whatever else is raised is a fault of ours.
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
from typing import TYPE_CHECKING, TypeAlias
from xml.etree import ElementTree

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_PAGES = 5_000
MAX_XML_BYTES = 64 * 2**20
NAMESPACE = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
HIDDEN_TAGS = frozenset({"script", "style", "template", "noscript", "svg"})
BLOCK_TAGS = frozenset(
    "p div br li tr section article header footer table ul ol pre blockquote dt dd".split()
)
HEADING_MARKS = {f"h{level}": "#" * level for level in range(1, 7)}

TitleAndText: TypeAlias = tuple[str, str]
"""The title, empty when the file has none, and the text as Markdown."""

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
"""What `zipfile` raises on a broken, encrypted or oddly packed archive; `OSError` is what bz2 raises."""
PDF_ERRORS = (OSError, KeyError, TypeError, AttributeError, AssertionError, RuntimeError)
"""What pypdf trips over, beside its own errors, when objects of a file are not what they should be."""


class Malformed(Exception):
    """The file is not what it says."""


@contextmanager
def parsing(*errors: type[Exception]) -> Iterator[None]:
    """Around a library that parses a stranger's bytes: these errors of it are raised as `Malformed`."""
    try:
        yield
    except RecursionError:
        raise
    except errors as exc:
        raise Malformed(f"{type(exc).__name__}: {exc}") from exc


class HtmlToMarkdown(HTMLParser):
    """Collects the text of an HTML page as Markdown: headings and paragraphs, nothing that is not shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title, self.parts = "", list[str]()
        self.hidden, self.in_title = 0, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a heading or a block."""
        self.hidden += tag in HIDDEN_TAGS
        self.in_title = self.in_title or tag == "title"
        if tag in HEADING_MARKS:
            self.parts.append(f"\n\n{HEADING_MARKS[tag]} ")
        elif tag in BLOCK_TAGS:
            self.parts.append("\n\n" if tag != "br" else "\n")

    def handle_endtag(self, tag: str) -> None:
        """End a heading or a block."""
        self.hidden -= tag in HIDDEN_TAGS and self.hidden > 0
        self.in_title = self.in_title and tag != "title"
        if tag in HEADING_MARKS or tag in BLOCK_TAGS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        """Text between tags, with runs of white space as one space."""
        if self.in_title:
            self.title += data
        elif not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def html(data: bytes) -> TitleAndText:
    """Headings and paragraphs of a UTF-8 page. Raises `UnicodeDecodeError`, a `ValueError`."""
    page = HtmlToMarkdown()
    page.feed(_decode(data))
    page.close()
    return " ".join(page.title.split()), _join_lines("".join(page.parts))


def pdf(data: bytes) -> TitleAndText:
    """Each page under a heading `p. N`, so that an answer can say which. Raises `Malformed`, `ValueError`."""
    # A third of a second that the other kinds do not need.
    import pypdf  # noqa: PLC0415
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    with parsing(PyPdfError, *PDF_ERRORS):
        document = pypdf.PdfReader(io.BytesIO(data))
        if _declared_pages(document) > MAX_PAGES or len(document.pages) > MAX_PAGES:
            raise ValueError(f"more than {MAX_PAGES} pages")
        pages = [(number, page.extract_text().strip()) for number, page in enumerate(document.pages, start=1)]
        title = document.metadata.title if document.metadata else None
    return str(title or ""), "\n\n".join(f"## p. {number}\n\n{text}" for number, text in pages if text)


def docx(data: bytes) -> TitleAndText:
    """Paragraphs of the body; styles called Heading N become headings. Raises `Malformed`, `ValueError`."""
    with parsing(*ZIP_ERRORS, KeyError, ElementTree.ParseError), zipfile.ZipFile(io.BytesIO(data)) as archive:
        body = archive.getinfo("word/document.xml")
        if body.file_size > MAX_XML_BYTES:
            raise ValueError(f"unpacks to {body.file_size} bytes")
        root = ElementTree.fromstring(archive.read(body))
    return "", "\n\n".join(filter(None, map(_paragraph, root.iter(f"{NAMESPACE}p"))))


def csv_table(data: bytes) -> TitleAndText:
    """A line a row, each value with its column's name, so that a row can be found by itself.

    Raises `Malformed`, `UnicodeDecodeError`."""
    sample = _decode(data)
    with parsing(csv.Error):
        dialect = csv.Sniffer().sniff(sample[:4_096], delimiters=",;\t|")
        rows = list(csv.DictReader(io.StringIO(sample), dialect=dialect))
    lines = ("; ".join(f"{name}: {value}" for name, value in row.items() if name and value) for row in rows)
    return "", "\n\n".join(line for line in lines if line)


PARSERS: dict[str, Callable[[bytes], TitleAndText]] = {
    ".html": html,
    ".htm": html,
    ".pdf": pdf,
    ".docx": docx,
    ".csv": csv_table,
}


def _declared_pages(document: "PdfReader") -> int:
    """How many pages the file itself says it has, without walking to each."""
    tree = document.root_object["/Pages"].get_object()
    count = tree.get("/Count", 0) if isinstance(tree, dict) else 0
    return count if isinstance(count, int) else 0


def _paragraph(paragraph: ElementTree.Element) -> str:
    """Its text; with a heading's marks when its style is Heading N, in English or Spanish."""
    text = "".join(node.text or "" for node in paragraph.iter(f"{NAMESPACE}t")).strip()
    style = paragraph.find(f"{NAMESPACE}pPr/{NAMESPACE}pStyle")
    name = (style.get(f"{NAMESPACE}val") or "") if style is not None else ""
    level = name[-1:] if name.lower().startswith(("heading", "ttulo", "título")) else ""
    return f"{'#' * int(level)} {text}" if text and level.isdigit() and level != "0" else text


def _decode(data: bytes) -> str:
    return data.decode("utf-8-sig")


def _join_lines(text: str) -> str:
    blocks = (" ".join(block.split()) for block in text.split("\n\n"))
    return "\n\n".join(block for block in blocks if block.strip("# "))
