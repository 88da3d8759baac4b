"""Splits a passage (Markdown or text) into units that an answer may quote: sentences, items, rows, code.

A unit remembers the heading and the lead-in it belongs to, because a row without its header says nothing.
It ranks nothing.
"""

import re
from dataclasses import dataclass
from typing import Literal

UnitKind = Literal["sentence", "item", "row", "code"]

_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+(.*)$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_LABELLED = re.compile(r"^\s*[^\s:.][^:.]{0,40}:\s+\S.{0,60}$")
"""A line of a form: what it is, and its value."""
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_FRONT_MATTER = re.compile(r"\A\s*---\n.*?\n---\s*\n", re.DOTALL)
# A full stop ends a sentence when a capital, a digit or an opening sign follows it…
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'»”’)\]]*\s+(?=[\"'«“‘(\[¿¡—–-]*[A-ZÁÉÍÓÚÑÜ0-9])")
# …and what stands before it is no abbreviation or initial.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"«“])(?:[A-Z]|[A-Z]\.[A-Z]|Dr|Dra|Sr|Sra|Srta|St|Sta|Mr|Mrs|Ms|Prof|Jr|vs|etc|EE|UU|a\.C|d\.C|no|núm|"
    r"No|Nº|pág|art|fig|Fig|vol|ed|approx|aprox|e\.g|i\.e|p\.ej|cf|ca|c|Inc|Ltd|Co|Corp|Gen|Col|Sgt|Lt|Av|Ud)\.$"
)

FORM_CHARS = 100


@dataclass(frozen=True)
class Unit:
    """One quotable piece: a sentence, a list item, a table row or a code block.

    `lead` is the sentence that introduces it (ends in a colon), `heading` the last title above it; units with
    the same `block` number come from one paragraph, list or table.
    """

    text: str
    kind: UnitKind
    heading: str = ""
    lead: str = ""
    block: int = 0


def split_units(text: str) -> list[Unit]:
    """The units of a passage in reading order; front matter and comments are left out."""
    found: list[Unit] = []
    heading, lead = "", ""
    for number, block in enumerate(
        _blocks(_COMMENT.sub(" ", _FRONT_MATTER.sub("", text.replace("\ufeff", ""))))
    ):
        title = _HEADING.match(block[0])
        if title:
            heading, lead = title[1], ""
            continue
        new = _block_units(block, heading, lead, number)
        found += new
        lead = new[-1].text if new and new[-1].text.endswith(":") else ""
    return found


def split_sentences(text: str) -> list[str]:
    """The sentences of running text in Spanish or English; abbreviations and initials end none."""
    pieces: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text[max(0, start, end.start() - 12) : end.start()]):
            pieces.append(text[start : end.end()].strip())
            start = end.end()
    return [piece for piece in [*pieces, text[start:].strip()] if piece]


def _blocks(text: str) -> list[list[str]]:
    """Groups of lines that belong together: a paragraph, a list, a table, a fence; headings stand alone."""
    groups: list[list[str]] = []
    current: list[str] = []
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            current = _close(groups, current) if not fenced else current
            current.append(line)
            fenced = not fenced
            current = current if fenced else _close(groups, current)
        elif fenced:
            current.append(line)
        elif not line.strip():
            current = _close(groups, current)
        elif _HEADING.match(line):
            _close(groups, current)
            current = _close(groups, [line])
        else:
            if current and _line_kind(line) != _line_kind(current[-1]) and not _continues(current, line):
                current = _close(groups, current)
            current.append(line)
    _close(groups, current)
    return groups


def _close(groups: list[list[str]], current: list[str]) -> list[str]:
    """Add `current` to the groups, if it has any line; the empty group that follows it."""
    if current:
        groups.append(current)
    return []


def _line_kind(line: str) -> str:
    if _ITEM.match(line):
        return "item"
    return "row" if line.lstrip().startswith("|") or _TABLE_RULE.match(line) else "text"


def _continues(current: list[str], line: str) -> bool:
    """An indented line under a list item is that item's text."""
    return line[:2].isspace() and any(_ITEM.match(earlier) for earlier in current)


def _block_units(block: list[str], heading: str, lead: str, number: int) -> list[Unit]:
    if _FENCE.match(block[0]):
        return [Unit("\n".join(block), "code", heading, lead, number)]
    if _line_kind(block[0]) == "row":
        return [Unit(row, "row", heading, lead, number) for row in _rows(block)]
    if _line_kind(block[0]) == "item":
        return [Unit(item, "item", heading, lead, number) for item in _items(block)]
    if _is_form(block):
        return [Unit(line.strip(), "row", heading, lead, number) for line in block]
    text = " ".join(line.strip().lstrip(">").strip() for line in block)
    return [Unit(piece, "sentence", heading, lead, number) for piece in split_sentences(text)]


def _is_form(block: list[str]) -> bool:
    """Whether lines are entries of a form, of which each reads alone, and no running text."""
    labelled = sum(bool(_LABELLED.match(line)) for line in block)
    return len(block) > 1 and 2 * labelled > len(block) and all(len(line) <= FORM_CHARS for line in block)


def _items(block: list[str]) -> list[str]:
    items: list[str] = []
    for line in block:
        found = _ITEM.match(line)
        if found:
            items.append(found[1].strip())
        elif items:
            items[-1] += " " + line.strip()
    return [item for item in items if item]


def _rows(block: list[str]) -> list[str]:
    """Each body row as `header: cell; header: cell`, so that it reads alone."""
    lines = [_cells(line) for line in block if not _TABLE_RULE.match(line)]
    if len(lines) < 2:
        return ["; ".join(cell for cell in line if cell) for line in lines]
    header, *body = lines
    return [
        "; ".join(
            f"{name}: {cell}" if name else cell
            for name, cell in zip([*header, *[""] * len(row)], row, strict=False)
            if cell
        )
        for row in body
    ]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
