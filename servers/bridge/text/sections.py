"""The sections of a text or Markdown: blocks under one heading path and at one place of a file. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from servers.bridge.text.blocks import FENCE, Span
from tools.schema import Place

HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")


@dataclass
class Section:
    """The headings above, the place where it is, and its blocks in order, none empty."""

    headings: tuple[str, ...]
    place: Place | None
    blocks: list[Span] = field(default_factory=list[Span])

    def close(self, text: str, block: Span | None) -> None:
        """Add a block that has ended, unless there is none or it holds blanks alone."""
        if block is not None and text[block.start : block.end].strip():
            self.blocks.append(block)


def sections(text: str, places: Sequence[Place]) -> Iterator[Section]:
    """Those that have text of their own; `places` in order of `start`."""
    path: list[tuple[int, str]] = []
    section = Section((), None)
    current: Span | None = None
    fenced, passed, offset = False, 0, 0
    for line in text.split("\n"):
        start, offset = offset, offset + len(line) + 1
        moved = _passed(places, passed, start + len(line) - len(line.lstrip()))
        fenced ^= bool(FENCE.match(line))
        found = None if fenced else HEADING.match(line)
        blank = not line.strip() and not fenced
        if found or blank or moved > passed:
            section.close(text, current)
            current = None
        if found or moved > passed:
            if section.blocks:
                yield section
            if found:
                path = [*(item for item in path if item[0] < len(found[1])), (len(found[1]), found[2])]
            passed = moved
            place = places[passed - 1] if passed else None
            section = Section(tuple(name for _, name in path), place)
        if not found and not blank and (line or current is not None):
            current = Span(start if current is None else current.start, start + len(line))
    section.close(text, current)
    if section.blocks:
        yield section


def _passed(places: Sequence[Place], passed: int, start: int) -> int:
    """How many places have begun at a line's first letter."""
    while passed < len(places) and places[passed].start <= start:
        passed += 1
    return passed
