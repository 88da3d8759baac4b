"""Lines of PDF pages become blocks: headings by size, paragraphs without hyphens, tables by their columns.

It knows nothing of PDF: where lines stand and how large they are is all that it looks at.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.pdf.columns import read_table, table_end
from flows.ingestion.parsers.pdf.lines import HYPHENS, Line, without_hyphen

HEADING_SIZE = 1.15
HEADING_CHARS = 140
MARGIN_LINES = 3
REPEATED_PAGES = 3
REPEATED_SHARE = 0.3
COUNTED_LINES = 9
BULLET = re.compile(r"^(?:[•●○◦▪■□–—*‣·-]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
LABEL = re.compile(r"[^\W\d_a-z][^:.]{0,30}:\s")
RULE = re.compile(r"[-=_*.~·\s]{5,}")
LEADERS = re.compile(r"(?:\s?[.·_]){5,}\s?")
"""The dots from a title to its page."""
MONEY = re.compile(r"[$€£]\s?\d|\d\s?[$€£]|\d[.,]\d\d\b")
JUMP = 4.0
"""So many heights of its letters below the line before it a line goes on somewhere else."""
ENDED = re.compile(r"[.!?:;…»”\"')]\s*$")


@dataclass(frozen=True)
class Layout:
    """Of a whole document: the size of its running text, and of each heading from the largest; whether much
    of it is bold."""

    size: float
    headings: tuple[float, ...]
    bold: bool = False


def layout_of(pages: Sequence[Sequence[Line]]) -> Layout:
    """The sizes that a document uses. Pure."""
    written: Counter[float] = Counter()
    bold = 0
    for lines in pages:
        for line in lines:
            written[line.size] += len(line.text)
            bold += line.bold * len(line.text)
    if not written:
        return Layout(0.0, ())
    body = written.most_common(1)[0][0]
    larger = sorted((size for size in written if size >= HEADING_SIZE * body and body > 0), reverse=True)
    steps: list[float] = []
    for size in larger:
        if not steps or steps[-1] - size > 0.06 * size:
            steps.append(size)
    return Layout(body, tuple(steps), 3 * bold > sum(written.values()))


def without_margins(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """The pages without running headers, footers and page numbers; a text that repeats is kept once. Pure."""
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({_folded(lines[place]) for place in _margins(lines)})
    often = max(REPEATED_PAGES, REPEATED_SHARE * len(pages))
    kept: list[list[Line]] = []
    shown: set[str] = set()
    for lines in pages:
        gone: set[int] = set()
        for place in _margins(lines):
            name = _folded(lines[place])
            number = re.fullmatch(
                r"[-–—\s]*(?:p[áa]g(?:ina)?\.?|page)?\s*#(?:\s*(?:/|de|of)\s*#)?[-–—\s]*", name
            )
            if (seen[name] >= often and name in shown) or (number and len(pages) > 1):
                gone.add(place)
            shown.add(name)
        gone |= _counted(lines)
        kept.append([line for place, line in enumerate(lines) if place not in gone])
    return kept


def titles_first(lines: Sequence[Line]) -> list[Line]:
    """The lines of a page, those first that are drawn after what they stand above, as a title that a program
    adds to a table that is finished. Pure.

    Such lines end at a jump down the page: otherwise they are the beginning of a text beside another."""
    first, rest, start = list[Line](), list[Line](), 0
    while start < len(lines):
        end = start
        while rest and end < len(lines) and _is_above(lines[end], rest):
            end += 1
        jumps = end == len(lines) or lines[end - 1].bottom - lines[end].bottom > JUMP * lines[end].size
        if end > start and jumps:
            first += lines[start:end]
        else:
            end = max(end, start + 1)
            rest += lines[start:end]
        start = end
    return [*first, *rest]


def _is_above(line: Line, others: Sequence[Line]) -> bool:
    """Whether a line stands above all others, and not beside them."""
    left, right = min(other.left for other in others), max(other.right for other in others)
    higher = line.bottom > max(other.bottom for other in others) + 0.5 * line.size
    return higher and not line.turned and line.left < right and line.right > left


def flow(lines: Sequence[Line], layout: Layout) -> Iterator[str]:
    """The blocks of a page; headings that follow each other are one. Pure."""
    above = ""
    for block in _flow(lines, layout):
        this, before = markdown.HEADING.match(block), markdown.HEADING.match(above)
        if this and before and len(this[1]) <= len(before[1]):
            above = markdown.heading(len(this[1]), f"{before[2]} {this[2]}")
            continue
        yield above
        above = block
    yield above


def _flow(lines: Sequence[Line], layout: Layout) -> Iterator[str]:
    lines = [line for line in lines if not RULE.fullmatch(line.text)]
    start = 0
    while start < len(lines):
        end = table_end(lines, start)
        if end > start:
            yield from read_table(lines[start:end], lines[start - 1] if start else None)
        else:
            end = _paragraph_end(lines, start, layout)
            yield _paragraph(lines[start:end], layout)
        start = end


def _counted(lines: Sequence[Line]) -> set[int]:
    """Where the numbers stand that count the lines of a page in its margin."""
    numbers = [
        (place, int(line.text)) for place, line in enumerate(lines) if re.fullmatch(r"\d{1,3}", line.text)
    ]
    pairs = list(pairwise(numbers))
    in_order = sum(after[1] - before[1] == 1 for before, after in pairs)
    return (
        {place for place, _ in numbers}
        if in_order >= COUNTED_LINES and in_order > 0.8 * len(pairs)
        else set()
    )


def _margins(lines: Sequence[Line]) -> list[int]:
    """Where the lines are that may be a header or a footer: the highest, lowest, first and last."""
    by_height = sorted(range(len(lines)), key=lambda place: lines[place].bottom)
    ends = [*range(len(lines))[:MARGIN_LINES], *range(len(lines))[-MARGIN_LINES:]]
    return sorted({*by_height[:MARGIN_LINES], *by_height[-MARGIN_LINES:], *ends})


def _folded(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text.casefold()).strip()


def _level(line: Line, layout: Layout) -> int:
    """A heading's level by its size, 0 for running text; a sum, however large, is what somebody looks for."""
    if len(line.text) > HEADING_CHARS or line.turned or not re.search(r"[^\W\d_]{2}", line.text):
        return 0
    if MONEY.search(line.text):
        return 0
    if line.size < HEADING_SIZE * layout.size:
        is_heading = line.bold and not layout.bold and line.size > 0.95 * layout.size and len(line.cells) == 1
        return min(len(layout.headings) + 1, 5) if is_heading and not ENDED.search(line.text) else 0
    ranks = [rank for rank, size in enumerate(layout.headings, start=1) if line.size >= size * 0.94]
    return min(ranks[0] if ranks else len(layout.headings), 5)


