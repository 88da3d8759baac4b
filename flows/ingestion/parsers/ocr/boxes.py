"""Boxes that a reader found on a picture become lines: columns one after the other, cells of a row together.

Pure: where boxes stand is all that it looks at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from flows.ingestion.parsers.pdf.lines import CELL_GAP, Line

LETTERS = 0.8
"""A letter's size, as a share of its box's height: a box has a margin."""
HEADING = 1.35
"""Boxes of one size differ by the letters in them; from so many times the usual height on it is another."""
PROSE_CHARS, PROSE_LINES = 25, 4
"""A column of text has so many lines of at least so many letters; what is shorter are cells."""


@dataclass(frozen=True)
class Box:
    """A text and its edges; heights count from the picture's lower edge."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return self.top - self.bottom


def lines_of(boxes: Sequence[Box]) -> list[Line]:
    """The lines of a picture in reading order."""
    boxes = [box for box in boxes if box.text.strip()]
    if not boxes:
        return []
    usual = median(box.height for box in boxes)
    return [_line(row, usual) for column in _columns(boxes) for row in _rows(column)]


def _columns(boxes: Sequence[Box]) -> list[list[Box]]:
    """The boxes as they are read: what runs over both columns parts what is above from what is below."""
    middle = (min(box.left for box in boxes) + max(box.right for box in boxes)) / 2
    prose = [box for box in boxes if len(box.text) >= PROSE_CHARS]
    slack = 2 * median(box.height for box in boxes)
    right = [box for box in prose if box.left > middle - slack]
    left = [box for box in prose if box.right < middle + slack]
    if min(len(left), len(right)) < PROSE_LINES:
        return [list(boxes)]
    gutter = (max(box.right for box in left) + min(box.left for box in right)) / 2
    across = sorted((box for box in boxes if box.left < gutter < box.right), key=lambda box: -box.top)
    parts: list[list[Box]] = []
    rest = [box for box in boxes if box not in across]
    for bar in [*across, None]:
        above = [box for box in rest if bar is None or box.bottom >= bar.bottom]
        rest = [box for box in rest if box not in above]
        parts += [[box for box in above if box.right <= gutter], [box for box in above if box.left >= gutter]]
        parts += [[bar]] if bar else []
    return [part for part in parts if part]


def _rows(boxes: Sequence[Box]) -> list[list[Box]]:
    """Boxes side by side, from the top."""
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: -(box.top + box.bottom)):
        last = rows[-1][0] if rows else None
        if last is not None and abs(last.top + last.bottom - box.top - box.bottom) < min(
            last.height, box.height
        ):
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: box.left) for row in rows]


def _line(row: Sequence[Box], usual: float) -> Line:
    height = max(box.height for box in row)
    size = LETTERS * (usual if height < HEADING * usual else round(2 * height / usual) / 2 * usual)
    text, cells = "", list[tuple[int, float, float]]()
    for box in row:
        if not cells or box.left - cells[-1][2] > CELL_GAP * size:
            cells.append((len(text) + 1 if text else 0, box.left, box.right))
        cells[-1] = (*cells[-1][:2], box.right)
        text += f" {box.text.strip()}" if text else box.text.strip()
    bottom = min(box.bottom for box in row)
    return Line(text, row[0].left, row[-1].right, bottom, round(size, 1), cells=tuple(cells))
