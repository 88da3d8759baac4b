"""Plain text and Markdown: YAML front matter is split off, the first heading is found.

It imports little: the process that reads hostile files starts for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import yaml

from flows.ingestion.encoding import decode
from flows.ingestion.unreadable import Unreadable

if TYPE_CHECKING:
    from tools.schema import JsonObject

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdx", ".qmd"})
TEXT_SUFFIXES = MARKDOWN_SUFFIXES | {".txt", ".text"}


TAG = re.compile(r"<(?:/?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>|!--)|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});")
"""What may be HTML in a Markdown text."""
HEADING = re.compile(r"(#{1,6})\s+\S")


def front_matter(text: str) -> tuple[JsonObject, str]:
    """`(fields, body)`: YAML between `---` lines at the top; without it, no fields and all the text. Pure."""
    if not text.startswith("---\n"):
        return {}, text
    head, mark, body = text[4:].partition("\n---\n")
    if not mark:
        return {}, text
    try:
        values = yaml.safe_load(head)
    except yaml.YAMLError:
        return {}, text
    return (values, body.lstrip("\n")) if isinstance(values, dict) else ({}, text)


def first_heading(text: str) -> str:
    """The first Markdown heading without its marks, or nothing. Pure."""
    return next((line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")), "")


def parse_text(data: bytes, suffix: str) -> tuple[JsonObject, str]:
    """`(front matter, body)`; only Markdown has front matter. Raises `Unreadable`."""
    text = decode(data)
    head, body = front_matter(text) if suffix in MARKDOWN_SUFFIXES else ({}, text)
    if not body.strip():
        raise Unreadable("empty")
    return head, body


def cut(text: str, size: int) -> Iterator[tuple[int, str]]:
    """`(where it starts, piece)`: at most `size` characters each, cut before a heading, an empty line, a line
    or a space. Pure."""
    start = 0
    while len(text) - start > size:
        end = start + size
        for mark in ("\n# ", "\n## ", "\n\n", "\n", " "):
            found = text.rfind(mark, start + size // 2, end)
            if found > 0:
                end = found
                break
        yield _stripped(text, start, end)
        start = end
    yield _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> tuple[int, str]:
    piece = text[start:end].lstrip("\n")
    return end - len(piece), piece.rstrip("\n")


def places_within(places: list[JsonObject], start: int, size: int, shift: int) -> list[JsonObject]:
    """The places (by their `start`) of a piece of a text that begins at `start`, as what stands in a document
    whose first `shift` characters are others. Pure."""
    before = [place for place in places if place["start"] <= start][-1:]
    inside = [place for place in places if start < place["start"] < start + size]
    return [{**place, "start": max(place["start"] - start, 0) + shift} for place in before + inside]


def headings_above(text: str, above: list[str]) -> list[str]:
    """The headings that what follows a text stands below; `above` are those that it is below itself. Pure."""
    path = list(above)
    for line in text.split("\n"):
        if found := HEADING.match(line):
            path = [*(one for one in path if len(one) - len(one.lstrip("#")) < len(found[1])), line]
    return path
