"""The web connector: a page, or the pages that a sitemap or a feed at this address names.

Where an address may lead is `tools/fetch.py`'s decision; what a site lets robots read, `robots.py`'s.
"""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from flows.ingestion.connectors.connector import (
    MAX_ENTRIES,
    MAX_STATE,
    Content,
    Entry,
    Listed,
    NotModified,
)
from flows.ingestion.connectors.feed import ROOTS, read_feed
from flows.ingestion.connectors.robots import Robots
from flows.ingestion.connectors.sitemap import read_sitemap, root_of, unpacked
from flows.ingestion.download import suffix_of
from flows.ingestion.identity import identity, source_uri
from flows.ingestion.unreadable import Unreadable
from tools.fetch import Order, Page, fetch
from tools.settings import Settings

MAX_SITEMAPS = 1_000
"""Sitemaps behind one address, those of indexes included."""
ASKED_WITH = {"etag": "if-none-match", "modified": "if-modified-since"}
LISTS = frozenset({".xml", ".rss", ".atom", ".rdf", ".gz"})
LIST_TYPES = frozenset({"application/gzip", "application/x-gzip", "text/xml", "application/xml"})


class Web:
    """Pages by http(s)."""

    def __init__(self, settings: Settings) -> None:
        self.rules = settings.fetch
        self.robots = Robots(settings.fetch)

    def uri(self, address: str) -> str:
        """The page's, or the list's, own address."""
        try:
            return source_uri(address)
        except ValueError as exc:
            raise Unreadable("bad_name") from exc

    def entries(self, address: str) -> Listed:
        """One page, or those that a sitemap (also of sitemaps, also packed) or a feed names."""
        page = self._get(address, Order(wanted=_may_list))
        data = unpacked(page.body)
        match root_of(data):
            case "urlset" | "sitemapindex":
                return Listed(self._sitemaps(page.url, data))
            case name if name in ROOTS:
                return Listed(_entries(read_feed(data, page.url)), exhaustive=False)
            case _:
                return Listed(_entries([(address, "")]))

    def fetch(self, place: str, *, known: str = "") -> Content:
        """A page, unless it is still the one that is known."""
        validator, _, value = known.partition(":")
        asked = {ASKED_WITH[validator]: value} if validator in ASKED_WITH else {}
        page = self._get(place, Order(headers=asked, statuses=(304,) if asked else ()))
        if page.status == 304:
            raise NotModified
        return Content(page.body, suffix_of(page.url, page.content_type), _state(page))

    def close(self) -> None:
        """Nothing stays open."""

    def _get(self, url: str, order: Order) -> Page:
        self.robots.admit(url)
        return asyncio.run(fetch(url, rules=self.rules, order=order))

    def _sitemaps(self, url: str, data: bytes) -> Iterator[Entry]:
        """The pages of a sitemap, and of those that it names, each read once."""
        waiting, known = [(url, data)], {url}
        while waiting:
            url, data = waiting.pop(0)
            data = data or unpacked(self._get(url, Order()).body)
            if root_of(data) != "sitemapindex":
                yield from _entries(read_sitemap(data))
                continue
            for inner, _ in read_sitemap(data):
                if inner not in known:
                    known.add(inner)
                    waiting.append((inner, b""))
            if len(known) > MAX_SITEMAPS:
                raise Unreadable("too_many", count=len(known), limit=MAX_SITEMAPS)


def _state(page: Page) -> str:
    """What a server says of a page's state (HTTP's validators); nothing where that is too long to be kept."""
    told = (f"etag:{page.etag}" if page.etag else "", f"modified:{page.modified}" if page.modified else "")
    return next(
        (
            state
            for state in told
            if state and len(state) <= MAX_STATE and state.isascii() and state.isprintable()
        ),
        "",
    )


def _may_list(url: str, content_type: str) -> bool:
    """Whether it may be a sitemap or a feed, and not just a page."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix in LISTS or content_type in LIST_TYPES or content_type.endswith("+xml")


def _entries(pages: Iterable[tuple[str, str]]) -> Iterator[Entry]:
    known = set[str]()
    for url, changed in pages:
        if not url.lower().startswith(("http://", "https://")):
            continue
        try:
            uri = identity(url)
        except ValueError:  # it is refused by name where it is fetched
            uri = url
        if uri in known:
            continue
        known.add(uri)
        if len(known) > MAX_ENTRIES:
            raise Unreadable("too_many", count=len(known), limit=MAX_ENTRIES)
        yield Entry(uri, url, version=changed, former=url)
