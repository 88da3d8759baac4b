"""One spelling for each host and origin; nothing that is not loopback is taken for it."""

import pytest

from tools.access.authority import Authority, Origin, read_authority, read_origin

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1", Authority("127.0.0.1", None, True)),
        ("127.9.9.9:1", Authority("127.9.9.9", 1, True)),
        ("LocalHost:99999", Authority("localhost", 99999, True)),
        ("localhost.", Authority("localhost", None, True)),
        ("localhost:", Authority("localhost", None, True)),
        ("[::1]:8000", Authority("::1", 8000, True)),
        ("[0:0:0:0:0:0:0:1]", Authority("::1", None, True)),
        ("::1", Authority("::1", None, True)),
        ("Chat.Example.ORG.:443", Authority("chat.example.org", 443, False)),
        ("10.0.0.1:80", Authority("10.0.0.1", 80, False)),
        ("0.0.0.0", Authority("0.0.0.0", None, False)),
    ],
)
def test_a_host_has_one_spelling(text: str, found: Authority) -> None:
    assert read_authority(text) == found


def test_loopback_within_ipv6_is_loopback() -> None:
    mapped = read_authority("[::ffff:127.0.0.1]")
    assert mapped is not None and mapped.is_loopback


@pytest.mark.parametrize(
    "text",
    [
        *"x/health?a= localhost/ @localhost user@127.0.0.1 localhost:80:80".split(),
        *"[::1 ::1] [localhost] [fe80::1%25lo] . 127.0.0.1%00 localhost#x [] : [::1]x".split(),
        *(
            "localhost:x",
            "localhost,evil.example",
            "",
            " ",
            "local host",
            "localhost\n",
            "localhóst",
            "127.0.0.1\\x",
        ),
    ],
)
def test_what_is_no_host_is_none(text: str) -> None:
    assert read_authority(text) is None


@pytest.mark.parametrize(
    "text",
    "evil.example 127.0.0.1.evil.example localhost.evil.example [::2] 2130706433 0x7f.1 127.1 0127.0.0.1 - "
    "localhost.. [::ffff:10.0.0.1] ip6-localhost".split(),
)
def test_what_looks_like_loopback_is_not_taken_for_it(text: str) -> None:
    found = read_authority(text)
    assert found is not None and not found.is_loopback


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://Chat.example.org", Origin("https", "chat.example.org", 443)),
        ("http://chat.example.org.:80", Origin("http", "chat.example.org", 80)),
        ("HTTP://[::1]:8000", Origin("http", "::1", 8000)),
    ],
)
def test_an_origin_has_one_spelling(text: str, found: Origin) -> None:
    assert read_origin(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *"null * http:// file:// localhost http://a/ http://a?b http://a@b http://a#b ftp://a //a".split(),
        *("http://a\\b", "", "http://a http://b", " http://a"),
    ],
)
def test_what_is_no_origin_is_none(text: str) -> None:
    assert read_origin(text) is None


def test_a_page_is_at_the_host_that_it_is_from() -> None:
    def is_at(origin: str, host: str) -> bool:
        page, called = read_origin(origin), read_authority(host)
        assert page is not None and called is not None
        return page.is_at(called)

    assert is_at("http://a", "a") and is_at("http://a", "a:80") and is_at("https://a", "a:443")
    assert is_at("https://a", "a"), "a proxy in front speaks TLS"
    assert not is_at("http://a:81", "a") and not is_at("http://a", "a:81") and not is_at("http://b", "a")
