"""Lines of a PDF page whose cells stand below each other become a table."""

import re
from collections.abc import Iterator, Sequence

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.pdf.lines import Line

NUMBER = re.compile(r"[-+(]?[$€£]?\s?\d[\d.,:/%\s€$)-]*")


def table_end(lines: Sequence[Line], start: int) -> int:
    """Where the table ends that begins at a line; `start` when none does. Pure."""
    end, spans = start, list[tuple[float, float]]()
    while end < len(lines) and len(lines[end].cells) > 1:
        own = [(left, right) for _, left, right in lines[end].cells]
        if spans and not any(_overlap(span, other) for span in own[1:] for other in spans):
            break
        spans += own[1:]
        end += 1
    wide = sum(len(line.cells) > 2 for line in lines[start:end])
    return end if end - start > 2 or (end - start == 2 and wide == 2) else start


def read_table(lines: Sequence[Line], above: Line | None) -> Iterator[str]:
    """The blocks of a table. Without a header row of its own it repeats the line above it, which often names
    columns that stand too close to be told apart. Pure."""
    rows = _grid(lines)
    if _is_header(rows):
        yield from markdown.table(rows, headers=1)
        return
    near = above is not None and 0 < above.bottom - lines[0].bottom < 3 * lines[0].size
    yield from markdown.table(rows, headers=0, lead=above.text if near and above is not None else "")


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: no numbers, and as many cells as most rows have."""
    first = [cell for cell in rows[0] if cell]
    if any(NUMBER.fullmatch(cell) for cell in first):
        return False
    widths = sorted(sum(map(bool, row)) for row in rows[1:])
    return len(first) >= widths[len(widths) // 2]


def _grid(lines: Sequence[Line]) -> list[list[str]]:
    """Cells by column: the columns are those of the widest rows, a cell is in the one it overlaps most."""
    most = max(len(line.cells) for line in lines)
    widest = [line.cells for line in lines if len(line.cells) == most]
    columns = [
        (min(left for _, left, _ in column), max(right for *_, right in column))
        for column in zip(*widest, strict=True)
    ]
    rows: list[list[str]] = []
    for line in lines:
        row = [""] * most
        ends = [*(place for place, *_ in line.cells[1:]), len(line.text)]
        for number, ((place, left, right), end) in enumerate(zip(line.cells, ends, strict=True)):
            column = number if len(line.cells) == most else _column(columns, left, right)
            cell = re.sub(r"(?:\s?\.){5,}", " …", line.text[place:end])
            row[column] = f"{row[column]} {cell.strip()}".strip()
        rows.append(row)
    return rows


def _column(columns: Sequence[tuple[float, float]], left: float, right: float) -> int:
    def nearness(number: int) -> tuple[float, float]:
        start, end = columns[number]
        return min(end, right) - max(start, left), -abs(start - left)

    return max(range(len(columns)), key=nearness)


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return min(one[1], other[1]) > max(one[0], other[0])
