"""The machine's own checks: certificates that are about to end, disks, processes that nobody looks after."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flows.operations.machine import CERTIFICATE_DAYS, certificate, disk
from tests.ports import free_ports
from tools.settings import Settings


def make_certificate(file: Path, days: float) -> None:
    """A key and a certificate for 127.0.0.1 that signs itself and ends in `days`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    end = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=365), end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )


@contextmanager
def guarded(file: Path) -> Iterator[str]:
    """A real TLS server with this certificate; its `host:port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            try:
                context.wrap_socket(link, server_side=True).close()
            except OSError:  # a caller that does not like the certificate
                link.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize(
    ("days", "status"), [(CERTIFICATE_DAYS + 30.5, "ok"), (CERTIFICATE_DAYS - 3.5, "degraded"), (-2, "down")]
)
async def test_a_certificate_is_told_of_before_it_ends(
    days: float, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(tmp_path / "server.pem", days)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))  # the authority that we trust
    with guarded(tmp_path / "server.pem") as address:
        found = await certificate(address, "es")
    assert (found.name, found.status) == (f"certificate {address}", status)
    if days > 0:
        assert found.detail == f"válido {int(days)} días más"


async def test_a_certificate_that_nobody_vouches_for_is_down(tmp_path: Path) -> None:
    make_certificate(tmp_path / "server.pem", 100)
    with guarded(tmp_path / "server.pem") as address:
        found = await certificate(address, "es")
    assert (found.status, "certificate verify failed" in found.detail) == ("down", True)


async def test_a_server_that_is_not_there_is_down() -> None:
    assert (await certificate(f"127.0.0.1:{free_ports(1)[0]}", "es")).status == "down"


def test_the_disk_is_looked_at_before_the_home_exists(settings: Settings) -> None:
    assert not settings.home.exists()
    assert disk(settings).status in ("ok", "degraded")