def _paragraph(lines: Sequence[Line], layout: Layout) -> str:
    """Lines as one text; one that ends well before the others, or names a value, stays a line of its own."""
    text, short, right = "", False, max(line.right for line in lines)
    for line in lines:
        text, parted = without_hyphen(text)
        if parted and not line.text[:1].islower():
            text += "-"  # a compound (`Jean-Luc`)
        apart = "\n" if short or LABEL.match(line.text) else " "
        text += line.text if parted or not text else f"{apart}{line.text}"
        short = line.right < right - 0.3 * (right - line.left)
    text = LEADERS.sub(" … ", re.sub(f"[{HYPHENS}]$", "-", text))
    text = re.sub(f"[{HYPHENS}]", "", text)
    level = _level(lines[0], layout)
    if level and len(text) <= 2 * HEADING_CHARS:
        return markdown.heading(level, text)
    return markdown.paragraph(text)


def _paragraph_end(lines: Sequence[Line], start: int, layout: Layout) -> int:
    end = start + 1
    while end < len(lines) and table_end(lines, end) == end and _goes_on(lines, end, layout):
        end += 1
    return end


def _goes_on(lines: Sequence[Line], place: int, layout: Layout) -> bool:
    """Whether a line belongs to the paragraph of the one before it."""
    before, line = lines[place - 1], lines[place]
    level, down = _level(line, layout), before.bottom - line.bottom
    near = abs(line.size - before.size) <= 0.2 * max(line.size, before.size)
    if line.turned != before.turned or level != _level(before, layout) or not near:
        return False
    if level:
        return 0 < down < 1.8 * line.size
    if before.text[-1:] in HYPHENS:
        return True
    is_item = BULLET.match(line.text) is not None and not line.text[:1].islower()
    return not is_item and _reads_on(before, line, down)


def _reads_on(before: Line, line: Line, down: float) -> bool:
    """Whether a sentence or a paragraph goes on in the next line, `down` points below."""
    ended = ENDED.search(before.text) is not None
    if down < 0 or down > 1.7 * line.size:  # the next column, a box beside, or a gap
        return not ended and line.text[:1].islower() and down < 4 * line.size
    indented = line.left - before.left > 0.8 * line.size
    short = before.right < line.right - 8 * line.size
    return not (ended and (indented or short)) and not (short and line.text[:1].isupper())
