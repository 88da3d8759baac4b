"""Plain text and Markdown: bytes are decoded, YAML front matter is split off, the first heading is found.

It imports little: the process that reads hostile files starts for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from flows.operations.messages import say

if TYPE_CHECKING:
    from tools.schema import JsonObject, Language

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
TEXT_SUFFIXES = MARKDOWN_SUFFIXES | {".txt", ".text", ".rst"}


class Unreadable(Exception):
    """A document that is not ingested; `key` and `fields` choose the sentence that says why."""

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields

    def say(self, language: Language) -> str:
        """The reason in a person's language."""
        return say(self.key, language, **self.fields)


def decode(data: bytes) -> str:
    """UTF-8 text, or UTF-16 that says so. Raises `Unreadable` for anything else."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data:
        raise Unreadable("binary")
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise Unreadable("encoding") from exc


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
    return front_matter(text) if suffix in MARKDOWN_SUFFIXES else ({}, text)
