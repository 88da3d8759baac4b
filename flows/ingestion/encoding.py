"""Bytes become characters: by their mark, by what the file says, as UTF-8, as Windows-1252, or by a guess.

It imports little: the process that reads hostile files starts for each of them.
"""

from __future__ import annotations

import codecs

from flows.ingestion.unreadable import Unreadable

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = frozenset(
    "áéíóúüñçàèìòùâêîôûäöëïãõåæøßœÿÁÉÍÓÚÜÑÇÀÈÌÒÙÂÊÎÔÛÄÖËÏÃÕÅÆØŒ«»¿¡ºª°€£·–—“”‘’„…©®™•´¨²³½¼±×§\xa0"
)
WESTERN_SHARE = 0.6
"""In a Western text most letters are ASCII; in a Cyrillic or Greek one of one byte a letter, nearly none."""
SAMPLE = 64 * 1024


def decode(data: bytes, *, declared: str = "") -> str:
    """The text of a file, with line ends as `\\n`. `declared` is the encoding that it names itself.

    Raises `Unreadable` when it is no text."""
    text = _marked(data) or _strict(data, "utf-8") if not _has_nul(data) else _wide(data)
    if text is None and declared:
        text = _strict(data, declared)
    if text is None:
        text = _western(data) or _guessed(data)
    if text is None:
        raise Unreadable("encoding")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _has_nul(data: bytes) -> bool:
    return b"\0" in data


def _marked(data: bytes) -> str | None:
    for mark, name in MARKS:
        if data.startswith(mark):
            return _strict(data, name)
    return None


def _wide(data: bytes) -> str:
    """UTF-16 or UTF-32, with its mark or without. Raises `Unreadable`: other text has no NUL."""
    text = _marked(data)
    if text is None and len(data) % 2 == 0:
        even, odd = data[:SAMPLE:2].count(0), data[1:SAMPLE:2].count(0)
        half = max(len(data[:SAMPLE]) // 2, 1)
        if max(even, odd) > half * 0.6 and min(even, odd) < half * 0.05:
            text = _strict(data, "utf-16-le" if odd > even else "utf-16-be")
    if text is None or "\0" in text:
        raise Unreadable("binary")
    return text


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None


def _western(data: bytes) -> str | None:
    """As Windows-1252, when that reads like a Western text."""
    text = _strict(data, "cp1252") or data.decode("latin-1")
    high = [char for char in text[:SAMPLE] if char > "\x7f"]
    letters = sum(char.isalpha() for char in text[:SAMPLE])
    if sum(char in WESTERN for char in high) < 0.97 * len(high):
        return None
    return text if sum(char.isalpha() for char in high) <= WESTERN_SHARE * max(letters, 1) else None


def _guessed(data: bytes) -> str | None:
    from charset_normalizer import from_bytes  # noqa: PLC0415  (a tenth of a second that few files need)

    best = from_bytes(data[:SAMPLE]).best()
    return data.decode(best.encoding, errors="replace") if best is not None else None
