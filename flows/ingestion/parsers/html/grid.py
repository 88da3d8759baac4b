"""The grid of an HTML table: rows of cells with spans filled in; and whether it is there for looks alone."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from selectolax.lexbor import LexborNode

Inline: TypeAlias = Callable[[LexborNode], str]
Held: TypeAlias = dict[int, tuple[int, str]]
"""By column: how many more rows a cell from above covers, and its text."""

MAX_SPAN = 200
LONG_CELL_CHARS = 600


def rows_of(table: LexborNode) -> Iterator[LexborNode]:
    """The rows of this table, not of those inside it."""
    for child in table.iter():
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from rows_of(child)


def cells_of(table: LexborNode) -> Iterator[list[LexborNode]]:
    """The cells of each row."""
    for row in rows_of(table):
        yield [cell for cell in row.iter() if cell.tag in ("td", "th")]


def is_layout(table: LexborNode) -> bool:
    """Whether a table only places blocks on a page."""
    if (table.attributes.get("role") or "") in ("presentation", "none"):
        return True
    rows = list(cells_of(table))
    widest = max(map(len, rows), default=0)
    if widest <= 1:
        return True
    cells = [cell for row in rows for cell in row]
    return any(
        len(cell.text()) > LONG_CELL_CHARS
        or cell.css_first("h1, h2, h3, h4, h5, h6, pre, form, hr") is not None
        for cell in cells
    )


def read_table(table: LexborNode, inline: Inline) -> tuple[list[list[str]], int, str]:
    """Rows of text, how many of them name the columns, and the caption."""
    grid: list[list[str]] = []
    held: Held = {}
    headers, in_head = 0, True
    for row in rows_of(table):
        cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
        line, held = _row(cells, held, inline)
        grid.append(line)
        all_names = bool(cells) and all(cell.tag == "th" for cell in cells)
        in_head = in_head and (all_names or (row.parent is not None and row.parent.tag == "thead"))
        headers += in_head
    caption = next((inline(child) for child in table.iter() if child.tag == "caption"), "")
    if headers == 0 and grid and not _names_its_rows(table):
        headers = 1
    return grid, min(headers, max(len(grid) - 1, 0)), caption


def _row(cells: list[LexborNode], held: Held, inline: Inline) -> tuple[list[str], Held]:
    """The texts of a row, those that reach down from above among them, and what reaches into the next."""
    row: list[str] = []
    below: Held = {}

    def put(text: str, down: int) -> None:
        if down > 1:
            below[len(row)] = down - 1, text
        row.append(text)

    for cell in cells:
        while len(row) in held:
            put(held[len(row)][1], held[len(row)][0])
        text, down = cell_text(cell, inline), _span(cell, "rowspan")
        for number in range(_span(cell, "colspan")):
            put(text if number == 0 or cell.tag == "th" else "", down)
    while len(row) in held:
        put(held[len(row)][1], held[len(row)][0])
    return row, below


def cell_text(cell: LexborNode, inline: Inline) -> str:
    """A cell's text on one line; rows of a table inside are parted by semicolons."""
    if cell.css_first("table") is None:
        return inline(cell).replace("\n", " ")
    parts: list[str] = []
    for child in cell.iter(include_text=True):
        tables = [child] if child.tag == "table" else child.css("table") if child.tag != "-text" else []
        if not tables:
            parts.append(inline(child).strip())
            continue
        for inner in tables[:1]:
            parts += [
                "; ".join(", ".join(cell_text(one, inline).strip() for one in row) for row in cells_of(inner))
            ]
    return " ".join(filter(None, parts))


def _names_its_rows(table: LexborNode) -> bool:
    """Whether the first column names the rows: then the first row holds values like the others."""
    rows = [row for row in cells_of(table) if len(row) > 1]
    return bool(rows) and all(row[0].tag == "th" and row[1].tag == "td" for row in rows)


def _span(cell: LexborNode, name: str) -> int:
    value = (cell.attributes.get(name) or "").strip()
    return min(max(int(value), 1), MAX_SPAN) if value.isdecimal() and value.isascii() else 1
