"""A folder of a real IMAP server behind TLS: each message is a document, its attachments others."""

import imaplib
import ipaddress
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from flows.ingestion.listing import addresses_of, list_sources, refusals
from flows.ingestion.loader import load
from tests.conftest import free_ports, settings_in
from tools.access.source_address import Credential
from tools.settings import Settings

PASSWORD = "secreta-del-buzón"


def certificate(path: Path) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
    )
    signed = made.add_extension(host, critical=False).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return path


def pump(link: ssl.SSLSocket, inner: socket.socket) -> None:
    """What one side says to the other, until one of them hangs up; a connection over TLS is not for two
    threads at once."""
    while True:
        ready = [link] if link.pending() else select.select([link, inner], [], [])[0]
        for source in ready:
            data = source.recv(65_536)
            if not data:
                return
            (inner if source is link else link).sendall(data)


class Front:
    """TLS before a server that speaks without."""

    def __init__(self, pem: Path, behind: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.listener = context.wrap_socket(
            socket.create_server(("127.0.0.1", 0)), server_side=True, do_handshake_on_connect=False
        )
        self.behind, self.port = behind, self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._speak, args=(link,), daemon=True).start()

    def _speak(self, link: ssl.SSLSocket) -> None:
        with closing(link), suppress(OSError), socket.create_connection(("127.0.0.1", self.behind)) as inner:
            link.do_handshake()
            pump(link, inner)


@contextmanager
def mail_server(*program: str, folder: Path) -> Iterator[tuple[imaplib.IMAP4, int, Path]]:
    """A client of a server, not signed in, the port with TLS, and the certificate to trust."""
    [port] = free_ports(1)
    server = [*program, "--no-tls", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*server, "dict", "--demo-user", "ana", "--demo-password", PASSWORD])
    pem = certificate(folder / "server.pem")
    front = Front(pem, port)
    try:
        yield connected(port, process), front.port, pem
    finally:
        front.listener.close()
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[imaplib.IMAP4, int, Path]]:
    """The server as it is, with a client that is signed in."""
    program = str(Path(sys.executable).with_name("pymap"))
    with mail_server(program, folder=tmp_path_factory.mktemp("tls")) as (client, port, pem):
        client.authenticate("PLAIN", lambda _: f"\0ana\0{PASSWORD}".encode())
        yield client, port, pem
        client.logout()


def connected(port: int, process: "subprocess.Popen[bytes]") -> imaplib.IMAP4:
    for _ in range(600):
        assert process.poll() is None
        with suppress(OSError):
            return imaplib.IMAP4("127.0.0.1", port, timeout=30)
        time.sleep(0.1)
    raise AssertionError("the mail server does not listen")


@pytest.fixture
def settings(
    tmp_path: Path, mailbox: tuple[imaplib.IMAP4, int, Path], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("SSL_CERT_FILE", str(mailbox[2]))
    return settings_in(tmp_path, fetch={"allow": ("127.0.0.0/8",), "seconds": 30.0})


def message(subject: str, text: str, message_id: str = "") -> EmailMessage:
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = subject, "berto@example.org", "ana@example.org"
    if message_id:
        made["Message-ID"] = f"<{message_id}>"
    made.set_content(text)
    return made


def test_messages_are_documents_and_so_are_their_attachments(
    mailbox: tuple[imaplib.IMAP4, int, Path], settings: Settings
) -> None:
    client, port, _ = mailbox
    client.create('"Campa&APE-a"')
    acta = message("Acta", "La reunión fue el martes.", "acta@example.org")
    acta.add_attachment("Código;Precio\nA;3\n", subtype="csv", filename="tabla.csv")
    for item in (acta, acta, message("Sin nombre", "Nadie la nombró.")):
        client.append('"Campa&APE-a"', None, None, item.as_bytes())
    address = f"imaps://ana@127.0.0.1:{port}/Campaña"
    credential = Credential(address, SecretStr(PASSWORD))
    listing = list_sources([address], settings, None, credential)
    assert [problem.fields for _, problem in listing.problems] == []
    first, second = [file.id for file in listing.files]
    assert first == "mid:acta@example.org", "two copies of a message are one"
    assert ";UIDVALIDITY=" in second
    [uri] = addresses_of([address], settings)
    assert uri == f"imaps://ana@127.0.0.1:{port}/Campa%C3%B1a"
    assert (listing.sources, listing.roots) == ([uri], [])
    read = load(listing.files, settings, credential=credential)
    assert [document.id for document in read.documents] == [first, f"{first}/tabla.csv", second]
    assert "La reunión fue el martes." in read.documents[0].text
    client.select('"Campa&APE-a"', readonly=True)
    assert client.search(None, "SEEN")[1] == [b""], "nobody read them"


def test_who_is_not_let_in_is_told_so_without_the_password(
    mailbox: tuple[imaplib.IMAP4, int, Path], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"imaps://ana@127.0.0.1:{mailbox[1]}/INBOX"
    right = Credential(address, SecretStr(PASSWORD))
    for source, credential, said in (
        (address, Credential(address, SecretStr("otra-secreta")), "the mail server refused"),
        (address, None, "there is no password"),
        (f"{address}/nada", right, "there is no mail folder"),
    ):
        listing = list_sources([source], settings, None, credential)
        assert (listing.files, listing.complete) == ([], False)
        [(_, reason)] = refusals(listing, "en")
        assert said in reason
        assert "secreta" not in reason
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "not to be trusted" in refusals(list_sources([address], settings, None, right), "en")[0][1]
    inside = settings_in(settings.home)
    assert "internal address" in refusals(list_sources([address], inside, None, right), "en")[0][1]


def test_a_token_is_shown_as_one_and_a_password_is_not(
    tmp_path: Path, mailbox: tuple[imaplib.IMAP4, int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Providers of mail take passwords no more: XOAUTH2 is the only way in."""
    reaching = settings_in(tmp_path, fetch={"allow": ("127.0.0.0/8",), "seconds": 30.0})

    def told(port: int, password: str) -> list[str]:
        address = f"imaps://ana@127.0.0.1:{port}/INBOX"
        listing = list_sources([address], reaching, None, Credential(address, SecretStr(password)))
        return [reason for _, reason in refusals(listing, "en")] or ["let in"]

    monkeypatch.setenv("SSL_CERT_FILE", str(mailbox[2]))
    assert "takes no token" in told(mailbox[1], f"Bearer {PASSWORD}")[0]
    program = (sys.executable, "-m", "tests.flows.ingestion.connectors.token_mailbox")
    with mail_server(*program, folder=tmp_path) as (client, port, pem):
        assert "AUTH=XOAUTH2" in client.capabilities
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert told(port, f"Bearer {PASSWORD}") == ["let in"]
        [refused] = told(port, "Bearer otra-secreta")
        assert "the mail server refused" in refused
        assert "secreta" not in refused
        client.logout()
