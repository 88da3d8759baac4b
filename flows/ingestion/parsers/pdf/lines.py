"""The text of a PDF page becomes lines: where each is, how large, and where its cells are parted."""

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from statistics import median
from typing import TypeAlias

import pypdfium2
import pypdfium2.raw as pdfium

HYPHENS = "\x02\ufffe\u00ad"
"""What PDFium writes for a hyphen at a line's end; it and a soft hyphen part no word."""
LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
CELL_GAP = 1.1
"""A gap of so many heights of the letters parts two cells, not two words."""
SAME_HEIGHT = 0.3
MOST_SPACED = 14
"""Letters a word at most where letters are set apart and the spaces between words are still there."""


Cell: TypeAlias = tuple[int, float, float]


@dataclass
class Line:
    """One line: `text`, and its cells as `(position in text, left, right edge)`. Edges in points; `right` is
    where the last letter ends, `bottom` the base line; `turned` is text that does not run across."""

    text: str
    left: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    size: float = 0.0
    bold: bool = False
    turned: bool = False
    cells: tuple[Cell, ...] = ()


class PageText:
    """The characters of one page, and what PDFium knows of each."""

    def __init__(self, text: pypdfium2.PdfTextPage) -> None:
        self.raw = text.raw
        self.count = text.count_chars()
        content = text.get_text_range() if self.count else ""
        if len(content) != self.count:  # signs beyond the first plane are two of its units
            content = "".join(chr(pdfium.FPDFText_GetUnicode(self.raw, index)) for index in range(self.count))
        self.content = content
        self._edges = tuple(ctypes.c_double() for _ in range(4))
        self._references = tuple(map(ctypes.byref, self._edges))
        self._matrix = pdfium.FS_MATRIX()

    def edges(self, index: int) -> tuple[float, float]:
        """Left and right of a letter's ink."""
        pdfium.FPDFText_GetCharBox(self.raw, index, *self._references)
        return self._edges[0].value, self._edges[1].value

    def base(self, index: int) -> float:
        """The height that a letter stands on."""
        pdfium.FPDFText_GetCharOrigin(self.raw, index, *self._references[:2])
        return self._edges[1].value

    def size(self, index: int) -> tuple[float, bool]:
        """A letter's size as it is shown, and whether it is turned."""
        pdfium.FPDFText_GetMatrix(self.raw, index, ctypes.byref(self._matrix))
        matrix = self._matrix
        scale = hypot(matrix.c, matrix.d) or 1.0
        return round(pdfium.FPDFText_GetFontSize(self.raw, index) * scale, 1), abs(matrix.b) > abs(matrix.a)

    def is_bold(self, index: int) -> bool:
        """Whether a letter's font is called bold."""
        name = ctypes.create_string_buffer(96)
        pdfium.FPDFText_GetFontInfo(self.raw, index, name, 96, ctypes.byref(ctypes.c_int()))
        return re.search(rb"(?i)bold|black|heavy|-bd|cmbx|demi", name.value) is not None

    def is_generated(self, index: int) -> bool:
        """Whether PDFium put this space where it saw a gap."""
        return pdfium.FPDFText_IsGenerated(self.raw, index) == 1


def read_lines(text: pypdfium2.PdfTextPage) -> list[Line]:
    """The lines of a page in the order that the page has them."""
    page = PageText(text)
    lines: list[Line] = []
    for found in re.finditer(r"[^\r\n\0]+", page.content):
        spans = [
            (found.start() + word.start(), found.start() + word.end())
            for word in re.finditer(r"\S+", found[0])
        ]
        if spans:
            _add(lines, _line(page, _respaced(page, spans)))
    return lines


def _add(lines: list[Line], line: Line) -> None:
    """What goes on to the right of the last line at the same height is another cell of it."""
    last = lines[-1] if lines else None
    if (
        last is None
        or last.turned
        or line.turned
        or abs(last.bottom - line.bottom) > SAME_HEIGHT * max(line.size, 1)
        or line.left <= last.right
        or last.text[-1] in HYPHENS
    ):
        lines.append(line)
        return
    start = len(last.text) + 1
    cells = (*last.cells, *((start + place, left, right) for place, left, right in line.cells))
    whole = f"{last.text} {line.text}"
    lines[-1] = Line(
        whole, last.left, line.right, last.bottom, last.size, last.bold and line.bold, cells=cells
    )


def _line(page: PageText, spans: list[tuple[int, int]]) -> Line:
    first, last = spans[0][0], spans[-1][1] - 1
    size, turned = page.size(spans[len(spans) // 2][0])  # the first may be the mark of a note
    text, cells, before = "", list[Cell](), 0.0
    for start, end in spans:
        left, right = page.edges(start)[0], page.edges(end - 1)[1]
        if not text or left - before > CELL_GAP * max(size, 4.0):
            cells.append((len(text) + 1 if text else 0, left, right))
        word = page.content[start:end].replace(" ", "").translate(LIGATURES)
        text += f" {word}" if text else word
        before, cells[-1] = right, (*cells[-1][:2], right)
    bold = page.is_bold(first) and page.is_bold(last)
    return Line(text, cells[0][1], before, page.base(first), size, bold, turned, tuple(cells))


def _respaced(page: PageText, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Letters that are set far apart (`c o m o  e s t a s`) get their words from the spaces that the file
    has, or from the gaps."""
    words = [page.content[start:end] for start, end in spans]
    letters = sum(word.isalpha() for word in words)
    if len(words) < 5 or 2 * sum(len(word) <= 2 for word in words) < len(words) or letters < 0.7 * len(words):
        return spans
    between = [range(end, start) for (_, end), (start, _) in pairwise(spans)]
    real = [not all(map(page.is_generated, spaces)) for spaces in between]
    if all(real):
        return spans
    if sum(real) * MOST_SPACED > sum(map(len, words)):
        return list(_merged(spans, real))
    glyphs = [index for start, end in spans for index in range(start, end)]
    edges = list(map(page.edges, glyphs))
    gaps = [after[0] - before[1] for before, after in pairwise(edges)]
    wide = 2 * max(median(gaps), 0.1)
    return list(_merged([(index, index + 1) for index in glyphs], [gap > wide for gap in gaps]))


def _merged(spans: list[tuple[int, int]], parted: list[bool]) -> Iterator[tuple[int, int]]:
    """The spans, those that are not parted as one."""
    start, end = spans[0]
    for (left, right), apart in zip(spans[1:], parted, strict=True):
        if apart:
            yield start, end
            start = left
        end = right
    yield start, end


def without_hyphen(text: str) -> tuple[str, bool]:
    """A line without the hyphen that parts its last word, and whether it had one. Pure."""
    if re.search(rf"(?:[{HYPHENS}]|[^\W\d_]-)$", text):
        return text[:-1], True
    return text, False
