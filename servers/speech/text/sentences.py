"""Text to sentences, each with the pause after it; long ones at a comma, or else at a space. Pure."""

import re
from typing import Final, NamedTuple

MAX_CHARS: Final = 240
FIRST_CHARS: Final = 90
"""The first piece is shorter: what it takes to make it is what a listener waits for."""
SENTENCE_S, PARAGRAPH_S, CLAUSE_S = 0.15, 0.4, 0.0
"""Seconds after a piece, beside the silence at the edges of every piece."""

# After these a full stop ends no sentence, in either language.
ABBREVIATIONS: Final = frozenset(
    """
    sr sra srta sres dr dra drs prof profa ing lic arq dª av avda art arts núm nº pág págs pp cap vol ed
    fig figs tel ej aprox máx mín admón depto dpto izq dcha ud uds vd vds gral st mr mrs ms vs jr inc ltd dept
    est approx e.g i.e eg ie cf fr mt ft ee u.s u.k p.ej sec ch pg
    """.split()
)
_END: Final = re.compile(r"[.!?…]+[\"'»”’)\]]*(?=\s+|$)")
_LAST_WORD: Final = re.compile(r"[\w.ºª]+$")
_CLAUSE: Final = re.compile(r"[,;:—](?=\s)")


class Piece(NamedTuple):
    """What is spoken at once, and the seconds of silence after it."""

    text: str
    pause_s: float


def split(text: str, *, first_chars: int = FIRST_CHARS) -> list[Piece]:
    """All of `text` in pieces of at most `MAX_CHARS`, the first of about `first_chars`."""
    pieces: list[Piece] = []
    for paragraph in re.split(r"\n{2,}", text):
        found = [part for line in paragraph.split("\n") for part in _sentences(line)]
        for number, sentence in enumerate(found):
            pause = PARAGRAPH_S if number == len(found) - 1 else SENTENCE_S
            parts = _clauses(sentence, MAX_CHARS if pieces else first_chars)
            pieces += [Piece(part, CLAUSE_S) for part in parts[:-1]]
            pieces.append(Piece(parts[-1], pause))
    if pieces:
        pieces[-1] = pieces[-1]._replace(pause_s=0.0)
    return pieces


def _sentences(line: str) -> list[str]:
    found: list[str] = []
    start = 0
    for end in _END.finditer(line):
        following = line[end.end() :].lstrip()
        if following and (_abbreviated(line[start : end.start()], end[0]) or following[0].islower()):
            continue
        found.append(line[start : end.end()].strip())
        start = end.end()
    found.append(line[start:].strip())
    return [part for part in found if any(character.isalnum() for character in part)]


def _abbreviated(before: str, end: str) -> bool:
    """Whether a full stop belongs to an abbreviation, an initial or an ordinal's number."""
    if end != ".":
        return False
    word = _LAST_WORD.search(before)
    if word is None:
        return False
    return word[0].lower() in ABBREVIATIONS or (len(word[0]) == 1 and word[0].isalpha())


def _clauses(sentence: str, first: int) -> list[str]:
    """The sentence in parts: the first of about `first` characters, the others of `MAX_CHARS`."""
    parts: list[str] = []
    bound = first
    while len(sentence) > bound:
        window = sentence[: MAX_CHARS + 1]
        commas = [end.end() for end in _CLAUSE.finditer(window) if end.end() >= 20]
        early = [place for place in commas if place <= bound]
        if not early and len(sentence) <= MAX_CHARS:
            early = commas[:1]
        if not early and len(sentence) <= MAX_CHARS:
            break
        cut = early[-1] if early else (commas[-1] if commas else window.rfind(" "))
        cut = cut if cut > 0 else MAX_CHARS
        parts.append(sentence[:cut].strip())
        sentence, bound = sentence[cut:].strip(), MAX_CHARS
    return [*parts, sentence] if sentence or not parts else parts
