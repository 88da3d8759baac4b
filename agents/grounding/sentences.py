"""Splits a text into sentences, whole or while it streams. Pure: pieces joined are the text again.

A sentence takes its citation marks with it; a line is never longer than one, and fenced code is one piece.
"""

import re
from typing import NamedTuple

MARKS = r"(?:\s*\[\d{1,3}\])"
_END = re.compile(rf"[.!?…]+[\"'»”)\]*_]*{MARKS}*[.,;:]?\s+(?!\[\d|\[$)|\n+(?=[^\n])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:sr|sra|srta|dr|dra|prof|art|arts|n[uú]m|p[aá]gs?|p|ej|ee|uu|cf|vs|aprox|mr|mrs|ms|st|fig|no|vol|"
    r"e\.g|i\.e|p\.\s?ej)|\b[A-ZÁÉÍÓÚÑ]|^\s*\d{1,2})\.\s+$",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)


class Sentence(NamedTuple):
    """A sentence and where it stands in its text, white space that follows included."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Behind its last visible character."""
        return self.start + len(self.text.rstrip())


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of `text`, in order and without a gap."""
    found: list[Sentence] = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.end()]
        if _is_open(piece) or (not end[0].startswith("\n") and _goes_on(piece, text[end.end() :])):
            continue
        found.append(Sentence(piece, start))
        start = end.end()
    return [*found, Sentence(text[start:], start)] if start < len(text) else found


class SentenceBuffer:
    """Holds the pieces of a text back until their sentence is complete."""

    def __init__(self) -> None:
        self.pending = ""

    def feed(self, piece: str) -> list[str]:
        """Sentences that are complete now."""
        *ready, last = split_sentences(self.pending + piece) or [Sentence("", 0)]
        self.pending = last.text
        return [sentence.text for sentence in ready]

    def end(self) -> list[str]:
        """What was held back, once no more pieces come."""
        rest, self.pending = self.pending, ""
        return [rest] if rest else []


def _is_open(piece: str) -> bool:
    """Whether fenced code began and has not ended."""
    return len(_FENCE.findall(piece)) % 2 == 1


def _goes_on(piece: str, rest: str) -> bool:
    """Whether a stop was no end: an abbreviation, a number of a list, a small letter behind it."""
    return not rest or bool(_ABBREVIATED.search(piece)) or rest[0].islower()
