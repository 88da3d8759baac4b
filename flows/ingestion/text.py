"""Plain text: bytes become text, front matter is split off, the first heading is found; or why not.

It imports little: the process that reads hostile files starts for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from flows.operations.messages import say

if TYPE_CHECKING:
    from tools.schema import Language

MARKDOWN = frozenset({".md", ".markdown"})
TEXT = MARKDOWN | {".txt", ".text", ".rst"}


class Unreadable(Exception):
    """A document that is not ingested; `key` and `fields` choose the sentence that says why."""

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields

    def say(self, language: Language) -> str:
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


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Split YAML between `---` lines at the top from the body; without it, an empty dict."""
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


def heading(text: str) -> str:
    """The first Markdown heading, or nothing."""
    return next((line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")), "")


def plain(data: bytes, suffix: str) -> tuple[dict[str, Any], str]:
    """Front matter (of Markdown) and body. Raises `Unreadable`."""
    text = decode(data)
    return front_matter(text) if suffix in MARKDOWN else ({}, text)
