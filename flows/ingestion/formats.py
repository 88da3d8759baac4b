"""Which parser reads which suffix; a parser is imported when a file needs it.

They run in the sandbox (`flows/ingestion/sandbox.py`), which bounds memory and time. A file that is not what
it says raises `Malformed` or `ValueError`; whatever else is raised is a fault of ours.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from flows.ingestion.parsers.ocr.recognition import is_installed
from flows.ingestion.unreadable import Unreadable

if TYPE_CHECKING:
    from flows.ingestion.parsers.parts import Part

KINDS = {
    "html.page:parse": ".html .htm .xhtml",
    "pdf.pages:parse": ".pdf",
    "office.word:parse": ".docx .dotx .docm .dotm",
    "office.spreadsheet:parse": ".xlsx .xlsm .xltx .xlsb .xls .ods .ots",
    "office.spreadsheet:parse_delimited": ".csv .tsv .tab",
    "office.slides:parse": ".pptx .ppsx .potx .pptm",
    "office.opendocument:parse": ".odt .ott .odp .otp",
    "epub:parse": ".epub",
    "mail:parse": ".eml",
    "mail:parse_mbox": ".mbox",
    "mail:parse_msg": ".msg",
    "man_page:parse": ".1 .2 .3 .4 .5 .6 .7 .8 .9 .man",
    "plain:parse_rtf": ".rtf",
    "plain:parse_rst": ".rst",
    "plain:parse_asciidoc": ".adoc .asciidoc .asc",
    "plain:parse_latex": ".tex .ltx",
    "plain:parse_tree": ".xml .rss .atom .opml .dbk",
    "plain:parse_lines": ".yaml .yml .toml .ini .cfg .conf .properties .log .diff .patch .dockerfile",
    "plain:parse_code": (
        ".py .pyi .js .mjs .cjs .ts .tsx .jsx .java .kt .scala .go .rs .c .h .cc .cpp .hpp .cs .swift .php "
        ".rb .pl .lua .r .jl .sh .bash .zsh .ps1 .bat .sql .proto .graphql .vue .ex .exs .erl .hs "
        ".ml .clj .dart"
    ),
}
PICTURES = ".png .jpg .jpeg .tif .tiff .bmp .webp"
if is_installed():
    KINDS["ocr.picture:parse"] = PICTURES
PARSERS = {suffix: parser for parser, suffixes in KINDS.items() for suffix in suffixes.split()}
"""By suffix: `module:function` of `flows/ingestion/parsers/`."""

REFUSED = {
    "ocr": PICTURES,
    "other_picture": ".heic .heif .avif .svg",
    "old_office": ".doc .dot .ppt .pps .pages .numbers .key .wpd",
}
"""Kinds of documents that are not read, by what a person can do about it."""
REMEDIES = {
    suffix: key for key, suffixes in REFUSED.items() for suffix in suffixes.split() if suffix not in PARSERS
}


def remedy(name: str) -> Unreadable | None:
    """What to do about a file of a kind that is not read; None where there is nothing to say. Pure."""
    key = REMEDIES.get(PurePosixPath(name).suffix.lower())
    return Unreadable(key) if key else None


def parse_format(suffix: str, data: bytes) -> Iterator[Part]:
    """What a file of this suffix holds. Raises `Malformed`, `Unreadable`, `ValueError`."""
    module, _, name = PARSERS[suffix].partition(":")
    yield from getattr(importlib.import_module(f"flows.ingestion.parsers.{module}"), name)(data, suffix)
