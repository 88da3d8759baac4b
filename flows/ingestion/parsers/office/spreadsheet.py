"""Spreadsheets (XLSX, XLSM, XLSB, XLS, ODS) and delimited text: a sheet is tables, each block a place.

Formulas are read as the values that the program saved; a spreadsheet's own number formats are not.
"""

import csv as delimited
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from flows.ingestion.encoding import decode
from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.parts import Malformed, Parsed, parsing
from flows.ingestion.unreadable import Unreadable

MAX_ROWS = 200_000
NUMBER = re.compile(r"[-+(]?[$€£]?\s?\d[\d.,:/%\s€$)-]*")
DATE = re.compile(r"(?:19|20)\d\d(?:-\d\d){0,2}")
"""What a column may be called although it is a number: a year, a month, a day."""
DELIMITERS = ",;\t|"
SNIFFED_LINES = 30


def parse(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One document of a workbook's sheets. Raises `Malformed`, `Unreadable`, `ValueError`."""
    import python_calamine as calamine  # noqa: PLC0415  (delimited text does not need it)

    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    except calamine.PasswordError as exc:
        raise Unreadable("locked") from exc
    except (calamine.CalamineError, OSError) as exc:
        if data.startswith(b"\xd0\xcf\x11\xe0") and suffix != ".xls":
            raise Unreadable("locked") from exc
        raise Malformed(str(exc)) from exc
    blocks: list[str | markdown.Mark] = []
    with parsing(calamine.CalamineError, OSError):
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            row, _ = sheet.start or (0, 0)
            found = list(_sheet(sheet.iter_rows(), row, name))
            blocks += [markdown.Mark(sheet=name), markdown.heading(1, name), *found] if found else []
    text, places = markdown.placed(blocks)
    yield Parsed(text, metadata={"sheets": len(book.sheet_names)}, headed=False, places=places)


def parse_delimited(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One table, whatever parts its cells. Raises `Malformed`, `Unreadable`."""
    text = decode(data)
    first, _, rest = text.partition("\n")
    if stated := re.fullmatch(r'"?sep=(.)"?', first.strip()):  # what Excel writes for itself
        text, delimiter = rest, stated[1]
    else:
        delimiter = "\t" if suffix == ".tsv" and "\t" in text else delimiter_of(text)
    with parsing(delimited.Error):
        rows = list(delimited.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    text, places = markdown.placed(_sheet(rows, 0, None))
    yield Parsed(text, headed=False, places=places)


def delimiter_of(text: str) -> str:
    """The sign that parts as many cells in each of the first lines, and in as many lines as can be. Pure."""
    lines = [line for line in text.split("\n")[:SNIFFED_LINES] if line.strip()]

    def score(sign: str) -> tuple[float, int]:
        rows = list(delimited.reader(lines, delimiter=sign))
        widths = [len(row) for row in rows]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / max(len(widths), 1) if usual > 1 else 0.0, usual)

    with parsing(delimited.Error):
        best = max(DELIMITERS, key=score)
    return best if score(best)[1] > 1 else ","


def _sheet(rows: Iterable[Sequence[object]], top: int, name: str | None) -> Iterator[str | markdown.Mark]:
    """Tables are parted by empty rows; what follows without names of its own goes on under those above."""
    numbered = ((top + number, [shown(value) for value in row]) for number, row in enumerate(rows, start=1))
    names: list[str] = []
    for is_filled, group in groupby(numbered, key=lambda pair: any(pair[1])):
        if not is_filled:
            continue
        region = list(group)
        if region[-1][0] - top > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} rows")
        if all(sum(map(bool, cells)) == 1 for _, cells in region) and len(region) > 1:
            column = [[next(filter(None, cells))] for _, cells in region]
            yield markdown.Mark(sheet=name, rows=(region[0][0], region[-1][0]))
            yield from markdown.table(column, headers=1 if len(column) > 1 else 0)
            continue
        if sum(map(bool, region[0][1])) == 1:
            yield markdown.Mark(sheet=name)  # what is said above a table, in as many rows as it takes
        while region and sum(map(bool, region[0][1])) == 1:
            yield markdown.paragraph(next(filter(None, region.pop(0)[1])))
        if not region:
            continue
        if _names_columns([cells for _, cells in region]):
            names = region.pop(0)[1]
        if not region:
            yield from markdown.table([names], headers=0)
            continue
        yield from _region(names, region, name)


def _region(
    names: list[str], region: list[tuple[int, list[str]]], sheet: str | None
) -> Iterator[str | markdown.Mark]:
    """The blocks of a table, each at the rows that it shows."""
    width = max(len(names), *(len(cells) for _, cells in region))
    rows = [[*names, *[""] * (width - len(names))]]
    rows += [[*cells, *[""] * (width - len(cells))] for _, cells in region]
    used = [number for number, column in enumerate(zip(*rows, strict=True)) if any(column)]
    kept = [[markdown.cell(row[number]) for number in used] for row in rows]
    place = 0
    for count, block in markdown.packed(kept[0], kept[1:]):
        yield markdown.Mark(sheet=sheet, rows=(region[place][0], region[place + count - 1][0]))
        yield block
        place += count


def _names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: texts alone, and about as many as the rows below have cells."""
    first = [cell for cell in rows[0] if cell]
    if any(NUMBER.fullmatch(cell) and not DATE.fullmatch(cell) for cell in first):
        return False
    below = [sum(map(bool, row)) for row in rows[1:]]
    return not below or len(first) * 2 >= max(below)


def shown(value: object) -> str:
    """A cell's value as a person writes it: whole numbers without `.0`, a day without its midnight. Pure."""
    match value:
        case bool():
            return str(value).upper()
        case float():
            return f"{value:.12g}" if abs(value) < 1e15 else repr(value)
        case datetime.datetime() if value.time() == datetime.time.min:
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(sep=" ", timespec="minutes" if not value.second else "seconds")
        case None:
            return ""
        case _:
            return "" if str(value).startswith("#") and str(value).endswith(("!", "?", "/A")) else str(value)
