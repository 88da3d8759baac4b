"""Pages, sitemaps and feeds from a small real site, which counts what it is asked."""

import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from flows.ingestion.listing import list_sources, refusals
from flows.ingestion.loader import load
from tests.conftest import free_ports, settings_in
from tests.serving import serving
from tools.settings import Settings

ALLOWED = {"allow": ("127.0.0.0/8",), "seconds": 20.0}


class Site:
    """`pages` by path; a page has an ETag and answers 304 to who knows it. `robots` is its robots.txt."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.robots: tuple[int, bytes] = (404, b"")
        self.asked: Counter[tuple[str, int]] = Counter()

    def put(self, path: str, body: str | bytes, kind: str = "text/html") -> None:
        data = body.encode() if isinstance(body, str) else body
        self.pages[path] = (
            kind,
            data.replace(b"ROOT", self.root.encode()) if kind != "application/gzip" else data,
        )

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        response = self._page(path, request)
        self.asked[path, response.status_code] += 1
        return response

    def _page(self, path: str, request: Request) -> Response:
        if path == "/robots.txt":
            return Response(self.robots[1], self.robots[0], media_type="text/plain")
        if path == "/inside":
            return RedirectResponse("http://169.254.169.254/latest/meta-data/")
        if path not in self.pages:
            return Response(status_code=404)
        kind, data = self.pages[path]
        etag = f'"{hash(data)}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return Response(data, media_type=kind, headers={"etag": etag})


@pytest.fixture
def site() -> Iterator[Site]:
    [port] = free_ports(1)
    site = Site(port)
    with serving(Starlette(routes=[Route("/{path:path}", site.answer, methods=["GET"])]), port):
        yield site


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, fetch=ALLOWED)


def bring(settings: Settings, *sources: str):
    """`(what was listed, what was read)` of sources."""
    listing = list_sources(sources, settings, None)
    return listing, load(listing.files, settings)


def test_a_page_is_read_once_and_is_called_by_its_address(site: Site, settings: Settings) -> None:
    site.put("/uno", "<html><body><main><h1>Uno</h1><p>El texto.</p></main></body></html>")
    listing, read = bring(settings, f"{site.root}/uno")
    assert [document.id for document in read.documents] == [f"{site.root}/uno"]
    [file], [document] = listing.files, read.documents
    assert document.origin is not None
    assert (document.origin.source_uri, document.origin.hash[:5]) == (f"{site.root}/uno", "etag:")
    again = load([replace(file, known=document.origin.hash)], settings)
    assert (again.documents, again.same) == ([], [f"{site.root}/uno"])
    assert site.asked["/uno", 304] == 1
    assert listing.complete


def test_a_sitemap_of_packed_sitemaps_names_each_page_once(site: Site, settings: Settings) -> None:
    pages = "<url><loc>ROOT/uno</loc><lastmod>2026-11-01</lastmod></url><url><loc>ROOT/dos</loc></url>"
    site.put("/index.xml", "<sitemapindex><sitemap><loc>ROOT/a.xml.gz</loc></sitemap>"
             "<sitemap><loc>ROOT/index.xml</loc></sitemap></sitemapindex>", "application/xml")  # fmt: skip
    packed = gzip.compress(f"<urlset>{pages}{pages}</urlset>".replace("ROOT", site.root).encode())
    site.put("/a.xml.gz", packed, "application/gzip")
    site.put("/uno", "<h1>Uno</h1><p>Uno.</p>")
    listing, read = bring(settings, f"{site.root}/index.xml")
    assert [(file.id, bool(file.hash)) for file in listing.files] == [
        (f"{site.root}/uno", True),
        (f"{site.root}/dos", False),
    ]
    assert {file.source_uri for file in listing.files} == set(listing.sources) == {f"{site.root}/index.xml"}
    assert [document.id for document in read.documents] == [f"{site.root}/uno"]
    assert [name for name, _ in read.failed] == [f"{site.root}/dos"]
    assert listing.complete


def test_a_feed_tells_what_is_new_and_not_what_there_is(site: Site, settings: Settings) -> None:
    site.put("/feed", "<rss version='2.0'><channel><item><link>ROOT/uno</link></item></channel></rss>",
             "application/rss+xml")  # fmt: skip
    listing = list_sources([f"{site.root}/feed"], settings, None)
    assert [file.id for file in listing.files] == [f"{site.root}/uno"]
    assert [file.source_uri for file in listing.files] == [f"{site.root}/feed"]
    assert (listing.complete, listing.sources) == (True, []), "nothing leaves it"


def test_what_a_site_does_not_want_robots_to_read_is_named(site: Site, settings: Settings) -> None:
    site.robots = (200, b"User-agent: capibara6\nDisallow: /privado/\nDisallow: /*.pdf$\n")
    site.put("/sitemap.xml", "<urlset><url><loc>ROOT/privado/uno</loc></url><url><loc>ROOT/b.pdf</loc></url>"
             "<url><loc>ROOT/uno</loc></url></urlset>", "text/xml")  # fmt: skip
    site.put("/uno", "<p>Uno.</p>")
    _, read = bring(settings, f"{site.root}/sitemap.xml")
    assert [document.id for document in read.documents] == [f"{site.root}/uno"]
    assert [reason for _, reason in read.failed] == [
        "su sitio no quiere que lo lean programas (robots.txt)"
    ] * 2
    assert site.asked["/robots.txt", 200] == 2, "once a listing and once a batch"
    assert not [path for path, _ in site.asked if path.startswith(("/privado", "/b"))]


def test_while_a_site_can_not_say_what_it_wants_nothing_is_read(site: Site, settings: Settings) -> None:
    site.robots = (503, b"")
    site.put("/uno", "<p>Uno.</p>")
    listing = list_sources([f"{site.root}/uno"], settings, None)
    assert (listing.files, listing.complete) == ([], False)
    assert "robots.txt answered 503" in refusals(listing, "es")[0][1]


def test_a_list_that_fails_makes_the_listing_incomplete(site: Site, settings: Settings) -> None:
    site.put(
        "/index.xml", "<sitemapindex><sitemap><loc>ROOT/gone.xml</loc></sitemap></sitemapindex>", "text/xml"
    )
    for path in ("/index.xml", "/nothing", "/inside"):
        listing = list_sources([f"{site.root}{path}"], settings, None)
        assert (listing.files, listing.complete) == ([], False)


def test_pages_inside_the_network_are_refused(site: Site, tmp_path: Path) -> None:
    listing = list_sources([f"{site.root}/uno"], settings_in(tmp_path), None)
    assert "internal address" in refusals(listing, "es")[0][1]
    assert not site.asked
