"""Writes Markdown: blocks, and tables as blocks of whole rows that each repeat the header row.

A block is no longer than the bridge's chunking keeps in one piece, so that no row is cut from its header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.schema import JsonObject

BLOCK_TOKENS = 165
"""Under the target of `servers/bridge/text/chunking.py`, counted as it counts."""
TOKENS_A_WORD = 1.35
HEADING = re.compile(r"(#{1,6}) +(.*)")
_MARKS = re.compile(r"^(#{1,6} |```|~~~)")


@dataclass(frozen=True)
class Mark:
    """Between blocks: what follows is at this place of the file, a page or slide, or rows of a sheet."""

    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    rows: tuple[int, int] | None = None


def heading(level: int, text: str) -> str:
    """A heading on one line; nothing for no text. Pure."""
    text = " ".join(text.split())
    return f"{'#' * min(max(level, 1), 6)} {text}" if text else ""


def paragraph(text: str) -> str:
    """Text whose lines do not begin like a heading or a fence. Pure."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(_MARKS.sub(r"\\\1", line) for line in lines if line)


def fence(text: str) -> str:
    """Lines as they are, between fences. Pure."""
    text = text.strip("\n").rstrip()
    if not text.strip():
        return ""
    mark = "~~~" if "```" in text else "```"
    return f"{mark}\n{text}\n{mark}"


def tokens(text: str) -> int:
    """About how many word pieces a text makes. Pure."""
    return int(len(text.split()) * TOKENS_A_WORD) + len(text) // 400


def join(blocks: Iterable[str]) -> str:
    """The blocks, a blank line between each two; a heading with nothing below it becomes a paragraph, since
    a heading alone is in no passage. Pure."""
    return "\n\n".join(_kept(blocks))


def placed(blocks: Iterable[str | Mark]) -> tuple[str, list[JsonObject]]:
    """The blocks as `join` writes them, and the places that the marks between them stand for. Pure."""
    marks: list[tuple[int, Mark]] = []
    written: list[str] = []
    for block in blocks:
        if isinstance(block, Mark):
            marks.append((len(written), block))
        elif block.strip():
            written.append(block)
    kept = _kept(written)
    starts = [0]
    for block in kept:
        starts.append(starts[-1] + len(block) + len("\n\n"))
    places = {number: mark for number, mark in marks if number < len(kept)}
    found = [{"start": starts[number], **_told(mark)} for number, mark in places.items()]
    return "\n\n".join(kept), found


def _told(mark: Mark) -> JsonObject:
    return {name: value for name, value in vars(mark).items() if value is not None}


def _kept(blocks: Iterable[str]) -> list[str]:
    """The blocks that hold anything, headings with nothing below them as paragraphs."""
    kept = [block for block in blocks if block.strip()]
    for number, (block, following) in enumerate(pairwise([*kept, "# "])):
        this, after = HEADING.fullmatch(block), HEADING.match(following)
        if this and after and len(after[1]) <= len(this[1]):
            kept[number] = this[2]
    return kept


def table(rows: Iterable[Sequence[str]], *, headers: int = 1, lead: str = "") -> list[str]:
    """Blocks of a table whose first `headers` rows name the columns (0: none do); without names each block
    begins with `lead`. Pure."""
    filled = _filled([[cell(text) for text in row] for row in rows])
    if not filled:
        return []
    if len(filled[0]) == 1:
        return _column([row[0] for row in filled], titled=headers > 0)
    names, body = _names(filled, headers)
    if not body:
        return [_line(names)]
    return [block for _, block in packed(names, body, lead=lead)]


def packed(
    names: Sequence[str], body: Iterable[Sequence[str]], *, lead: str = ""
) -> Iterator[tuple[int, str]]:
    """`(rows, block)` of a table; a row that is too long for a passage becomes values with their names."""
    head = [_line(names), "|" + "---|" * len(names)] if any(names) else [lead] if lead else []
    start = sum(map(tokens, head))
    block, size = list[str](), start
    for row in body:
        line = _line(row)
        new = tokens(line)
        if block and size + new > BLOCK_TOKENS:
            yield len(block), "\n".join([*head, *block])
            block, size = [], start
        if start + new > BLOCK_TOKENS:
            yield 1, "\n\n".join(_record(names, row))
            continue
        block.append(line)
        size += new
    if block:
        yield len(block), "\n".join([*head, *block])


def blocks_of(lines: Iterable[str], *, head: Sequence[str] = ()) -> Iterator[list[str]]:
    """Lines in blocks of about `BLOCK_TOKENS`, each after the lines of `head`. Pure."""
    start = sum(map(tokens, head))
    block, size = list[str](), start
    for line in lines:
        if block and size + tokens(line) > BLOCK_TOKENS:
            yield [*head, *block]
            block, size = [], start
        block.append(line)
        size += tokens(line)
    if block:
        yield [*head, *block]


def _record(names: Sequence[str], row: Sequence[str]) -> Iterator[str]:
    """`name: value; …`; what does not fit one block goes on in the next, after the row's first value."""
    values = [f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=True) if cell]
    for number, block in enumerate(blocks_of(values)):
        yield "; ".join(
            block if number == 0 or tokens(values[0]) > BLOCK_TOKENS // 4 else [values[0], *block]
        )


def _names(rows: list[list[str]], headers: int) -> tuple[list[str], list[list[str]]]:
    """One name a column from the header rows, and the rows below."""
    if headers == 0:
        return [""] * len(rows[0]), rows
    columns = zip(*rows[:headers], strict=True)
    return [" ".join(dict.fromkeys(filter(None, column))) for column in columns], rows[headers:]


def _filled(rows: list[list[str]]) -> list[list[str]]:
    """The rows and columns that hold anything, all of one width."""
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    used = [any(column) for column in zip(*rows, strict=True)]
    return [[cell for cell, keep in zip(row, used, strict=True) if keep] for row in rows]


def _column(cells: list[str], *, titled: bool) -> list[str]:
    """A table of one column is a list below its name."""
    name, items = (cells[0], cells[1:]) if titled and len(cells) > 1 else ("", cells)
    head = [f"{name}:"] if name else []
    return ["\n".join(block) for block in blocks_of((f"- {cell}" for cell in items), head=head)]


def cell(text: str) -> str:
    """A cell's text on one line. Pure."""
    return " ".join(text.split()).replace("|", "\\|")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
