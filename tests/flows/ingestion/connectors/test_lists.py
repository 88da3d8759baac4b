"""What sitemaps, feeds, WebDAV folders and addresses of accounts say, read without a server."""

import gzip
from pathlib import Path

import pytest
from pydantic import SecretStr

from flows.ingestion.connectors.connector import Entry
from flows.ingestion.connectors.feed import read_feed
from flows.ingestion.connectors.imap import mailbox_name
from flows.ingestion.connectors.sitemap import read_sitemap, root_of, unpacked
from flows.ingestion.connectors.webdav import read_multistatus
from flows.ingestion.listing import addresses_of
from flows.ingestion.unreadable import Unreadable
from tools.access.source_address import Credential, parse_account, password_for
from tools.errors import BadRequest, Forbidden
from tools.settings import Settings

pytestmark = pytest.mark.pure

MAP = b"""<?xml version="1.0"?><!-- <rss> --><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc> https://a.example/uno </loc><lastmod>2026-11-01</lastmod></url><url><loc>https://a.example/dos</loc></url>
<url><priority>1</priority></url></urlset>"""
RSS = b"""<rss version="2.0"><channel><item><link>/uno</link>
<pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate></item>
<item><title>sin enlace</title></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><link rel="alternate" href="https://b.example/x"/>
<updated>2026-11-03T00:00:00Z</updated></entry></feed>"""


def test_a_sitemap_tells_pages_and_when_they_changed() -> None:
    assert list(read_sitemap(unpacked(gzip.compress(MAP)))) == [
        ("https://a.example/uno", "2026-11-01"),
        ("https://a.example/dos", ""),
    ]


def test_a_feed_tells_the_pages_of_its_items() -> None:
    assert list(read_feed(RSS, "https://a.example/feed")) == [
        ("https://a.example/uno", "Mon, 02 Nov 2026 10:00:00 GMT")
    ]
    assert list(read_feed(ATOM, "https://a.example/feed")) == [
        ("https://b.example/x", "2026-11-03T00:00:00Z")
    ]


@pytest.mark.parametrize(
    ("data", "root"),
    [
        (MAP, "urlset"),
        (RSS, "rss"),
        (ATOM, "feed"),
        (b"<rdf:RDF xmlns:rdf='x'>", "RDF"),
        (b"", ""),
        (b"hola", ""),
    ],
)
def test_the_outermost_element_tells_what_a_list_is(data: bytes, root: str) -> None:
    assert root_of(data) == root


def test_a_list_that_would_grow_without_end_is_refused() -> None:
    entities = b'<!DOCTYPE urlset [<!ENTITY a "aaaaaaaaaa">]><urlset><url><loc>&a;</loc></url></urlset>'
    for data in (entities, b"<urlset><url>", b"\xff\xfe"):
        with pytest.raises(Unreadable):
            list(read_sitemap(data))
    with pytest.raises(Unreadable) as caught:
        unpacked(gzip.compress(bytes(60 * 2**20)))
    assert caught.value.key == "too_large"
    with pytest.raises(Unreadable):
        list(read_feed(b"\x00 no feed", "https://a.example/"))


def test_an_answer_to_propfind_tells_files_and_folders() -> None:
    data = b"""<d:multistatus xmlns:d="DAV:"><d:response><d:href>/dav/</d:href><d:propstat><d:prop>
    <d:resourcetype><d:collection/></d:resourcetype></d:prop></d:propstat></d:response>
    <d:response><d:href>/dav/a%20b.md</d:href><d:propstat><d:prop><d:getetag>"1"</d:getetag>
    <d:getcontentlength>7</d:getcontentlength><d:resourcetype/></d:prop></d:propstat></d:response></d:multistatus>"""
    assert list(read_multistatus(data)) == [
        ("/dav/", {"collection": "yes"}),
        ("/dav/a%20b.md", {"getetag": '"1"', "getcontentlength": "7", "collection": ""}),
    ]


def test_a_mail_folder_is_called_as_imap_writes_it() -> None:
    assert mailbox_name("INBOX") == "INBOX"
    assert mailbox_name('Campaña & "más"') == 'Campa&APE-a &- \\"m&AOE-s\\"'
    assert mailbox_name("日本語") == "&ZeVnLIqe-"


@pytest.mark.parametrize(
    "address",
    [
        "imaps://ana:secreta@mail.example.org/INBOX",
        "imap://ana@mail.example.org/INBOX",
        "webdavs://ana@/docs",
        "webdavs://ana@host:99999/docs",
        "webdavs://ana@host/docs?x=1",
        "webdavs://ana@host/do cs",
    ],
)
def test_an_address_that_is_none_of_an_account_is_refused(address: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_account(address)
    assert "secreta" not in caught.value.message


def test_a_password_is_only_given_for_its_account() -> None:
    own = Credential("imaps://ana@mail.example.org", SecretStr("secreta"))
    assert password_for("imaps://ana@mail.example.org:993/Archivo", own) == "secreta"
    for other in (
        "imaps://ana@evil.example.org/INBOX",
        "imaps://berto@mail.example.org/INBOX",
        "imaps://ana@mail.example.org:994/INBOX",
        "webdavs://ana@mail.example.org/",
    ):
        with pytest.raises(Forbidden):
            password_for(other, own)
    with pytest.raises(Forbidden):
        password_for("imaps://ana@mail.example.org/", None)


def test_a_version_tells_of_one_entry_only() -> None:
    first, other, later = (
        Entry("a", "a", version="1"),
        Entry("b", "b", version="1"),
        Entry("a", "a", version="2"),
    )
    assert len({first.hash, other.hash, later.hash}) == 3
    assert Entry("a", "a").hash == ""


def test_what_sources_brought_is_found_without_asking_them(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path})
    found = addresses_of(["/gone/docs", "https://a.example/map.xml", "s3://bucket/pre fix"], settings)
    assert found == [
        "file:///gone/docs/",
        "file:///gone/docs",
        "https://a.example/map.xml",
        "s3://bucket/pre%20fix/",
    ]
    for source in ("https://a.example:none/", "imaps://ana:secreta@mail.example.org/"):
        with pytest.raises(BadRequest) as caught:
            addresses_of([source], settings)
        assert "secreta" not in caught.value.message
