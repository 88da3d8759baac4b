"""Sitemaps (sitemaps.org): the pages of a site, and when each changed. Pure."""

import re
import zlib
from collections.abc import Iterator

from flows.ingestion.connectors.foreign_xml import parse_xml
from flows.ingestion.unreadable import Unreadable

MAX_BYTES = 50 * 2**20
"""Of one sitemap, unpacked, as the protocol has it."""
GZIP = b"\x1f\x8b"
COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")


def unpacked(data: bytes) -> bytes:
    """What is in a gzip file; other data as it is. Raises Unreadable."""
    if not data.startswith(GZIP):
        return data
    packed = zlib.decompressobj(wbits=31)
    try:
        plain = packed.decompress(data, MAX_BYTES)
    except zlib.error as exc:
        raise Unreadable("malformed", detail=str(exc)) from exc
    if packed.unconsumed_tail:
        raise Unreadable("too_large", size=f"> {MAX_BYTES}", limit=MAX_BYTES)
    return plain


def root_of(data: bytes) -> str:
    """The name of an XML document's outermost element, without its prefix; empty where there is none."""
    found = ROOT.search(COMMENT.sub(b"", data[:16_384]))
    return found[1].decode() if found else ""


def read_sitemap(data: bytes) -> Iterator[tuple[str, str]]:
    """`(address, when it changed)` of each page of a `urlset`, or of each sitemap of a `sitemapindex`; the
    moment as it is written, or nothing. Raises Unreadable."""
    for item in parse_xml(data):
        values = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in item}
        if values.get("loc"):
            yield values["loc"], values.get("lastmod", "")
