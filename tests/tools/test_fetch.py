"""Guarded fetching: everything that leads inside is refused before a connection, and nothing runs away."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.errors import (
    BadRequest,
    Capibara6Error,
    Forbidden,
    TooLarge,
    Unavailable,
    UpstreamFailed,
    UpstreamSilent,
)
from tools.fetch import admitted, fetch, parse
from tools.sections import Fetch

OUTSIDE = "127.0.0.2"  # opened by a rule: the tests' open internet
RULES = Fetch(allow=(f"{OUTSIDE}/32",), max_bytes=100_000, seconds=20.0)
PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 4\r\n\r\nhola"


@contextmanager
def listener(
    answer: Callable[[bytes], Iterator[bytes]], host: str = OUTSIDE
) -> Iterator[tuple[int, list[bytes]]]:
    """A server that writes what `answer(request head)` yields; its port and the heads it was sent."""
    heads: list[bytes] = []
    server = socket.create_server((host, 0))

    def talk() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=speak, args=(link,), daemon=True).start()

    def speak(link: socket.socket) -> None:
        with closing(link):
            head = link.recv(65_536)
            heads.append(head)
            try:
                for piece in answer(head):
                    link.sendall(piece)
            except OSError:
                return

    threading.Thread(target=talk, daemon=True).start()
    try:
        yield server.getsockname()[1], heads
    finally:
        server.shutdown(socket.SHUT_RDWR)  # ends the thread's accept, and the queue with it
        server.close()


@pytest.fixture
def canary() -> Iterator[tuple[int, list[bytes]]]:
    """Something inside that must never be reached."""
    with listener(lambda _: iter([PAGE]), "127.0.0.1") as (port, heads):
        yield port, heads


def moved(*to: str) -> Callable[[bytes], Iterator[bytes]]:
    """Redirects to each address in turn, by the number in the path."""

    def answer(head: bytes) -> Iterator[bytes]:
        step = int(head.split(b" ")[1][1:] or b"0")
        yield f"HTTP/1.1 302 Found\r\nlocation: {to[step]}\r\ncontent-length: 0\r\n\r\n".encode()

    return answer


INSIDE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://example.org@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.org/",
    "http:\\\\127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.org/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.0.0.1:{port}/",
    "http://127.0.0.1%00.example.org:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://10.0.0.1/",
    "http://255.255.255.255/",
    "http://224.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_GET%20/",
    "ftp://127.0.0.1:{port}/",
    "data:text/plain,hola",
    "//127.0.0.1:{port}/",
    "http:///",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "",
]


@pytest.mark.parametrize("url", INSIDE)
async def test_what_leads_inside_is_refused_before_a_connection(
    url: str, canary: tuple[int, list[bytes]]
) -> None:
    port, heads = canary
    with pytest.raises((BadRequest, Forbidden)):
        await fetch(url.format(port=port), rules=RULES)
    assert heads == []


async def test_a_page_arrives_with_its_kind_and_the_name_that_was_asked_for() -> None:
    async def here(_: str, __: int) -> list[str]:
        return [OUTSIDE]

    with listener(lambda _: iter([PAGE])) as (port, heads):
        page = await fetch(f"http://page.example:{port}/a?b=1", rules=RULES, resolve=here)
    assert (page.content_type, page.body) == ("text/html", b"hola")
    assert page.url == f"http://page.example:{port}/a?b=1"
    assert heads[0].startswith(b"GET /a?b=1 HTTP/1.1\r\n")
    assert f"host: page.example:{port}\r\n".encode() in heads[0].lower()


async def test_every_redirect_is_judged_again(canary: tuple[int, list[bytes]]) -> None:
    port, heads = canary
    with listener(moved("/1", f"http://127.0.0.1:{port}/")) as (outside, asked):
        with pytest.raises(Forbidden):
            await fetch(f"http://{OUTSIDE}:{outside}/0", rules=RULES)
        assert len(asked) == 2
    with listener(moved("file:///etc/passwd")) as (outside, _), pytest.raises(BadRequest):
        await fetch(f"http://{OUTSIDE}:{outside}/0", rules=RULES)
    assert heads == []


async def test_a_chain_of_redirects_ends() -> None:
    with listener(moved("/0")) as (port, asked):
        with pytest.raises(UpstreamFailed, match="redirects"):
            await fetch(f"http://{OUTSIDE}:{port}/0", rules=RULES)
        assert len(asked) == 6


async def test_a_name_that_changes_its_address_is_asked_once_and_pinned(
    canary: tuple[int, list[bytes]],
) -> None:
    answers = [[OUTSIDE], ["127.0.0.1"], ["127.0.0.1"]]

    async def rebinding(_: str, __: int) -> list[str]:
        return answers.pop(0)

    with listener(lambda _: iter([PAGE])) as (port, _):
        page = await fetch(f"http://rebinding.example:{port}/", rules=RULES, resolve=rebinding)
    assert page.body == b"hola"
    assert (len(answers), canary[1]) == (2, [])


async def test_one_internal_address_among_others_is_enough_to_refuse() -> None:
    async def both(_: str, __: int) -> list[str]:
        return [OUTSIDE, "127.0.0.1"]

    with pytest.raises(Forbidden):
        await fetch("http://both.example/", rules=RULES, resolve=both)


@pytest.mark.parametrize("head", [b"content-length: 10000000000\r\n", b"transfer-encoding: chunked\r\n"])
async def test_a_body_without_end_is_cut_off(head: bytes) -> None:
    def endless(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"
        while True:
            yield (b"10000\r\n" + b"x" * 65_536 + b"\r\n") if b"chunked" in head else b"x" * 65_536

    with listener(endless) as (port, _), pytest.raises(TooLarge):
        await fetch(f"http://{OUTSIDE}:{port}/", rules=RULES)


async def test_a_server_that_drips_is_left_and_one_that_packs_is_refused() -> None:
    gone = threading.Event()

    def dripping(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"
        while not gone.wait(0.1):
            yield b"x"

    with listener(dripping) as (port, _), pytest.raises(UpstreamSilent):
        await fetch(f"http://{OUTSIDE}:{port}/", rules=RULES.model_copy(update={"seconds": 0.5}))
    gone.set()
    packed = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx"
    with listener(lambda _: iter([packed])) as (port, _), pytest.raises(UpstreamFailed, match="packed"):
        await fetch(f"http://{OUTSIDE}:{port}/", rules=RULES)


async def test_what_is_not_there_says_so() -> None:
    missing = b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"
    with listener(lambda _: iter([missing])) as (port, _), pytest.raises(UpstreamFailed, match="404"):
        await fetch(f"http://{OUTSIDE}:{port}/", rules=RULES)
    with pytest.raises(Unavailable):
        await fetch(f"http://{OUTSIDE}:{port}/", rules=RULES)
    with pytest.raises(Unavailable):
        await fetch("http://nothing.invalid/", rules=RULES)


@pytest.mark.parametrize("text", ["1.1.1.1", "2606:4700:4700::1111", OUTSIDE, f"::ffff:{OUTSIDE}"])
def test_the_open_internet_is_admitted(text: str) -> None:
    assert admitted(ipaddress.ip_address(text), RULES)


def test_an_address_is_taken_apart_once() -> None:
    place = parse("https://Example.org/a/../b?q=1#part")
    assert (place.host, place.port, place.target) == ("example.org", 443, "/a/../b?q=1")
    assert parse("http://[2606:4700::1]:8080").url == "http://[2606:4700::1]:8080/"


async def test_the_certificate_must_be_of_the_name_and_not_of_the_address(tmp_path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "page.example")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    file = tmp_path / "server.pem"
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(pem + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = context.wrap_socket(socket.create_server((OUTSIDE, 0)), server_side=True)
    asked: list[str] = []
    context.sni_callback = lambda _, asked_for, __: asked.append(str(asked_for))

    def accept() -> None:
        try:
            server.accept()[0].close()
        except OSError:
            return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()

    async def here(_: str, __: int) -> list[str]:
        return [OUTSIDE]

    with closing(server), pytest.raises(Capibara6Error):
        await fetch(f"https://page.example:{server.getsockname()[1]}/", rules=RULES, resolve=here)
    thread.join(10)
    assert asked == ["page.example"]
