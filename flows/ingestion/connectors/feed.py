"""Feeds (RSS, Atom): the pages that a site tells as new, and when each was written or changed. Pure."""

import io
from collections.abc import Iterator
from urllib.parse import urljoin

import feedparser

from flows.ingestion.unreadable import Unreadable

ROOTS = frozenset({"rss", "feed", "RDF"})


def read_feed(data: bytes, url: str) -> Iterator[tuple[str, str]]:
    """`(address, when it changed)` of the page of each item of the feed at `url`; items without a page are
    left out. Raises Unreadable for what is no feed."""
    # From a file: given bytes or text it would take them for a name or an address, and go there.
    found = feedparser.parse(io.BytesIO(data), sanitize_html=False, resolve_relative_uris=False)
    if found.bozo and not found.entries:
        raise Unreadable("malformed", detail=str(found.get("bozo_exception", ""))[:200])
    for item in found.entries:
        if link := str(item.get("link") or ""):
            when = next((item[key] for key in ("updated", "published") if key in item), "")
            yield urljoin(url, link), str(when)
